"""Rows of files in memory, as what is most at hand in Python: an array, a mapping of arrays, or a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .base import as_array, is_tensor
from .reading import Reading
from .source import open_source


def load(name: str | Path, reading: Reading | None = None) -> NDArray[Any] | dict[str, NDArray[Any]] | pa.Table:
    """Read all rows of what a user names.

    Args:
        name: as for `velbo.open_source`.
        reading: how a text is to be read, where that shall not be found out.

    Returns:
        An array (N, *shape) where there is one array and nothing else, a mapping of arrays where there are arrays and
        columns beside each other, else a pyarrow table. `velbo.fit` takes all three.

    Raises:
        DataError: if there is nothing of that name, or it cannot be read.
    """
    table = open_source(name, reading).read()
    arrays = [is_tensor(kind) for kind in table.schema.types]
    if arrays == [True]:
        return np.require(as_array(table.column(0)), requirements="W")
    if any(arrays):
        return {column: np.require(as_array(table[column]), requirements="W") for column in table.column_names}
    return table
