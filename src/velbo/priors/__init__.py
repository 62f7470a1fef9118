"""p(z): () -> Distribution."""

from .standard_normal import StandardNormal

__all__ = ["StandardNormal"]
