"""Noise that belongs to the values of a row, however they are stored."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from velbo.rows import RowNoise

LIKE = torch.empty(())
ROWS = torch.tensor([[0.0, 1, 255, 0], [3, 0, 7, 2], [1, 1, 0, 0], [200, 4, 5, 6]])


def normals(rows: torch.Tensor, seed: int = 0, stream: str = "latents") -> torch.Tensor:
    """(3, B, 2)."""
    return RowNoise(rows, seed, stream).normal(3, (2,), LIKE)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float64])
def test_the_type_of_storage_does_not_count(dtype):
    assert torch.equal(normals(ROWS.to(dtype)), normals(ROWS))


def test_a_model_in_float64_has_the_noise_of_one_in_float32():
    """Numbers that are no float32 numbers, as standardised ones are: kept by either, they round to the same."""
    exact = torch.linspace(-3, 3, 40, dtype=torch.float64).view(10, 4) / 7
    assert torch.equal(normals(exact), normals(exact.float()))


def test_the_sign_of_zero_does_not_count():
    assert torch.equal(normals(torch.where(ROWS == 0, -0.0, ROWS)), normals(ROWS))


def test_every_nan_is_the_same():
    odd = np.array([0x7FC00000, 0xFFC00000, 0x7FC00001, 0x7F800001], np.uint32).view(np.float32)
    rows = torch.from_numpy(np.stack([odd, np.arange(4, dtype=np.float32)], 1))
    rows[:, 1] = 5
    found = normals(rows)
    assert rows[:, 0].isnan().all()
    assert all(torch.equal(found[:, i], found[:, 0]) for i in range(4))


def test_the_rows_are_left_as_they_are():
    rows = torch.where(ROWS == 0, -0.0, ROWS)
    normals(rows)
    assert (1 / rows[0, 0]).item() == -np.inf


def test_order_and_company_do_not_count_and_values_seeds_and_streams_do():
    order = [2, 0, 3, 1]
    assert torch.equal(normals(ROWS[order]), normals(ROWS)[:, order])
    assert torch.equal(normals(ROWS[1:2]), normals(ROWS)[:, 1:2])
    others = normals(ROWS, 1), normals(ROWS, 0, "encoding"), normals(ROWS + 1)
    for other in (*others, normals(ROWS)[:, order]):
        assert not (other == normals(ROWS)).any()


def test_one_stream_goes_on():
    noise = RowNoise(ROWS, 0, "latents")
    parts = torch.cat((noise.normal(1, (2,), LIKE), noise.normal(2, (2,), LIKE)))
    assert torch.equal(parts, normals(ROWS))
