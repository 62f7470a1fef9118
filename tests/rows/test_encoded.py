"""Rows to train on, in memory and on disk: how many, which, and encoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from contracts.tables import everything
from velbo.rows import Store, Stored, Stream, infer, rows_of
from velbo.rows.encodings import standardised
from velbo.rows.joined import joined


@dataclass
class Group:
    start: int
    n_rows: int


class OnDisk:
    """A table in groups of rows."""

    name = "a table"

    def __init__(self, table: pa.Table, *sizes: int) -> None:
        self.table, starts = table, np.cumsum([0, *sizes[:-1]]).tolist()
        self.groups = [Group(start, n) for start, n in zip(starts, sizes, strict=True)]

    def batches(self) -> Iterator[pa.Table]:
        yield from map(self.read_group, self.groups)

    def row_groups(self) -> Sequence[Group]:
        return self.groups

    def read_group(self, group: Any) -> pa.Table:
        return self.table.slice(group.start, group.n_rows)

    def fingerprint(self) -> str:
        return "as the file says"


TABLE = pa.table(everything())


def test_rows_on_disk_are_the_rows_in_memory():
    source = OnDisk(TABLE, 20, 0, 33, 7)
    assert isinstance(source, Stored)
    schema, whole = infer(source), infer(TABLE)
    assert schema.container == "pyarrow"
    assert [(f.name, f.kind, f.categories) for f in schema.fields] == [
        (f.name, f.kind, f.categories) for f in whole.fields
    ]
    encoding = joined([(f, standardised(f)) for f in whole.modelled])
    stored, in_memory = rows_of(source, whole), rows_of(TABLE, whole)
    assert len(stored) == len(in_memory) == 60
    assert stored.fingerprint() == "as the file says"
    stream, store = stored.encoded(encoding), in_memory.encoded(encoding)
    assert isinstance(stream, Stream)
    assert isinstance(store, Store)
    index = torch.tensor([59, 0, 21, 20])
    assert torch.equal(stream.subset(index).fixed(0), store.subset(index).fixed(0))


def test_a_fingerprint_is_of_shape_type_and_values():
    rows = np.arange(12.0).reshape(6, 2)
    schema = infer(rows)
    seen = {
        rows_of(x, schema).fingerprint()
        for x in (rows, rows.tolist(), np.asfortranarray(rows), rows + 1, rows[:5], rows.astype(np.float32), rows[::-1])
    }
    assert len(seen) == 5
    frame = pd.DataFrame(everything())
    assert rows_of(frame, infer(frame)).fingerprint() == rows_of(TABLE, infer(TABLE)).fingerprint()


def test_what_is_asked_of_all_fields_is_overruled_by_name():
    rows = {"a": np.arange(20) % 7, "b": np.arange(20) % 5}
    assert [f.kind for f in infer(rows, kind="count").fields] == ["count", "count"]
    assert [f.kind for f in infer(rows, {"b": "ordinal"}, kind="count").fields] == ["count", "ordinal"]
