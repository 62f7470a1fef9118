"""Models whose log p(x), posterior and ELBO are known exactly."""

from .hierarchy import LinearGaussianHierarchy
from .linear_gaussian import LinearGaussian

__all__ = ["LinearGaussian", "LinearGaussianHierarchy"]
