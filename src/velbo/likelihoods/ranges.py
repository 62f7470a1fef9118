"""Numbers kept where a model, or a dtype, can hold them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..runtime import fixed_point as fixed
from ..runtime.fixed_point import Floats


def limited(y: Tensor, limit: float) -> Tensor:
    """limit tanh(y / limit): y where it is small, and within the limit, with a gradient, everywhere."""
    return limit * torch.tanh(y / limit)


def whole_limited(y: Floats, limit: float) -> Floats:
    """`limited` of multiples of 2^-12, as such a multiple."""
    return fixed.rounded(limit * (2 * fixed.sigmoid(2 * y / limit) - 1)) / fixed.ONE


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
