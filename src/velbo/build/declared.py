"""Constraints that a user declares, held against the training rows: those that break one are named, and fixed
combinations are those that the rows have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError
from ..rows import Rows, Schema, kind_of
from ..rows.constraints import Combination, Constraint, Constraints, Linear
from ..rows.constraints.combination import MOST, counted
from ..rows.constraints.reading import constraints_of
from ..rows.keeping import Keeping
from ..rows.row_numbers import row_name


def declared(schema: Schema, texts: Sequence[str], rows: Rows, learns: bool = True) -> Schema:
    """The schema with constraints beside those that it has, all of which the rows keep.

    Args:
        schema: of the rows.
        texts: as `velbo.rows.constraints` has them.
        rows: to be trained on.
        learns: whether fixed combinations that the schema does not have may be read from the rows.

    Raises:
        ConfigError: for a text that declares nothing, columns that there are not, or combinations that may not be read.
        DataError: if a row breaks a constraint, or there are too many combinations; the message tells the row.
    """
    found = [*schema.constraints.all, *(c for text in texts for c in constraints_of(text, schema.fields))]
    if not found:
        return schema
    if not learns:
        _refuse_learned(found)
    found = [replace(c, values=_seen(c, schema, rows)) if isinstance(c, Combination) else c for c in found]
    linear = tuple(c for c in found if isinstance(c, Linear))
    combinations = tuple(c for c in found if isinstance(c, Combination))
    schema = replace(schema, constraints=Constraints(linear, combinations))
    _refuse_breaking(schema, rows)
    return schema


def _refuse_learned(found: Sequence[Constraint]) -> None:
    open_ = next((c for c in found if isinstance(c, Combination) and not c.values), None)
    if open_ is not None:
        raise ConfigError(
            f"constraint '{open_.text}' is read from the rows, which private training with a schema that is given does "
            "not; give a schema that has its combinations (that of a plan: velbo.plan(public_rows, "
            f"constraints=['{open_.text}']).schema), or leave the constraint out"
        )


def _seen(constraint: Combination, schema: Schema, rows: Rows) -> tuple[tuple[float, ...], ...]:
    if constraint.values:
        return constraint.values
    seen = Counter[tuple[float, ...]]()
    at = schema.dims(constraint.columns)
    for v in rows.blocks():
        counted(v[:, at].astype(np.float64), seen)
        if len(seen) > MOST:
            raise DataError(
                f"constraint '{constraint.text}': the rows have more than {MOST:,} combinations of these columns, "
                "which do not fix each other; leave it out"
            )
    if not seen:
        raise DataError(f"constraint '{constraint.text}': no row has all of these columns; leave it out")
    return tuple(sorted(seen, key=lambda values: (-seen[values], values)))


def _refuse_breaking(schema: Schema, rows: Rows) -> None:
    keeping, start, n = Keeping(schema), 0, 0
    first: tuple[int, Constraint, NDArray[np.float64]] | None = None
    for v in rows.blocks():
        wrong = keeping.breaks(v.astype(np.float64))
        n += int(wrong.any(1).sum())
        if first is None and wrong.any():
            row = int(wrong.any(1).argmax())
            first = start + row, keeping.constraints[int(wrong[row].argmax())], v[row]
        start += len(v)
    if first is not None:
        row, constraint, values = first
        also = f", and {n - 1} other rows break one too" if n > 1 else ""
        raise DataError(
            f"{row_name(row)} breaks '{constraint.text}' ({_shown(constraint, schema, values)}){also}; mend such rows "
            f"or mark a cell of each missing, or leave out --constraint '{constraint.text}'"
        )


def _shown(constraint: Constraint, schema: Schema, row: NDArray[np.float64]) -> str:
    """Its columns in a row of the data."""
    said = list[str]()
    for name in constraint.columns:
        field = schema.field(name)
        value = kind_of(field).restored(row[schema.places[name]].astype(np.float64), field)[0].as_py()
        said.append(f"{name} {value}")
    return ", ".join(said)
