"""The demo and its pictures, with few epochs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from contracts.commands import call
from velbo.errors import DataError
from velbo.report.latents import flat_map
from velbo.report.pictures import tile

PICTURES = ("reconstructions", "samples", "latents", "curve", "overview", "bottleneck")


def test_demo_prints_a_table_and_draws(tmp_path):
    code, out, err = call("demo", "-o", tmp_path / "demo", "--epochs", 2)
    assert code == 0, err
    assert "log-likelihood" in out
    for name in PICTURES:
        image = np.asarray(Image.open(tmp_path / "demo" / f"{name}.png").convert("L"))
        assert image.shape[0] > 300
        assert image.std() > 10
    code, _, err = call("demo", "-o", tmp_path / "demo")
    assert code == 2
    assert "holds a run already" in err


def test_tiles_are_in_reading_order_with_gaps():
    sheet = tile(np.arange(3)[:, None, None] * np.ones((3, 2, 2)), columns=2)
    assert sheet.shape == (5, 5)
    assert sheet[0, 0] == 0
    assert sheet[0, 3] == 1
    assert sheet[3, 0] == 2
    assert np.isnan(sheet[2]).all()
    assert np.isnan(sheet[4, 4])
    assert tile(np.zeros((2, 2, 2, 3)), 2).shape == (2, 5, 3)
    with pytest.raises(DataError, match="pictures need images"):
        tile(np.zeros((3, 4)), 2)


def test_flat_maps_of_any_latents():
    assert flat_map(np.zeros((5, 1))).shape == (5, 2)
    assert flat_map(np.zeros((5, 2))).shape == (5, 2)
    assert flat_map(np.random.default_rng(0).normal(size=(100, 4))).shape == (100, 2)
