"""Networks in whole numbers: the same bits for every batch, BLAS, thread count and processor.

    activations    whole multiples of 2^-12, +-512 at most, held in float64
    weights        whole multiples of 2^-w, with w so small that no sum of products reaches 2^53
    linear         round((a W + b) / 2^w): a W is exact, so the order of its sums does not matter
    norm           d = a - round(mean a), d / sqrt(mean d^2 + eps): a sum of whole numbers below 2^63

A module that has no such form is refused by name. Register another one with `whole`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import cast

import numpy as np
from torch import Tensor, nn

from ..errors import ConfigError
from ..nets import ConvBlock, FieldFeatures, FillMissing, ResidualBlock
from ..runtime import fixed_point as fixed
from ..runtime.fixed_point import Floats
from .views import seen

Function = Callable[[Floats], Floats]
"""Whole multiples of 2^-12 in, whole multiples of 2^-12 out; the first one of a network takes x itself."""

EXACT = 2.0**52
MOST_WEIGHT_BITS, LEAST_WEIGHT_BITS = 16, 6
SCALE = 2.0**MOST_WEIGHT_BITS


@singledispatch
def whole(module: nn.Module) -> Function:
    """A module in whole numbers.

    Raises:
        ConfigError: if it has no such form.
    """
    raise ConfigError(
        f"{type(module).__name__} has no form in whole numbers, and without one a file could not be read on another "
        "machine; compress with a model of recipe mlp, resmlp, conv or ladder"
    )


def in_order(functions: Sequence[Function]) -> Function:
    """One after another."""

    def composed(a: Floats) -> Floats:
        for function in functions:
            a = function(a)
        return a

    return composed


class Affine:
    """a W + b of whole numbers.

    Args:
        weight: (n_out, n_in).
        bias: (n_out,), or none.

    Raises:
        ConfigError: if its weights are so large that sums could not be exact.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        w = weight.detach().double().numpy().T
        b = np.zeros(w.shape[1]) if bias is None else bias.detach().double().numpy()
        # sums of whole numbers, lest the number of bits depend on their order
        sums = np.abs(np.rint(np.minimum(w, EXACT / SCALE) * SCALE)).sum(0) / SCALE
        most = sums.max() * fixed.MOST + np.abs(b).max() * fixed.ONE + len(w)
        bits = MOST_WEIGHT_BITS
        while most * 2.0**bits >= EXACT and bits:
            bits -= 1
        if bits < LEAST_WEIGHT_BITS:
            raise ConfigError("a layer's weights are too large for whole numbers; train with less learning rate")
        self.scale = 2.0**bits
        self.weight, self.bias = np.ascontiguousarray(np.rint(w * self.scale)), np.rint(b * self.scale * fixed.ONE)

    def __call__(self, a: Floats) -> Floats:
        y = a @ self.weight
        y += self.bias
        y *= 1 / self.scale  # a power of 2
        np.rint(y, out=y)
        np.minimum(y, fixed.MOST, out=y)
        return np.maximum(y, -fixed.MOST, out=y)


def limited(a: Floats) -> Floats:
    """Within +-512."""
    return np.maximum(np.minimum(a, fixed.MOST), -fixed.MOST)


@whole.register
def _(module: nn.Linear) -> Function:
    return Affine(module.weight, module.bias)


@whole.register
def _(module: nn.Sequential) -> Function:
    return in_order([whole(child) for child in module])


@whole.register
def _(module: nn.SiLU) -> Function:
    return fixed.silu


@whole.register
def _(module: nn.ReLU) -> Function:
    return lambda a: np.maximum(a, 0.0)


@whole.register(nn.Identity)
@whole.register(nn.Dropout)
def _(module: nn.Module) -> Function:
    return lambda a: a


@whole.register(ResidualBlock)
@whole.register(ConvBlock)
def _(module: ResidualBlock | ConvBlock) -> Function:
    branch = whole(module.branch)
    return lambda a: limited(a + branch(a))


@whole.register
def _(module: nn.LayerNorm) -> Function:
    if len(module.normalized_shape) != 1 or not module.elementwise_affine:
        raise ConfigError("a LayerNorm over several axes, or without weights, has no form in whole numbers")
    weight, bias = scaled(module.weight), np.rint(_numbers(module.bias) * fixed.ONE * SCALE)
    return lambda a: limited(np.rint((normal(a, (-1,), module.eps) * weight + bias) / SCALE))


def scaled(weight: Tensor) -> Floats:
    """As multiples of 2^-16."""
    return np.rint(_numbers(weight) * SCALE)


def _numbers(t: Tensor) -> Floats:
    return cast(Floats, t.detach().double().numpy())


def normal(a: Floats, axes: tuple[int, ...], eps: float) -> Floats:
    """(a - mean) / sqrt(variance + eps) over some axes, as multiples of 2^-12."""
    n = math.prod(a.shape[axis] for axis in axes)
    distance = a - np.rint(a.sum(axes, keepdims=True) / n)
    square = np.square(distance.astype(np.int64)).sum(axes, keepdims=True)
    return np.rint(distance / np.sqrt(square / n + eps * fixed.ONE**2) * fixed.ONE)


@whole.register
def _(module: FieldFeatures) -> Function:
    return lambda x: fixed.rounded(seen(module, x))


@whole.register
def _(module: FillMissing) -> Function:
    def fill(x: Floats) -> Floats:
        filled = np.nan_to_num(x, nan=0.0)
        return fixed.rounded(np.concatenate((filled, ~np.isnan(x)), -1) if module.mask else filled)

    return fill
