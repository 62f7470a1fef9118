"""What one column of a table is. A cell has a value v, a number, and the model sees x = (v - location) / scale.

    kind         v                                        x                  what p(x|z) is
    real         the number                               standardised       a density
    positive     the number, above 0                      v / scale          a density on (0, inf)
    bounded      the number, between location and         in (0, 1)          a density on (0, 1)
                 location + scale
    datetime     seconds since 1970                       standardised       a density
    integer      the number, whole                        standardised       a mass on the grid of step 1 / scale
    count        the number, whole, from 0                v                  a mass on 0, 1, 2, ...
    binary       place in `categories`, 0 or 1            v                  a mass on 0, 1
    categorical  place in `categories`                    v                  a mass on 0 .. C - 1
    ordinal      place in `categories`, which have order  v                  a mass on 0 .. C - 1
    constant     (one value; not in the model)
    drop         (left out of the model, as asked)

A missing cell is NaN in every kind. Log-density of v is that of x minus log scale, for densities; masses are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..config import Group

DENSITIES = ("real", "positive", "bounded", "datetime")
WHOLE = ("integer", "count")
CODED = ("binary", "categorical", "ordinal")
LEFT_OUT = ("constant", "drop")
COLUMN_KINDS = (*DENSITIES, *WHOLE, *CODED, *LEFT_OUT)


@dataclass(frozen=True)
class Column(Group):
    """One column.

    Attributes:
        name: as in the data.
        kind: one of COLUMN_KINDS.
        dtype: Arrow's name of the type that came in, such as "int64", "string" or "timestamp[us, tz=UTC]".
        native: the data frame library's own name of it, such as pandas' "Int64"; empty for Arrow itself.
        likelihood: name of p(x|z), from velbo.likelihoods.LIKELIHOODS.
        categories: what the codes 0, 1, ... of binary, categorical and ordinal columns stand for.
        low: smallest observed v.
        high: largest observed v.
        mean: of observed v.
        frequent: of whole numbers, those that at least a twentieth of the observed cells hold, eight at most.
        location: of x.
        scale: of x.
        levels: L of a column of levels 0 .. L - 1.
        decimals: digits behind the point that all observed values have room in, None for more than 8.
        n_missing: missing cells in the training data.
        value: of a constant column; None if every cell is missing.
        reason: why the kind was guessed, or "as given".
    """

    name: str
    kind: str
    dtype: str = "double"
    native: str = ""
    likelihood: str = ""
    categories: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 1.0
    mean: float = 0.0
    frequent: tuple[float, ...] = ()
    location: float = 0.0
    scale: float = 1.0
    levels: int = 256
    decimals: int | None = None
    n_missing: int = 0
    value: Any = None
    reason: str = ""

    @property
    def is_modelled(self) -> bool:
        """Whether the column is a dimension of x."""
        return self.kind not in LEFT_OUT

    @property
    def is_density(self) -> bool:
        """Whether p(x|z) is a density, whose value depends on the unit of v."""
        return self.kind in DENSITIES

    @property
    def n_categories(self) -> int:
        """C."""
        return len(self.categories)
