"""Whole numbers of one sort in many columns, as the counts of genes, words or species, are of one kind.

By itself a column of counts may look otherwise: one that was never above 5 like grades, one that was never 0, or once
over 1,000, like any whole numbers. So where there are counts, and most columns of whole numbers are counts, or grades
that get rarer from 0 on, those that are like counts are counts too:

    grades      whole numbers from 0, 1 and 2 among them
    integers    none below 0, none over ten times what all counts reach, and either the least is at most a tenth of the
                greatest, or they are spread as Poisson's numbers are: the variance is half to twice the mean

so that ages, years and codes stay what they are. What a user asked for, and columns of another type, have no part in
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .column_statistics import ColumnStatistics
from .field import Field
from .statistics import Statistics

LEAST_COUNTS, MOST_OF_THEM = 10, 0.5
TIMES_LOWER, TIMES_HIGHER = 10, 10
LIKE_POISSON = 0.5, 2.0


def counts_too(fields: Sequence[Field], found: Mapping[str, Statistics], asked: Mapping[str, str]) -> dict[str, str]:
    """Fields that are guessed to be of another kind and are counts -> why.

    Args:
        fields: as each was guessed by itself.
        found: their statistics.
        asked: names whose kind a user gave.
    """
    said = dict[str, str]()
    whole = [f for f in fields if f.kind in ("count", "ordinal", "integer") and not f.shape and not asked.get(f.name)]
    for dtype in dict.fromkeys(f.dtype for f in whole):
        of_type = [(f, s) for f in whole if f.dtype == dtype and isinstance(s := found.get(f.name), ColumnStatistics)]
        counts = [f for f, _ in of_type if f.kind == "count"]
        top = max((f.one("high") for f in counts), default=0.0)
        alike = [(f, s) for f, s in of_type if f.kind != "count" and _is_like(f.kind, s, top)]
        n, rarer = len(counts) + len(alike), sum(_gets_rarer(s) for _, s in alike)
        if len(counts) >= LEAST_COUNTS and len(counts) + rarer >= MOST_OF_THEM * n:
            said |= {f.name: f"whole numbers, as {len(counts)} of the {n} columns like it are counts" for f, _ in alike}
    return said


def _is_like(kind: str, found: ColumnStatistics, top: float) -> bool:
    if not found.holds_numbers or found.ordered or found.declared or found.low < 0:
        return False
    if kind == "ordinal":
        return found.low == 0 and {1, 2} <= found.counts.keys()
    low, high = LIKE_POISSON
    mean, variance = float(found.moments.mean), float(found.moments.spread) ** 2
    is_spread = found.low * TIMES_LOWER <= found.high or low * mean <= variance <= high * mean
    return found.high <= TIMES_HIGHER * top and is_spread


def _gets_rarer(found: ColumnStatistics) -> bool:
    """Whether 0 is the most frequent number, and 1 more so than 2."""
    n = [found.counts.get(v, 0) for v in (0, 1, 2)]
    return found.complete and n[0] == max(found.counts.values()) and n[1] >= n[2]
