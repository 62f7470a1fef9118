"""Files, folders of images and embedded sets -> rows."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from velbo.data import EMBEDDED, infer, load

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 8, 9)).astype(np.uint8)


# readers


def test_every_reader_gives_the_same_rows(tmp_path):
    x = RNG.normal(size=(6, 3))
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "one.npz", x=x)
    np.savez(tmp_path / "two.npz", x=x, y=x + 1)
    np.savetxt(tmp_path / "plain.csv", x, delimiter=",", fmt="%.17g")
    np.savetxt(tmp_path / "header.csv", x, delimiter=",", fmt="%.17g", header='a,"b, c",d', comments="")
    for source in ("x.npy", "one.npz", "two.npz:x", "plain.csv", "header.csv"):
        np.testing.assert_array_equal(load(tmp_path / source).rows, x)
    np.testing.assert_array_equal(load(f"{tmp_path}/two.npz:y").rows, x + 1)
    assert load(tmp_path / "header.csv").names == ("a", "b, c", "d")


def test_empty_cells_are_missing(tmp_path):
    (tmp_path / "holes.csv").write_text("a,b\n1,\n,2\nNaN,NA\n")
    np.testing.assert_array_equal(load(tmp_path / "holes.csv").rows, [[1, np.nan], [np.nan, 2], [np.nan, np.nan]])


def test_one_column_with_a_hole(tmp_path):
    (tmp_path / "one.csv").write_text("a\n1\n\n3\n")
    assert load(tmp_path / "one.csv").rows.shape == (2, 1)


@pytest.mark.parametrize(("mode", "shape"), [("L", (8, 9)), ("RGB", (8, 9, 3)), ("1", (8, 9)), ("P", (8, 9, 3))])
def test_image_folders_in_the_order_of_names(tmp_path, mode, shape):
    for i in range(3):
        Image.fromarray(GREY[i]).convert(mode).save(tmp_path / f"{2 - i}.png")
    rows = load(tmp_path).rows
    assert rows.shape == (3, *shape)
    assert rows.dtype == np.uint8
    expected = np.asarray(Image.fromarray(GREY[2]).convert(mode).convert("L" if len(shape) == 2 else "RGB"))
    np.testing.assert_array_equal(rows[0], expected)


def test_jpeg_folder(tmp_path):
    Image.fromarray(GREY[0]).save(tmp_path / "a.JPG", format="JPEG")
    assert load(tmp_path).rows.shape == (1, 8, 9)


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_sets_load(name):
    data = load(name)
    assert data.labels is not None
    assert len(data.rows) == len(data.labels)
    infer(data.rows, data.names)
