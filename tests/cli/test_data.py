"""Rows of files for verbs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from velbo.cli.data import map_rows
from velbo.errors import DataError, SchemaError
from velbo.formats import open_source, write_table


@pytest.mark.parametrize(("bad_batch", "words"), [(1, "^row 3: is bad"), (2, "^of the rows from 40 on: row 3: is bad")])
def test_an_error_in_a_later_batch_says_where_that_begins(tmp_path, monkeypatch, bad_batch, words):
    write_table(pa.table({"x": np.arange(100)}), tmp_path / "x.parquet")
    monkeypatch.setattr("velbo.formats.base.ROWS_PER_BATCH", 40)
    seen = []

    def f(batch: pa.Table) -> np.ndarray:
        seen.append(len(batch))
        if len(seen) == bad_batch:
            raise SchemaError("row 3: is bad")
        return np.zeros(len(batch))

    with pytest.raises(DataError, match=words) as told:
        map_rows(open_source(tmp_path / "x.parquet"), tmp_path / "o.csv", f, "y")
    assert told.type is SchemaError
    assert [p.name for p in tmp_path.iterdir()] == ["x.parquet"]
