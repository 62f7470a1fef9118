"""Which likelihood suits which kind of column (data/columns.py), and how it is built for columns of it.

    kind           default                others
    real           student-t              normal, normal-fixed, normal-mixture
    datetime       normal-mixture         normal, normal-fixed, student-t
    positive       log-normal             gamma
    bounded        logit-normal           beta
    integer        discretized-mixture
    count          negative-binomial      poisson, zero-inflated-negative-binomial, discretized-mixture
    binary         bernoulli              categorical
    categorical    categorical
    ordinal        ordered-logistic       categorical

Densities and masses do not mix: a column's log p is in the units of its kind, so a density of whole numbers is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..data.columns import Column
from ..errors import ConfigError, unknown
from .base import Likelihood
from .beta import Beta
from .coded import BernoulliCodes, CategoricalCodes
from .gamma import Gamma
from .integers import DiscretizedMixture, Grid
from .log_normal import LogNormal
from .logit_normal import LogitNormal
from .mixture import MixtureOfNormals
from .negative_binomial import NegativeBinomial, ZeroInflatedNegativeBinomial
from .normal import Normal, PredictedScale
from .ordered_logistic import OrderedLogistic
from .poisson import Poisson
from .student_t import StudentT

FARTHEST_START = 3.0
"""Standard deviations from the mean, beyond which no Normal component begins."""

Builder = Callable[[int, Sequence[Column]], Likelihood]


@dataclass(frozen=True)
class CellKind:
    """A likelihood of columns.

    Attributes:
        kinds: of columns that it suits.
        build: (n_in, columns) -> head with one cell for each.
    """

    kinds: tuple[str, ...]
    build: Builder


def _plain(head: Callable[[int, int], Likelihood]) -> Builder:
    return lambda n_in, columns: head(n_in, len(columns))


def _sized(head: Callable[[int, Sequence[int]], Likelihood]) -> Builder:
    return lambda n_in, columns: head(n_in, [c.n_categories for c in columns])


def _counting(head: Callable[[int, int, Sequence[float]], Likelihood]) -> Builder:
    return lambda n_in, columns: head(n_in, len(columns), [initial_rate(c) for c in columns])


def initial_rate(column: Column) -> float:
    """A count column's mean; of one that has none, a guess from its range: its middle in log(1 + v)."""
    return max(column.mean or math.sqrt((1 + column.low) * (1 + column.high)) - 1, 0.1)


def _mixture(n_in: int, columns: Sequence[Column]) -> Likelihood:
    low = [max((c.low - c.location) / c.scale, -FARTHEST_START) for c in columns]
    high = [min((c.high - c.location) / c.scale, FARTHEST_START) for c in columns]
    return MixtureOfNormals(n_in, len(columns), low, high)


REALS = ("real", "datetime")

CELLS: dict[str, CellKind] = {
    "normal": CellKind(REALS, lambda i, c: Normal(i, len(c), PredictedScale(i, len(c)))),
    "normal-fixed": CellKind(REALS, lambda i, c: Normal(i, len(c), 1.0)),
    "student-t": CellKind(REALS, _plain(StudentT)),
    "normal-mixture": CellKind(REALS, _mixture),
    "log-normal": CellKind(("positive",), _plain(LogNormal)),
    "gamma": CellKind(("positive",), _plain(Gamma)),
    "beta": CellKind(("bounded",), _plain(Beta)),
    "logit-normal": CellKind(("bounded",), _plain(LogitNormal)),
    "discretized-mixture": CellKind(
        ("integer", "count"), lambda i, c: DiscretizedMixture(i, [Grid.of(column) for column in c])
    ),
    "poisson": CellKind(("count",), _counting(Poisson)),
    "negative-binomial": CellKind(("count",), _counting(NegativeBinomial)),
    "zero-inflated-negative-binomial": CellKind(("count",), _counting(ZeroInflatedNegativeBinomial)),
    "bernoulli": CellKind(("binary",), _plain(BernoulliCodes)),
    "categorical": CellKind(("categorical", "ordinal", "binary"), _sized(CategoricalCodes)),
    "ordered-logistic": CellKind(("ordinal",), _sized(OrderedLogistic)),
}
"""Likelihoods by the names that columns give them."""

DEFAULT_CELLS: dict[str, str] = {
    "real": "student-t",
    "positive": "log-normal",
    "bounded": "logit-normal",
    "datetime": "normal-mixture",
    "integer": "discretized-mixture",
    "count": "negative-binomial",
    "binary": "bernoulli",
    "categorical": "categorical",
    "ordinal": "ordered-logistic",
}
"""Kind of column -> name of its likelihood, where it names none."""


def cell_of(column: Column) -> str:
    """The name of a column's likelihood: its own, or its kind's default.

    Raises:
        ConfigError: for a name that is none, a likelihood that does not suit the kind, or a column that has none.
    """
    if column.kind not in DEFAULT_CELLS:
        raise ConfigError(f"column '{column.name}' is of kind '{column.kind}' and has no likelihood; leave it out")
    name = column.likelihood or DEFAULT_CELLS[column.kind]
    if name not in CELLS:
        raise unknown(f"likelihood of column '{column.name}'", name, CELLS)
    if column.kind not in CELLS[name].kinds:
        suited = [n for n, cell in CELLS.items() if column.kind in cell.kinds]
        raise ConfigError(
            f"column '{column.name}': likelihood '{name}' is for columns of kind {' or '.join(CELLS[name].kinds)}, and "
            f"this one is of kind '{column.kind}'; give the column another kind, or one of: {', '.join(suited)}"
        )
    return name
