"""Rows of files for verbs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from velbo.cli.data import map_rows
from velbo.errors import DataError, SchemaError
from velbo.formats import open_source, write_table
from velbo.rows.row_numbers import row_name


@pytest.mark.parametrize(
    ("bad_batch", "said", "words"),
    [
        (1, lambda: f"{row_name(3)}: is bad", "^row 3: is bad"),
        (2, lambda: f"{row_name(3)}: is bad", "^row 43: is bad"),
        (1, lambda: "a date is bad", "^a date is bad"),
        (2, lambda: "a date is bad", "^of the rows from 40 on: a date is bad"),
    ],
)
def test_rows_of_a_later_batch_are_counted_through_the_file(tmp_path, monkeypatch, bad_batch, said, words):
    """An error names the row by its number there, or if it names none, the first row of its batch."""
    write_table(pa.table({"x": np.arange(100)}), tmp_path / "x.parquet")
    monkeypatch.setattr("velbo.formats.base.ROWS_PER_BATCH", 40)
    seen = []

    def f(batch: pa.Table) -> np.ndarray:
        seen.append(len(batch))
        if len(seen) == bad_batch:
            raise SchemaError(said())
        return np.zeros(len(batch))

    with pytest.raises(DataError, match=words) as told:
        map_rows(open_source(tmp_path / "x.parquet"), tmp_path / "o.csv", f, "y")
    assert told.type is SchemaError
    assert [p.name for p in tmp_path.iterdir()] == ["x.parquet"]
