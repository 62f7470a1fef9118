"""p(z): () -> Distribution.

A prior is a module, so what it has to learn is learned inside the bound. One that begins with data has a method
``start_from(x)``, which training calls once, before the first step, as it does for any part of a model that has one.
"""

from ..posteriors import NormalMixture
from .autoregressive import Autoregressive, AutoregressivePrior
from .estimated import Estimated, log_prior
from .flow import Flow, FlowPrior, masked_autoregressive, neural_spline, real_nvp
from .learned_normal import LearnedNormal
from .mixture import MixturePrior
from .standard_normal import StandardNormal
from .vamp import VampPrior

__all__ = [
    "Autoregressive",
    "AutoregressivePrior",
    "Estimated",
    "Flow",
    "FlowPrior",
    "LearnedNormal",
    "MixturePrior",
    "NormalMixture",
    "StandardNormal",
    "VampPrior",
    "log_prior",
    "masked_autoregressive",
    "neural_spline",
    "real_nvp",
]
