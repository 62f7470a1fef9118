"""AnnData's files, .h5ad, by its own library: X, a column "x" of arrays, of which a block of rows at a time is read and
made dense; and the columns of obs, which are read where they are asked for, file.h5ad:x+batch. It is only read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import DataError, need
from ..rows.sparse import SparseRows, X
from .base import Format
from .reading import Note, Reading
from .typed import TypedPart, first_line

EXTRA = "anndata"


class H5adPart(TypedPart):
    """A .h5ad file.

    Raises:
        DataError: if it is none, or its X is no matrix.
        MissingExtraError: if anndata is not installed.
    """

    stays_on_disk = True

    def __init__(self, path: Path, reading: Reading) -> None:
        self.path = path
        try:
            self._opened: Any = need("anndata", EXTRA).read_h5ad(path, backed="r")
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise DataError(f"{path}: cannot be read as a .h5ad file: {first_line(error)}") from error
        self._rows = SparseRows(self._opened, name=str(path))

    @property
    def choices(self) -> list[str]:
        """X and the columns of obs."""
        return [X, *(str(name) for name in self._opened.obs.columns if name != X)]

    @property
    def names(self) -> list[str]:
        """X, and what was selected."""
        return [X, *self._rows.columns] if X in self._selected else list(self._rows.columns)

    _selected: Sequence[str] = (X,)

    def select(self, names: Sequence[str]) -> H5adPart:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The same file with these columns."""
        part = object.__new__(H5adPart)
        part.path, part._opened, part._selected = self.path, self._opened, tuple(names)
        part._rows = SparseRows(self._opened, names, str(self.path))
        return part

    @cached_property
    def schema(self) -> pa.Schema:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Names and types."""
        first = self._rows.row_groups()[0]
        return self._rows.read_group(first).slice(0, 0).select(self.names).schema

    @property
    def written(self) -> pa.Schema:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The same."""
        return self.schema

    @cached_property
    def sizes(self) -> tuple[int, ...]:  # pyright: ignore
        """Rows of each block."""
        return tuple(block.n_rows for block in self._rows.row_groups())

    @property
    def kinds(self) -> Mapping[str, str]:
        """X is of counts, if it is."""
        return {name: kind for name, kind in self._rows.kinds.items() if name in self.names}

    def group(self, index: int) -> pa.Table:
        """The rows of one block."""
        return self._rows.read_group(self._rows.row_groups()[index]).select(self.names)

    def pieces(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """The rows in order, a block at a time."""
        return (self.group(index) for index in range(len(self.sizes)))

    def notes(self) -> list[Note]:
        """Which columns there are beside X."""
        others = [name for name in self.choices if name not in self.names]
        shown = ", ".join(others[:8]) + (", ..." if len(others) > 8 else "")
        return [Note(f"Beside X there are {shown}.", option=f"{self.path}:x+{others[0]}")] if others else []


H5AD = Format("h5ad", (".h5ad",), H5adPart, None, extra=EXTRA)
