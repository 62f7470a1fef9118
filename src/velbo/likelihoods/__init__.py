"""p(x|z): features -> Distribution."""

from .base import Factorised, Likelihood, point_estimate
from .bernoulli import Bernoulli
from .categorical import Categorical
from .continuous_bernoulli import ContinuousBernoulli
from .discretized_logistic import DiscretizedLogistic
from .normal import FixedScale, LearnedScale, Normal, PredictedScale

__all__ = [
    "Bernoulli",
    "Categorical",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "Factorised",
    "FixedScale",
    "LearnedScale",
    "Likelihood",
    "Normal",
    "PredictedScale",
    "point_estimate",
]
