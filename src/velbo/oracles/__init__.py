"""Models whose log p(x), posterior and ELBO are known exactly."""

from .diffusion import DiffusedGaussian, TwoPoints, guided_gain
from .hierarchy import LinearGaussianHierarchy
from .linear_gaussian import LinearGaussian

__all__ = ["DiffusedGaussian", "LinearGaussian", "LinearGaussianHierarchy", "TwoPoints", "guided_gain"]
