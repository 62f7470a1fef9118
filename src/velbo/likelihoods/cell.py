"""A cell: the distribution p(x_d|z) of one number, which says of itself all that is true of it.

    log_prob, sample, support       as every torch distribution
    mean, mode, variance            of x
    below_and_at                    P(X < x) and P(X = x); a density gives its distribution function as `cdf`, and 0
    rule                            points x_j and log-weights with E f(x) ~ sum_j w_j f(x_j); by `icdf`, if not given
    coordinate                      c(x), in which the probability that a cell is missing is monotone
    log_masses                      of every value, where values are few
    at                              some of the cells

A likelihood of its own is one class with these methods and a head (base.py) in one file, and a line in registry.py.
What a class leaves out is refused in a sentence that names the method to write.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from ..errors import MissingMethodError
from ..runtime.shapes import broadcast_shapes
from .quadrature import Nodes, Rule, normal_rule
from .ranges import within_unit

MIN_SCALE = 1e-3
"""A density is unbounded where data repeat a value, so that learned scales stay above this."""


class Cell(Distribution):
    """One number a cell: batch shape (..., D), scalar events.

    Args:
        parameters: each broadcasts to (..., D), with ``n_inner`` more axes behind D where a cell has several numbers
            of a sort.
        shape: the batch shape, where there are no parameters to tell it.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore
    n_inner: ClassVar[int] = 0
    inside: float = 0.0
    """A number inside the support."""
    is_coded: bool = False
    """Whether values are names of categories, whose mean says nothing."""
    is_enumerated: bool = False
    """Whether its rule is a sum over every value, however many nodes are asked for."""
    least_scale: float = 0.0
    """The least ``scale`` that its head can give; 0 where none is known."""

    def __init__(self, *parameters: Tensor, shape: torch.Size | None = None) -> None:
        self.parameters = parameters
        if shape is None:
            shape = broadcast_shapes(*(self._lead(p) for p in parameters))
        super().__init__(shape, validate_args=False)

    def _lead(self, parameter: Tensor) -> torch.Size:
        return parameter.shape[: parameter.dim() - self.n_inner]

    def rebuilt(self, *parameters: Tensor) -> Self:
        """A cell of the same sort with other parameters."""
        return type(self)(*parameters)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Self:
        inner = (p.shape[p.dim() - self.n_inner :] for p in self.parameters)
        return self.rebuilt(*(p.expand(*batch_shape, *s) for p, s in zip(self.parameters, inner, strict=True)))

    def at(self, places: Tensor) -> Cell:
        """Some of the cells, by their places (n,)."""
        whole = self.expand(self.batch_shape)
        return self.rebuilt(*(p.index_select(p.dim() - 1 - self.n_inner, places) for p in whole.parameters))

    @property
    def numbers_per_cell(self) -> int:
        """How many numbers describe a cell."""
        n = max(1, self.batch_shape.numel())
        return max(1, *(p.numel() // n for p in self.parameters), 1)

    @property
    def n_components(self) -> int:
        """Components that have nodes of their own in `rule`."""
        return self.parameters[0].shape[-1] if self.n_inner else 1

    def nearest(self, x: Tensor) -> Tensor:
        """The nearest value that a cell can have."""
        return x.round() if self.support.is_discrete else x

    def lacks(self, method: str, use: str) -> MissingMethodError:
        """The error for something that the class does not say."""
        name = type(self).__name__
        return MissingMethodError(f"{name} has no {method}, and {use}; write `{method}` in the class {name}")

    @property
    def support(self) -> constraints.Constraint:
        raise self.lacks("support", "data are held against it before training")

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats of every cell, (..., D)."""
        raise self.lacks("log_prob(value)", "the likelihood is made of it")

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        raise self.lacks("sample(sample_shape)", "new rows are drawn by it")

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        raise self.lacks("rsample(sample_shape)", "gradients through a draw of x need it")

    @property
    def mean(self) -> Tensor:
        raise self.lacks("mean", "point estimates are made of it")

    @property
    def mode(self) -> Tensor:
        raise self.lacks("mode", "point estimates of codes are made of it")

    @property
    def variance(self) -> Tensor:
        raise self.lacks("variance", "the spread of a cell is told by it")

    def cdf(self, value: Tensor) -> Tensor:
        """F(x) of a density."""
        raise self.lacks("cdf(value)", "calibration needs the distribution function")

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile, F(x) = u."""
        raise self.lacks("rule(nodes)", "expectations over a missing cell need it (or `icdf`)")

    def below_and_at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(P(X < x), P(X = x)) of every cell."""
        if self.support.is_discrete:
            raise self.lacks("below_and_at(x)", "calibration needs P(X < x) and P(X = x)")
        below = self.cdf(x)
        return below, torch.zeros_like(below)

    def rule(self, nodes: Nodes) -> Rule:
        """Points x_j and log-weights with E f(x) ~ sum_j w_j f(x_j), sum_j w_j = 1; both broadcast to (J, ..., D).

        Points are in order; cells with components (``n_inner`` = 1) give those of one component after the other.
        """
        if self.support.is_discrete:
            raise self.lacks("rule(nodes)", "expectations over a missing cell need it")
        t, log_w = self.normal_rule(nodes)
        return self.icdf(within_unit(torch.special.ndtr(t))), log_w

    def normal_rule(self, nodes: Nodes) -> Rule:
        """Of N(0, 1), with as many axes behind the first as the parameters have."""
        return normal_rule(len(self.batch_shape) + self.n_inner, nodes, self.dtype, self.device)

    def coordinate(self, x: Tensor) -> Tensor:
        """c(x): x, unless log p falls more slowly than linearly in it."""
        return x

    def log_masses(self) -> Tensor:
        """log p of every value, (..., D, C)."""
        raise self.lacks("log_masses()", "a law of few values is told by it")

    @property
    def dtype(self) -> torch.dtype:
        return self.parameters[0].dtype

    @property
    def device(self) -> torch.device:
        return self.parameters[0].device

    def shape_of(self, sample_shape: Any) -> torch.Size:
        """Of a sample."""
        return torch.Size((*sample_shape, *self.batch_shape))

    def standard_normal(self, sample_shape: Any) -> Tensor:
        return torch.randn(self.shape_of(sample_shape), dtype=self.dtype, device=self.device)
