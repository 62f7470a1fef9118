"""What an encoder sees of a row, by operations of which IEEE 754 prescribes every bit: x (B, D) -> (B, F), as
`velbo.nets.FieldFeatures` gives it, but for the logarithms, which are those of runtime/fixed_point.py.
"""

from __future__ import annotations

from functools import singledispatch
from typing import cast

import numpy as np
from torch import Tensor

from ..errors import ConfigError
from ..nets import FieldFeatures
from ..rows.kinds.views import (
    NEAR,
    BinaryView,
    CountView,
    Elementwise,
    LogView,
    OfManyNames,
    OneHot,
    Squashed,
    View,
)
from ..runtime import fixed_point as fixed
from ..runtime.fixed_point import Floats


def seen(features: FieldFeatures, x: Floats) -> Floats:
    """All features of rows x (B, D), NaN where missing."""
    parts = []
    for name, module in features.views.items():
        part = x[:, cast(Tensor, getattr(features, f"at_{name}")).numpy()]
        view = np.asarray(view_of(module, part))
        parts.append(np.nan_to_num(view, nan=0.0, posinf=0.0, neginf=0.0))
    if features.mask:
        parts.append(~np.isnan(x[:, cast(Tensor, features.seen).numpy()]))
    return np.concatenate(parts, -1, dtype=np.float64)


@singledispatch
def view_of(view: View, x: Floats) -> Floats:
    """x (B, n) -> (B, F), NaN where missing.

    Raises:
        ConfigError: for a view that has no form in whole numbers.
    """
    raise ConfigError(f"{type(view).__name__}, the view of a kind of field, has no form in whole numbers")


def known(x: Floats) -> Floats:
    """1 in the place of NaN, which has no place in a table."""
    return np.where(np.isnan(x), 1.0, x)


@view_of.register
def _(view: Elementwise, x: Floats) -> Floats:
    return view.slope * x + view.intercept


@view_of.register
def _(view: Squashed, x: Floats) -> Floats:
    size = np.abs(known(x))
    return np.where(size > NEAR, np.copysign(NEAR * (1 + fixed.log(np.maximum(size, NEAR) / NEAR)), x), x)


@view_of.register
def _(view: LogView, x: Floats) -> Floats:
    return view_of.dispatch(Squashed)(view, np.where(np.isnan(x), np.nan, fixed.log(known(x))))


@view_of.register
def _(view: CountView, x: Floats) -> Floats:
    tops = np.float64(cast(Tensor, view.tops).float().numpy())
    return np.where(np.isnan(x), np.nan, 2 * fixed.log1p(known(x)) / tops - 1)


@view_of.register
def _(view: BinaryView, x: Floats) -> Floats:
    slope, intercept = (np.float64(cast(Tensor, t).numpy()) for t in (view.slope, view.intercept))
    return slope * x + intercept


@view_of.register
def _(view: OneHot, x: Floats) -> Floats:
    first = cast(Tensor, view.first).numpy()
    hot = np.zeros((len(x), view.n_codes))
    row, cell = np.nonzero(~np.isnan(x))
    hot[row, (x[row, cell] + first[cell]).astype(np.int64)] = 1.0
    if not view.ranked:
        return hot
    tops = np.float64(cast(Tensor, view.tops).numpy())
    return np.concatenate((2 * x / tops - 1, hot), -1)


@view_of.register
def _(view: OfManyNames, x: Floats) -> Floats:
    few, many, first = (cast(Tensor, t).numpy() for t in (view.few, view.many, view.first))
    known = ~np.isnan(x[:, many])
    at = np.where(known, x[:, many], 0.0).astype(np.int64) + first
    learned = view.learned.weight.detach().double().numpy()[at] * known[..., None]
    parts = [] if view.one_hot is None else [view_of.dispatch(OneHot)(view.one_hot, x[:, few])]
    return np.concatenate((*parts, learned.reshape(len(x), -1)), -1)
