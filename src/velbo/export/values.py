"""From the values of the data to what a model sees, as tensor operations that can be exported.

    x = present(kept(v), u)                  rows/encodings.py; here v is a tensor and nothing is checked

v is (N, D) float64: numbers as they are, dates in seconds since 1970, a category by its place among the field's, NaN
where missing. Encodings with noise take u from here: one number of [0, 1) a cell, the same for every row.
"""

from __future__ import annotations

from functools import singledispatch

import torch
from torch import Tensor

from ..rows import Encoding
from ..rows.encodings import Inside, Standardise
from ..rows.joined import Joined
from ..rows.kinds.positive import MARGIN


@singledispatch
def kept(encoding: Encoding, values: Tensor, dtype: torch.dtype) -> Tensor:
    """What the encoding's ``store`` keeps of values (N, D), (N, D)."""
    return values.to(dtype)


@kept.register
def _(encoding: Standardise, values: Tensor, dtype: torch.dtype) -> Tensor:
    location, scale = (torch.tensor(t, dtype=values.dtype) for t in (encoding.location, encoding.scale))
    return ((values - location) / scale).to(dtype)


@kept.register
def _(encoding: Inside, values: Tensor, dtype: torch.dtype) -> Tensor:
    return (values.to(dtype) + MARGIN) / (1 + 2 * MARGIN)


@kept.register
def _(encoding: Joined, values: Tensor, dtype: torch.dtype) -> Tensor:
    sizes = [n for n, _ in encoding.parts]
    parts = zip(encoding.parts, values.split(sizes, -1), strict=True)
    return torch.cat([kept(each, part, dtype) for (_, each), part in parts], -1)
