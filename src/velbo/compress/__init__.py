"""Lossless compression by bits-back: a file is about as many bits as the bound says."""

from .codec import Compressed, compress, decompress

__all__ = ["Compressed", "compress", "decompress"]
