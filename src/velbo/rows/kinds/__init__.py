"""The kinds of fields, each one class. What a field is guessed to be is the first of them that claims it.

    kind         v                                        x                  what p(x|z) is
    constant     (one value; no part of x)
    datetime     seconds since 1970                       standardised       a density
    ordinal      place in `categories`, which have order  v                  a mass on 0 .. C - 1
    binary       place in `categories`, 0 or 1            v                  a mass on 0, 1
    categorical  place in `categories`                    v                  a mass on 0 .. C - 1
    byte         the number, 0 .. levels - 1              by the likelihood  a mass, or a density of v + u
    count        the number, whole, from 0                v                  a mass on 0, 1, 2, ...
    integer      the number, whole                        standardised       a mass on the grid of step 1 / scale
    positive     the number, above 0                      v / scale          a density on (0, inf)
    bounded      the number, between location and         in (0, 1)          a density on (0, 1)
                 location + scale
    real         the number                               standardised       a density
    drop         (left out, as asked; no part of x)

A missing cell is NaN in every kind. Log-density of v is that of x minus log scale, for densities; masses are the same.
"""

from __future__ import annotations

from ...errors import unknown
from ..field import Field
from .base import Kind, Measured, Misfit
from .byte import Byte
from .coded import Binary, Categorical, Ordinal
from .left_out import Constant, Drop
from .positive import Bounded, Positive
from .reals import Datetime, Real
from .whole import Count, Integer

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Constant(),
        Datetime(),
        Ordinal(),
        Binary(),
        Categorical(),
        Byte(),
        Count(),
        Integer(),
        Positive(),
        Bounded(),
        Real(),
        Drop(),
    )
}


def kind_of(field: Field) -> Kind:
    """
    Raises:
        ConfigError: for a kind of no known name.
    """
    if field.kind not in KINDS:
        raise unknown(f"kind of '{field.name}'", field.kind, KINDS)
    return KINDS[field.kind]


__all__ = ["KINDS", "Kind", "Measured", "Misfit", "kind_of"]
