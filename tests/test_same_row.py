"""A row has one score: alone, in any file, in any order, in chunks of any size, in memory or on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from velbo import Recipe, TrainingConfig, fit
from velbo.config import Budget
from velbo.evaluation import score_rows
from velbo.formats import open_source, write_table
from velbo.rows.encoded import OnDisk
from velbo.rows.results import as_table
from velbo.rows.stream import Stream
from velbo.trained_model import TrainedModel

SAMPLES, F64 = 8, torch.float64
TRAINING = TrainingConfig(Budget(epochs=1))


def _table(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "bit": rng.integers(0, 2, n).astype("uint8"),
            "level": rng.integers(0, 256, n),
            "size": rng.normal(size=n) / 3,
            "single": (rng.normal(size=n) / 7).astype("float32"),
            "count": rng.poisson(20, n),
            "job": rng.choice(["nurse", "clerk"], n),
        }
    )


def _image(n: int = 60, levels: int = 2) -> Any:
    return np.random.default_rng(0).integers(0, levels, (n, 4, 4)).astype(np.uint8)


def _exactly(trained: TrainedModel) -> TrainedModel:
    """Sums of float64 differ with the size of a chunk by rounding alone."""
    return trained.to(F64)


def scores(trained: TrainedModel, rows: Any) -> Any:
    return trained.log_likelihood(rows, SAMPLES)


@pytest.fixture(scope="module")
def table() -> TrainedModel:
    rows = _table()
    rows.loc[3, ["bit", "size", "count"]] = None
    return _exactly(fit(rows, Recipe("mlp", 2, (8,)), training=TRAINING))


@pytest.fixture(scope="module", params=[2, 256])
def images(request) -> TrainedModel:
    return _exactly(fit(_image(levels=request.param), Recipe("mlp", 2, (8,)), training=TRAINING))


def test_a_row_alone_and_in_any_order(table):
    rows = _table()
    whole, order = scores(table, rows), np.random.default_rng(1).permutation(len(rows))
    np.testing.assert_allclose(scores(table, rows.iloc[order]), whole[order], rtol=0, atol=1e-10)
    alone = [scores(table, rows.iloc[i : i + 1])[0] for i in range(10)]
    np.testing.assert_allclose(alone, whole[:10], rtol=0, atol=1e-10)


@pytest.mark.parametrize("column", ["bit", "level", "size", "count", "job"])
def test_a_missing_cell_of_another_row_counts_for_nothing(table, column):
    rows, with_one = _table(), _table().astype({"bit": "float", "level": "float", "count": "float"})
    with_one.loc[0, column] = None
    np.testing.assert_allclose(scores(table, with_one)[1:], scores(table, rows)[1:], rtol=0, atol=1e-10)


def test_a_missing_cell_of_another_image_counts_for_nothing(images):
    """Both without, in 8 bits, and with one, in floating point."""
    x = _image()
    with_one = x.astype(float)
    with_one[0, 0, 0] = np.nan
    kept, kept_with_one = images.store(x).kept, images.store(with_one).kept
    assert (kept.dtype, kept_with_one.dtype) == (torch.uint8, F64)
    np.testing.assert_allclose(scores(images, with_one)[1:], scores(images, x)[1:], rtol=0, atol=1e-10)
    np.testing.assert_allclose(scores(images, x.astype(np.float32)), scores(images, x), rtol=0, atol=1e-10)


def test_bits_in_float32_are_scored_by_the_same_draws():
    """In the precision that users have; an other draw would move a score by some tenths."""
    x = _image()
    trained = fit(x, Recipe("mlp", 2, (8,)), training=TRAINING)
    with_one = x.astype(float)
    with_one[0, 0, 0] = np.nan
    np.testing.assert_allclose(scores(trained, with_one)[1:], scores(trained, x)[1:], rtol=0, atol=1e-4)


@pytest.mark.parametrize("chunk", [1, 3, None])
def test_samples_in_chunks(table, chunk):
    data = table.store(_table())
    whole = score_rows(table.model, data, SAMPLES).log_likelihood
    found = score_rows(table.model, data, SAMPLES, chunk).log_likelihood
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-10)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".arrow", ".jsonl", ".xlsx"])
def test_through_a_file(table, suffix, tmp_path):
    """Numbers of float32 too, which are written with fewer digits than a float64 has."""
    file = tmp_path / f"rows{suffix}"
    write_table(as_table(_table()), file)
    np.testing.assert_allclose(scores(table, open_source(file).read()), scores(table, _table()), rtol=0, atol=1e-10)


def test_from_disk(table, tmp_path):
    rows, file = _table(), tmp_path / "rows.parquet"
    write_table(as_table(rows), file)
    on_disk = OnDisk(open_source(file), table.schema)
    stream = Stream([g.n_rows for g in on_disk.groups], on_disk.read, table.schema.n_dims, table.plan.encoding, F64)
    found = torch.cat([score_rows(table.model, part, SAMPLES).log_likelihood for part in stream.chunks(17)])
    np.testing.assert_allclose(found.numpy(), scores(table, rows), rtol=0, atol=1e-10)


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_images_through_a_file(images, suffix, tmp_path: Path):
    file = tmp_path / f"rows{suffix}"
    write_table(as_table(_image()), file)
    np.testing.assert_allclose(scores(images, open_source(file).read()), scores(images, _image()), rtol=0, atol=1e-10)


def test_what_is_filled_in_is_the_same(table):
    rows = _table().astype({"bit": "float", "level": "float", "count": "float"})
    rows.loc[5, ["size", "level"]] = None
    alone = table.impute(rows.iloc[5:6], 50)
    rows.loc[0, "bit"] = None
    together = table.impute(rows, 50)
    for name in ("size", "level"):
        assert alone[name].iloc[0] == pytest.approx(together[name].iloc[5], rel=1e-10)
