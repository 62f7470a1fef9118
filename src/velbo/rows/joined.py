"""The encoding of a row: those of its fields side by side, cells in their order.

x = (x_1, ..., x_D),   what a row adds to log p(x) is the sum of what its cells do
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .encodings import Encoding, Standardise
from .field import Field
from .units import Units


@dataclass(frozen=True)
class Joined:
    """The encodings of several fields, each with the number of its cells, side by side."""

    parts: tuple[tuple[int, Encoding], ...]

    @property
    def is_random(self) -> bool:
        return any(encoding.is_random for _, encoding in self.parts)

    @property
    def _sizes(self) -> list[int]:
        return [n for n, _ in self.parts]

    def store(self, rows: NDArray[Any], dtype: torch.dtype) -> Tensor:
        ends = np.cumsum(self._sizes)[:-1]
        kept = [
            encoding.store(part, dtype) for (_, encoding), part in zip(self.parts, np.split(rows, ends, 1), strict=True)
        ]
        if any(part.dtype == torch.uint8 for part in kept):
            narrow = [part.to(torch.uint8) for part in kept]
            kept = narrow if all(bool((n == k).all()) for n, k in zip(narrow, kept, strict=True)) else kept
        return torch.cat(kept, 1)

    def present(self, kept: Tensor, uniform: Tensor | None, dtype: torch.dtype) -> Tensor:
        noise = [None] * len(self.parts) if uniform is None else uniform.split(self._sizes, -1)
        cells = zip(self.parts, kept.split(self._sizes, -1), noise, strict=True)
        return torch.cat([encoding.present(part, u, dtype) for (_, encoding), part, u in cells], -1)

    def restore(self, x: Tensor) -> Tensor:
        cells = zip(self.parts, x.split(self._sizes, -1), strict=True)
        return torch.cat([encoding.restore(part).double() for (_, encoding), part in cells], -1)

    def units(self, n_dims: int) -> Units:
        return Units.joined([encoding.units(n) for n, encoding in self.parts])


def joined(encodings: Sequence[tuple[Field, Encoding]]) -> Encoding:
    """The encoding of a row, from those of its fields; standardised neighbours are one."""
    parts: list[tuple[int, Encoding]] = []
    for is_affine, group in groupby(encodings, lambda pair: isinstance(pair[1], Standardise)):
        if is_affine:
            each = [encoding for _, encoding in group if isinstance(encoding, Standardise)]
            merged = Standardise(
                tuple(v for e in each for v in e.location),
                tuple(v for e in each for v in e.scale),
                density=tuple(d for e in each for d in e.density),
                given=tuple(g for e in each for g in e.given),
            )
            parts.append((len(merged.location), merged))
        else:
            parts += [(field.size, encoding) for field, encoding in group]
    return parts[0][1] if len(parts) == 1 else Joined(tuple(parts))
