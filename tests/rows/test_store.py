"""Encoded rows in memory, and noise that belongs to a row."""

from __future__ import annotations

import numpy as np
import torch

from velbo.rows import RowNoise, Store
from velbo.rows.encodings import Binarise, Levels

ROWS = np.random.default_rng(0).integers(0, 256, (9, 4)).astype(np.uint8)


def test_batches_chunks_and_subsets_are_rows():
    store = Store.from_rows(ROWS, Levels(255))
    x = torch.from_numpy(ROWS / np.float32(255))
    assert (len(store), store.n_dims) == (9, 4)
    index = torch.tensor([3, 0, 3])
    torch.testing.assert_close(store.batch(index), x[index])
    torch.testing.assert_close(store.subset(index).fixed(0), x[index])
    parts = list(store.chunks(4))
    assert [len(p) for p in parts] == [4, 4, 1]
    torch.testing.assert_close(torch.cat([p.fixed(0) for p in parts]), x)


def test_rows_that_are_x_already():
    x = torch.randn(5, 3, dtype=torch.float64)
    store = Store.from_tensor(x)
    assert torch.equal(store.fixed(7), x)
    assert store.log_det().tolist() == [0.0] * 5


def test_noise_belongs_to_a_row_and_not_to_its_place():
    """Equal rows share it; other seeds and other streams give other numbers; more samples go on where it ended."""
    store = Store.from_rows(ROWS, Binarise(255))
    order = torch.tensor([8, 2, 5, 2])
    assert torch.equal(store.fixed(1)[order], store.subset(order).fixed(1))
    kept, like = torch.from_numpy(ROWS), torch.zeros(1)
    whole = RowNoise(kept, 3, "z").normal(6, (2,), like)
    assert whole.shape == (6, 9, 2)
    again = RowNoise(kept, 3, "z")
    assert torch.equal(torch.cat([again.normal(2, (2,), like), again.normal(4, (2,), like)]), whole)
    for other in (RowNoise(kept, 4, "z"), RowNoise(kept, 3, "y")):
        assert not torch.equal(other.normal(6, (2,), like), whole)
    assert RowNoise(kept, 3, "z").normal(1, (2,), like.double()).dtype == torch.float64
    uniform = RowNoise(kept, -1, "u").uniform((4,))
    assert uniform.shape == (9, 4)
    assert 0 <= uniform.min() < uniform.max() < 1
