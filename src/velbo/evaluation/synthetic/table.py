"""Codes and what their columns are, checked; and an order of rows and columns that no permutation changes.

Everything random in this folder is drawn from tables in that order, so that results depend on the seed and on what is
in a table, never on how it is sorted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigError, DataError
from ...rows import Field, kind_of
from ...rows.arrays import as_rows
from ..samples import Floats


@dataclass(frozen=True)
class Table:
    """Values (N, D), NaN missing, and their D columns."""

    codes: Floats
    columns: tuple[Field, ...]

    @property
    def is_coded(self) -> NDArray[np.bool_]:
        """Which columns hold codes and not numbers, (D,)."""
        return np.array([bool(c.categories) for c in self.columns])

    def in_order(self) -> Table:
        """The same with columns sorted by name, and rows by their cells."""
        places = sorted(range(len(self.columns)), key=lambda j: self.columns[j].name)
        codes = self.codes[:, places]
        return Table(codes[np.lexsort(codes.T)], tuple(self.columns[j] for j in places))

    def some(self, n: int, rng: np.random.Generator) -> Table:
        """At most n rows, drawn without replacement; their order stays."""
        if n >= len(self.codes):
            return self
        return Table(self.codes[np.sort(rng.choice(len(self.codes), n, replace=False))], self.columns)


def as_table(codes: Any, columns: Sequence[Field], what: str, least: int = 1) -> Table:
    """Checked codes as float64 with one zero and one NaN.

    Args:
        codes: (N, D), NaN missing.
        columns: the D modelled ones.
        what: names the table in messages.
        least: rows that are needed.

    Raises:
        ConfigError: for columns that are not modelled, or have the same name.
        DataError: for another number of columns, too few rows, infinite cells or codes that no category has.
    """
    left_out = [c.name for c in columns if not kind_of(c).is_modelled]
    if left_out or not columns:
        raise ConfigError(
            f"columns: {left_out or 'none'} given that are not modelled; give those of the codes: schema.modelled"
        )
    names = [c.name for c in columns]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise ConfigError(f"columns: {twice!r} is there twice; rename one")
    rows = as_rows(codes, what)
    if rows.shape[1:] != (len(names),):
        raise DataError(
            f"{what} has shape {rows.shape}, but {len(names)} columns are given; give codes (N, {len(names)})"
        )
    if len(rows) < least:
        raise DataError(f"{what} has too few rows, {len(rows)}: at least {least} are needed; give more")
    table = Table(rows.astype(np.float64) + 0.0, tuple(columns))  # -0.0 becomes 0.0, which has other bytes
    table.codes[np.isnan(table.codes)] = np.nan
    for j, column in enumerate(columns):
        if bool(column.categories):
            _check_codes(table.codes[:, j], column, what)
    return table


def _check_codes(cells: Floats, column: Field, what: str) -> None:
    known = ~np.isnan(cells)
    wrong = known & ((cells < 0) | (cells >= column.n_categories) | (cells != np.rint(cells)))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{what}: column {column.name!r} holds {cells[row]} in row {row}, but its codes are 0 to "
            f"{column.n_categories - 1}; give the place of each cell in its categories, or NaN"
        )


def deviation(values: Floats) -> float:
    """Standard deviation of values (n,) without overflow; exactly 0 if all are equal."""
    if not len(values) or values.min() == values.max():
        return 0.0
    largest = float(np.abs(values).max())
    return largest * float((values / largest).std())
