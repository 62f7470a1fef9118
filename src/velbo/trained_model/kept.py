"""Rows of a trained model that keep the constraints of its schema, and the sentence where they cannot; how they are
kept is in rows/keeping.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, VelboWarning
from ..rows import Schema
from ..rows.keeping import TRIES, Keeping
from ..rows.row_numbers import row_name
from ..runtime.generators import stream_seed

Floats = NDArray[np.float64]
Which = NDArray[np.int64]
Redraw = Callable[[Which, int, int], Floats]
"""(which rows, n, number of the call) -> n more draws of each, (n, rows, D), other ones at every call."""


def again(seed: int, call: int) -> int:
    """The seed of draws that are made again."""
    return stream_seed(seed, f"again {call}")


def kept_fillings(schema: Schema, data: Floats, v: Floats, draw: Redraw | None) -> Floats:
    """Fillings v (n, N, D) of data (N, D), NaN where missing, that keep all constraints where what is observed lets
    them; other rows are filled as the model would, which is said.

    Args:
        schema: of the rows.
        data: v of what came in.
        v: as the model fills it.
        draw: more fillings; None of point estimates, which are moved to the nearest values instead.
    """
    missing = np.isnan(data)

    def whole(made: Floats, rows: Any = slice(None)) -> Floats:
        return np.where(missing[rows], made, data[rows])

    more = None if draw is None else lambda rows, n, call: whole(draw(rows, n, call), rows)
    kept = Keeping(schema).keep(whole(v), missing, more)
    _say_moved(kept.moved, kept.broken, draw is not None)
    if kept.left.any():
        rows = kept.left.any(0)
        others = f", and {int(rows.sum()) - 1} other rows cannot either" if rows.sum() > 1 else ""
        warnings.warn(
            f"{row_name(int(rows.argmax()))} cannot keep '{kept.broken}' whatever its missing cells hold, by those "
            f"that are observed{others}; mend them: these rows are filled as if nothing were declared",
            VelboWarning,
            stacklevel=4,
        )
    return kept.v


def kept_rows(
    schema: Schema,
    v: Floats,
    condition: Sequence[str],
    known: Floats | None,
    made: Callable[[Which, int], Floats] | None,
    seed: int,
) -> Floats:
    """New rows v (n, D) with all constraints kept.

    Args:
        schema: of the rows.
        v: as the model made them.
        condition: names of the fields that are given to the model.
        known: v of what is given, (n, D), NaN elsewhere.
        made: (which rows, seed) -> v of each, drawn again; None of point estimates.
        seed: of the first draw.

    Raises:
        DataError: if what is given breaks a constraint.
    """
    free = np.ones(v.shape, dtype=bool) if known is None else np.isnan(known)
    drawn = free.copy()
    free[:, schema.dims(condition)] = False

    def more(rows: Which, n: int, call: int) -> Floats:
        assert made is not None
        return made(np.tile(rows, n), again(seed, call)).reshape(n, len(rows), -1)

    keeping = Keeping(schema)
    kept = keeping.keep(v[None], free, None if made is None else more, drawn)
    wrong = keeping.breaks(kept.v[0])  # by what is given alone, too
    bad = wrong.any(1) | kept.left[0]
    if bad.any():
        row = int(bad.argmax())
        text = kept.broken if kept.left[0, row] else keeping.constraints[int(wrong[row].argmax())].text
        raise DataError(
            f"given: row {row} cannot keep '{text}', which the model was fitted with, whatever its other cells hold; "
            "give other values"
        )
    _say_moved(kept.moved, kept.broken, made is not None)
    return kept.v[0]


def _say_moved(n: int, broken: str, drawn: bool) -> None:
    if n and drawn:
        warnings.warn(
            f"{n} rows broke '{broken}' in each of {1 + sum(TRIES)} draws, and were moved to the nearest values that "
            "keep it: the model has not learned it; train longer, or take --recipe autoregressive",
            VelboWarning,
            stacklevel=5,
        )
