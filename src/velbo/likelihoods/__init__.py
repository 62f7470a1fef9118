"""p(x|z): features -> Distribution."""

from .base import Factorised, Likelihood, point_estimate
from .bernoulli import Bernoulli
from .beta import Beta
from .by_kind import CELLS, DEFAULT_CELLS, CellKind, cell_of
from .categorical import Categorical
from .coded import BernoulliCodes, CategoricalCodes
from .continuous_bernoulli import ContinuousBernoulli
from .discretized_logistic import DiscretizedLogistic
from .gamma import Gamma
from .integers import DiscretizedMixture, Grid
from .log_normal import LogNormal
from .logit_normal import LogitNormal
from .missingness import MissingNotAtRandom
from .mixed import BesideGiven, Mixed, MixedCells
from .mixture import MixtureOfNormals
from .negative_binomial import NegativeBinomial, ZeroInflatedNegativeBinomial
from .normal import FixedScale, LearnedScale, Normal, PredictedScale
from .ordered_logistic import OrderedLogistic
from .poisson import Poisson
from .student_t import StudentT

__all__ = [
    "CELLS",
    "DEFAULT_CELLS",
    "Bernoulli",
    "BernoulliCodes",
    "BesideGiven",
    "Beta",
    "Categorical",
    "CategoricalCodes",
    "CellKind",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "DiscretizedMixture",
    "Factorised",
    "FixedScale",
    "Gamma",
    "Grid",
    "LearnedScale",
    "Likelihood",
    "LogNormal",
    "LogitNormal",
    "MissingNotAtRandom",
    "Mixed",
    "MixedCells",
    "MixtureOfNormals",
    "NegativeBinomial",
    "Normal",
    "OrderedLogistic",
    "Poisson",
    "PredictedScale",
    "StudentT",
    "ZeroInflatedNegativeBinomial",
    "cell_of",
    "point_estimate",
]
