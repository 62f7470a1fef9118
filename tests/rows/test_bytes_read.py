"""Several processes that train on one Parquet file read each byte of it once among them."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from contracts.streams import Threads
from velbo.errors import DataError
from velbo.formats import open_source
from velbo.formats import parquet as format_file
from velbo.rows.encodings import Standardise
from velbo.rows.stream import Stream
from velbo.training.order import Windowed

N, D, GROUP = 1000, 4, 90


class Counted(io.FileIO):
    """A file that counts how often each of its bytes is read, by its name."""

    by_name: dict[str, np.ndarray]

    def __init__(self, path: str) -> None:
        super().__init__(path)
        n = self.seek(0, io.SEEK_END)
        self.seek(0)
        self.counts = self.by_name.setdefault(path, np.zeros(n, dtype=np.int64))

    def readinto(self, buffer):
        start = self.tell()
        n = super().readinto(buffer)
        self.counts[start : start + n] += 1
        return n

    def read(self, size: int | None = -1):
        start = self.tell()
        data = super().read(-1 if size is None else size)
        self.counts[start : start + len(data)] += 1
        return data


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    x = np.random.default_rng(0).normal(size=(N, D))
    pq.write_table(pa.table({f"x{i}": x[:, i] for i in range(D)}), path, row_group_size=GROUP)
    monkeypatch.setattr(Counted, "by_name", {}, raising=False)
    monkeypatch.setattr(format_file.pa, "OSFile", lambda path: pa.PythonFile(Counted(path), "r"))
    return path


def read_by(member, file, name):
    """(rows of an epoch in the order of training, how often each byte of the file was read after it was opened)."""
    path = file.with_name(f"{name}.parquet")  # a name of its own for each process, of the same file
    path.hardlink_to(file)
    source = open_source(path)
    groups, counts = source.row_groups(), Counted.by_name[str(path)]
    counts[:] = 0

    def read(group):
        return np.column_stack([column.to_numpy() for column in source.read_group(groups[group]).columns])

    sizes = [group.n_rows for group in groups]
    order = Windowed(tuple(sizes), torch.empty(0, dtype=torch.int64), 0, 200)
    data = Stream(sizes, read, D, Standardise((0.0,) * D, (1.0,) * D), torch.float64, window_rows=200)
    data = data if member is None else data.among(member).to(torch.device("cpu"))
    return torch.cat([data.batch(window).clone() for window in data.open(order.windows(0))]), counts


@pytest.mark.parametrize("size", [2, 3])
def test_each_byte_of_the_rows_is_read_once_in_an_epoch(file, size):
    """Groups that windows cut are read once too, and no process reads the footer again."""
    expected, once = read_by(None, file, "alone")
    found = Threads(size).run(lambda member: read_by(member, file, f"rank {member.rank}"))
    for rows, _ in found:
        assert torch.equal(rows, expected)
    assert np.array_equal(sum(counts for _, counts in found), once)
    start = file.stat().st_size - pq.read_metadata(file).serialized_size - 8
    assert not once[start:].any()
    pages = once[4:start]
    assert pages.min() == 1
    shares = [counts.sum() / once.sum() for _, counts in found]
    assert max(shares) <= 1 / size + 2 * GROUP / N


def test_a_file_that_is_another_one_now_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": np.arange(100.0)}), path)
    source = open_source(path)
    [group] = source.row_groups()
    path.touch()
    assert source.read_group(group)["x"].to_pylist() == list(range(100))
    pq.write_table(pa.table({"x": np.arange(100.0) + 1}), path)
    with pytest.raises(DataError, match=r"t\.parquet was changed while it was in use; read it again"):
        source.read_group(group)
