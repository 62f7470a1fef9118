"""The likelihoods that velbo has, by name: one word is one model, for the dimensions of an array and for a column.

A name stands for a class, which says which kinds of field it suits and builds a head for some of them. A new one is a
file beside this and a line here. Densities and masses do not mix: a column's log p is in the units of its kind, so a
density of whole numbers is refused.
"""

from __future__ import annotations

from ..errors import ConfigError, unknown
from ..rows import Field
from ..rows.kinds import kind_of
from .base import Likelihood
from .bernoulli import Bernoulli
from .beta import Beta
from .categorical import Categorical
from .categorical_by_class import CategoricalByClass
from .continuous_bernoulli import ContinuousBernoulli
from .discretized_logistic import DiscretizedLogistic
from .gamma import Gamma
from .integers import DiscretizedMixture
from .laplace import Laplace
from .log_normal import LogNormal
from .logit_normal import LogitNormal
from .mixture import MixtureOfNormals
from .negative_binomial import NegativeBinomial, ZeroInflatedNegativeBinomial
from .normal import Normal, NormalFixed, NormalNarrow, NormalPredicted, NormalScalar
from .ordered_logistic import OrderedLogistic
from .poisson import Poisson
from .student_t import StudentT

LIKELIHOODS: dict[str, type[Likelihood]] = {
    "normal": Normal,
    "normal-fixed": NormalFixed,
    "normal-narrow": NormalNarrow,
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
    "categorical-by-class": CategoricalByClass,
    "ordered-logistic": OrderedLogistic,
}
"""In the order in which a row's heads are built."""


def likelihood_of(field: Field, of_all: str = "auto") -> str:
    """The name of a field's likelihood: its own, that asked of all, or its kind's default.

    Raises:
        ConfigError: for a name that is none, a likelihood that does not suit the kind, or a field that has none.
    """
    kind = kind_of(field)
    if not kind.is_modelled:
        raise ConfigError(f"'{field.name}' is of kind '{field.kind}' and has no likelihood; leave it out")
    name = field.likelihood or (kind.default_likelihood(field) if of_all == "auto" else of_all)
    if name not in LIKELIHOODS:
        raise unknown(f"likelihood of '{field.name}'", name, LIKELIHOODS)
    kinds = LIKELIHOODS[name].suits()
    if field.kind not in kinds:
        suited = [n for n, head in LIKELIHOODS.items() if field.kind in head.suits()]
        raise ConfigError(
            f"'{field.name}': likelihood '{name}' is for fields of kind {' or '.join(kinds)}, and this one is of kind "
            f"'{field.kind}'; give it another kind, or one of: {', '.join(suited)}"
        )
    return name
