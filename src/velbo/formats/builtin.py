"""Small data sets that ship with scikit-learn, under their names.

digits                      1,797 handwritten digits: a column `image` of 8 x 8 pixels with 17 levels; `label` on
                            request
breast_cancer, iris, wine   a table of measurements; `target`, the class by its name, on request
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from .base import Format, as_tensor_column
from .typed import TypedPart

TARGET = "target"


class BuiltinPart(TypedPart):
    """A built-in data set, in memory.

    Args:
        name: of it.
        table: all of its columns.
        usual: names of those that are read where none are asked for.
    """

    has_file = False

    def __init__(self, name: str, table: pa.Table, usual: Sequence[str]) -> None:
        self.path, self._table = Path(name), table
        self.schema = self.written = table.select(usual).schema

    @property
    def choices(self) -> list[str]:
        """Names of all columns."""
        return self._table.column_names

    def select(self, names: Sequence[str]) -> BuiltinPart:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The same set with these columns."""
        return BuiltinPart(self.path.name, self._table, names)

    @property
    def sizes(self) -> tuple[int, ...]:
        """All rows are one group."""
        return (len(self._table),)

    def group(self, index: int) -> pa.Table:
        """All rows."""
        return self._table.select(self.names)

    def pieces(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """All rows."""
        yield self.group(0)

    def stamp(self) -> Iterator[bytes]:
        """The name: it is the same data set everywhere."""
        yield self.path.name.encode()


def _digits() -> BuiltinPart:
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    images = as_tensor_column(bunch.images.astype(np.int64))
    return BuiltinPart("digits", pa.table({"image": images, "label": bunch.target}), ["image"])


def _measurements(name: str) -> Callable[[], BuiltinPart]:
    def load() -> BuiltinPart:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{name}")()
        names = [str(feature) for feature in bunch.feature_names]
        columns = dict(zip(names, bunch.data.T, strict=True))
        return BuiltinPart(name, pa.table({**columns, TARGET: bunch.target_names[bunch.target]}), names)

    return load


BUILTIN: dict[str, Callable[[], BuiltinPart]] = {
    "digits": _digits,
    **{name: _measurements(name) for name in ("breast_cancer", "iris", "wine")},
}

BUILTIN_FORMAT = Format("builtin", (), None, None)
