"""What the cells of a table have in common: the distribution of one number, and how a head begins."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.distributions import Distribution

from .base import Likelihood


class Cell(Distribution):
    """One number a cell: batch shape (..., D), scalar events.

    Args:
        parameters: each (..., D), with ``n_inner`` more axes behind D where a cell has several numbers of a sort.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore
    n_inner: ClassVar[int] = 0
    inside: ClassVar[float] = 0.0
    """A number inside the support."""

    def __init__(self, *parameters: Tensor) -> None:
        self.parameters = parameters
        shape = torch.broadcast_shapes(*(self._lead(p) for p in parameters))
        super().__init__(shape, validate_args=False)

    def _lead(self, parameter: Tensor) -> torch.Size:
        return parameter.shape[: parameter.dim() - self.n_inner]

    def expand(self, batch_shape: Any, _instance: Any = None) -> Self:
        inner = (p.shape[p.dim() - self.n_inner :] for p in self.parameters)
        return type(self)(*(p.expand(*batch_shape, *s) for p, s in zip(self.parameters, inner, strict=True)))

    def shape_of(self, sample_shape: Any) -> torch.Size:
        """Of a sample."""
        return torch.Size((*sample_shape, *self.batch_shape))

    def standard_normal(self, sample_shape: Any) -> Tensor:
        like = self.parameters[0]
        return torch.randn(self.shape_of(sample_shape), dtype=like.dtype, device=like.device)


def limited(y: Tensor, limit: float) -> Tensor:
    """limit tanh(y / limit): y where it is small, and within the limit, with a gradient, everywhere."""
    return limit * torch.tanh(y / limit)


def inverse_limited(y: float, limit: float) -> float:
    """The number that `limited` maps to y; to the largest that float32 tells from the limit beyond that."""
    return limit * math.atanh(max(-0.999, min(0.999, y / limit)))


def saturated_exp(y: Tensor) -> Tensor:
    """exp y, but the largest number of the dtype instead of infinity and the smallest instead of 0."""
    info = torch.finfo(y.dtype)
    return y.clamp(math.log(info.tiny), math.log(info.max) * (1 - 2 * info.eps)).exp()


def within_unit(x: Tensor) -> Tensor:
    """The nearest numbers inside (0, 1); cells very near its ends are rounded to 0 or 1."""
    info = torch.finfo(x.dtype)
    return x.clamp(info.tiny, 1 - info.eps / 2)


@torch.no_grad()
def begin(head: Likelihood, *biases: float | Tensor | None, gain: float = 0.1) -> None:
    """Where a head's parameters begin, one bias (a number, or one an output) for each of its ``n_params``.

    Weights of a parameter with a bias are scaled by ``gain``, so that features move it little at first. None leaves
    torch's own initial values.
    """
    bias = head.linear.bias.view(head.n_params, -1)
    weight = head.linear.weight.view(head.n_params, head.n_out, -1)
    for i, value in enumerate(biases):
        if value is not None:
            bias[i] = torch.as_tensor(value, dtype=bias.dtype, device=bias.device)
            weight[i] *= gain
