"""p(x|z): features -> Distribution."""

from .autoregressive import Autoregressive, OrderedCells
from .base import Factorised, Likelihood, point_estimate
from .bernoulli import Bernoulli
from .beta import Beta
from .categorical import Categorical
from .categorical_by_class import CategoricalByClass
from .cell import Cell
from .continuous_bernoulli import ContinuousBernoulli
from .discretized_logistic import DiscretizedLogistic
from .gamma import Gamma
from .integers import DiscretizedMixture, Grid
from .laplace import Laplace
from .log_normal import LogNormal
from .logit_normal import LogitNormal
from .missingness import MissingNotAtRandom
from .mixed import Mixed, MixedCells, SideBySide
from .mixture import MixtureOfNormals
from .negative_binomial import NegativeBinomial, ZeroInflatedNegativeBinomial
from .normal import (
    FixedScale,
    LearnedScale,
    Normal,
    NormalFixed,
    NormalNarrow,
    NormalPredicted,
    NormalScalar,
    PredictedScale,
)
from .ordered_logistic import OrderedLogistic
from .poisson import Poisson
from .registry import LIKELIHOODS, likelihood_of
from .student_t import StudentT

__all__ = [
    "LIKELIHOODS",
    "Autoregressive",
    "Bernoulli",
    "Beta",
    "Categorical",
    "CategoricalByClass",
    "Cell",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "DiscretizedMixture",
    "Factorised",
    "FixedScale",
    "Gamma",
    "Grid",
    "Laplace",
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
    "NormalFixed",
    "NormalNarrow",
    "NormalPredicted",
    "NormalScalar",
    "OrderedCells",
    "OrderedLogistic",
    "Poisson",
    "PredictedScale",
    "SideBySide",
    "StudentT",
    "ZeroInflatedNegativeBinomial",
    "likelihood_of",
    "point_estimate",
]
