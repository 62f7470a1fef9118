"""A distribution of torch as cells: what torch says of itself is taken, and what it does not say is refused.

P(X < x), P(X = x)     by `cdf` of a density, by the masses of all values where they can be enumerated
expectations           by `icdf` of a density, by the masses of all values where they can be enumerated
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution

from ..errors import MissingMethodError
from .cell import Cell
from .coded import CodesCell
from .quadrature import Nodes, Rule


def as_cell(p: Distribution) -> Cell:
    """Cells as they are, and any other distribution as cells."""
    if isinstance(p, Cell):
        return p
    return CodesCell(p.logits) if type(p) is Categorical else TorchCell(p)


class TorchCell(Cell):
    """Cells of a torch distribution.

    Args:
        base: batch shape (..., D), scalar events.
    """

    def __init__(self, base: Distribution) -> None:
        self.base = base
        super().__init__(shape=base.batch_shape)

    def lacks(self, method: str, use: str) -> MissingMethodError:
        name = type(self.base).__name__
        return MissingMethodError(
            f"{name}, a distribution of torch, has no {method}, and {use}; give a velbo.likelihoods.Cell with it"
        )

    @property
    def inside(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The distribution's own, or the first of 1/2 and 1 in its support; 0 where that does not tell numbers."""
        check: Any = self.support.check
        try:
            return next((n for n in (getattr(self.base, "inside", 0.5), 1.0) if check(n) is True), 0.0)
        except AttributeError:  # the support of a mixture takes tensors alone
            return 0.0

    @property
    def numbers_per_cell(self) -> int:
        n = max(1, self.batch_shape.numel())
        return max(1, *(t.numel() // n for t in vars(self.base).values() if isinstance(t, Tensor)), 1)

    @property
    def dtype(self) -> torch.dtype:
        return self._any_parameter.dtype

    @property
    def device(self) -> torch.device:
        return self._any_parameter.device

    @property
    def _any_parameter(self) -> Tensor:
        told = (t for t in vars(self.base).values() if isinstance(t, Tensor) and t.is_floating_point())
        return next(told, torch.empty(()))

    @property
    def has_rsample(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.base.has_rsample

    @property
    def is_enumerated(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.base.has_enumerate_support

    @property
    def support(self) -> Any:
        return self.base.support

    def log_prob(self, value: Tensor) -> Tensor:
        return self.base.log_prob(value)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        x = self.base.sample(sample_shape)
        # all numbers of a row are of one type, codes too
        return x if x.is_floating_point() else x.to(self.dtype)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self.base.rsample(sample_shape)

    def _said(self, name: str, *arguments: Tensor) -> Tensor:
        """What torch says, or else the refusal."""
        try:
            found = getattr(self.base, name)
            return found(*arguments) if arguments else found
        except NotImplementedError:
            found = getattr(super(), name)
            return found(*arguments)

    @property
    def mean(self) -> Tensor:
        return self._said("mean")

    @property
    def mode(self) -> Tensor:
        return self._said("mode")

    @property
    def variance(self) -> Tensor:
        return self._said("variance")

    def cdf(self, value: Tensor) -> Tensor:
        return self._said("cdf", value)

    def icdf(self, value: Tensor) -> Tensor:
        return self._said("icdf", value)

    def _values(self) -> Tensor:
        """All of them, (C, 1, ..., 1)."""
        return self.base.enumerate_support(expand=False)

    def below_and_at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if not self.base.has_enumerate_support:
            return super().below_and_at(x)
        values = self._values()
        masses = self.base.log_prob(values).exp()
        below = torch.where(values < x, masses, 0.0).sum(0)
        return below, self.base.log_prob(x).exp()

    def rule(self, nodes: Nodes) -> Rule:
        if not self.base.has_enumerate_support:
            return super().rule(nodes)
        values = self._values()
        return values.to(self.dtype), self.base.log_prob(values)

    def log_masses(self) -> Tensor:
        if not self.base.has_enumerate_support:
            return super().log_masses()
        return self.base.log_prob(self._values()).movedim(0, -1)

    def expand(self, batch_shape: Any, _instance: Any = None) -> TorchCell:
        return TorchCell(self.base.expand(torch.Size(batch_shape)))

    def at(self, places: Tensor) -> TorchCell:
        names = list(self.base.arg_constraints)
        if "logits" in names and "probs" in names:
            names.remove("probs")
        parameters: dict[str, Any] = {name: getattr(self.base, name, None) for name in names}
        axis = len(self.batch_shape) - 1
        is_known = all(isinstance(t, Tensor) and t.shape[: axis + 1] == self.batch_shape for t in parameters.values())
        if not parameters or not is_known:
            raise self.lacks("at(places)", "columns with missing values are taken apart from those without")
        chosen = {name: t.index_select(axis, places) for name, t in parameters.items()}
        return TorchCell(type(self.base)(**chosen, validate_args=False))
