"""Lossless compression by bits-back: a file is about as many bits as the bound says."""

from .reading import decompress
from .writing import Compressed, compress

__all__ = ["Compressed", "compress", "decompress"]
