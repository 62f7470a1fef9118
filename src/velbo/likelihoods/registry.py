"""The likelihoods that velbo has, by name: one word is one model, for the dimensions of an array and for a column.

A name stands for a class, which says which kinds of field it suits and builds a head for some of them. A new one is a
file beside this and a line here. Densities and masses do not mix: a column's log p is in the units of its kind, so a
density of whole numbers is refused.
"""

from __future__ import annotations

from ..data.columns import Column
from ..errors import ConfigError, unknown
from .base import Likelihood
from .bernoulli import Bernoulli
from .beta import Beta
from .categorical import Categorical
from .continuous_bernoulli import ContinuousBernoulli
from .discretized_logistic import DiscretizedLogistic
from .gamma import Gamma
from .integers import DiscretizedMixture
from .laplace import Laplace
from .log_normal import LogNormal
from .logit_normal import LogitNormal
from .mixture import MixtureOfNormals
from .negative_binomial import NegativeBinomial, ZeroInflatedNegativeBinomial
from .normal import Normal, NormalFixed, NormalPredicted, NormalScalar
from .ordered_logistic import OrderedLogistic
from .poisson import Poisson
from .student_t import StudentT

LIKELIHOODS: dict[str, type[Likelihood]] = {
    "normal": Normal,
    "normal-fixed": NormalFixed,
    "normal-scalar": NormalScalar,
    "normal-predicted": NormalPredicted,
    "student-t": StudentT,
    "normal-mixture": MixtureOfNormals,
    "laplace": Laplace,
    "log-normal": LogNormal,
    "gamma": Gamma,
    "beta": Beta,
    "logit-normal": LogitNormal,
    "continuous-bernoulli": ContinuousBernoulli,
    "discretized-logistic": DiscretizedLogistic,
    "discretized-mixture": DiscretizedMixture,
    "poisson": Poisson,
    "negative-binomial": NegativeBinomial,
    "zero-inflated-negative-binomial": ZeroInflatedNegativeBinomial,
    "bernoulli": Bernoulli,
    "categorical": Categorical,
    "ordered-logistic": OrderedLogistic,
}
"""In the order in which a row's heads are built."""

DEFAULT: dict[str, dict[str, str]] = {
    "array": {
        "real": "normal",
        "byte": "discretized-logistic",
        "binary": "bernoulli",
    },
    "column": {
        "real": "student-t",
        "positive": "log-normal",
        "bounded": "logit-normal",
        "datetime": "normal-mixture",
        "integer": "discretized-mixture",
        "count": "negative-binomial",
        "binary": "bernoulli",
        "byte": "discretized-logistic",
        "categorical": "categorical",
        "ordinal": "ordered-logistic",
    },
}
"""The likelihood of a kind where none is named: of all dimensions of an array, and of a column."""


def likelihood_of(column: Column) -> str:
    """The name of a column's likelihood: its own, or its kind's default.

    Raises:
        ConfigError: for a name that is none, a likelihood that does not suit the kind, or a column that has none.
    """
    kind, defaults = column.kind, DEFAULT["column"]
    if kind not in defaults:
        raise ConfigError(f"column '{column.name}' is of kind '{kind}' and has no likelihood; leave it out")
    name = column.likelihood or defaults[kind]
    if name not in LIKELIHOODS:
        raise unknown(f"likelihood of column '{column.name}'", name, LIKELIHOODS)
    kinds = LIKELIHOODS[name].kinds
    if kind not in kinds:
        suited = [n for n, head in LIKELIHOODS.items() if kind in head.kinds]
        raise ConfigError(
            f"column '{column.name}': likelihood '{name}' is for columns of kind {' or '.join(kinds)}, and this one is "
            f"of kind '{kind}'; give the column another kind, or one of: {', '.join(suited)}"
        )
    return name
