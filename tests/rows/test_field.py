"""What a field says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from velbo.rows import Field
from velbo.rows.field import plain


def test_a_column_is_its_own_only_cell():
    column = Field("age", "count", low=1.0, high=9.0)
    assert list(column.cells()) == [column]
    assert (column.size, column.image_shape, column.n_categories) == (1, None, 0)
    assert column.each("high").tolist() == [9.0]
    assert column.cell_name(0) == "column 'age'"


def test_cells_of_an_array_have_statistics_of_their_own():
    field = Field("x", "real", (2,), low=(0.0, 1.0), high=(2.0, 3.0), location=(0.5, 1.5), scale=4.0, mean=1.0)
    a, b = field.cells()
    assert (a.name, a.shape, a.low, a.high, a.location, a.scale, a.mean) == ("x[0]", (), 0.0, 2.0, 0.5, 4.0, 1.0)
    assert (b.name, b.low, b.location) == ("x[1]", 1.0, 1.5)
    assert field.each("scale").tolist() == [4.0, 4.0]
    assert field.cell_name(1) == "'x' at 1"


@pytest.mark.parametrize(
    ("shape", "image"), [((4, 5), (4, 5, 1)), ((4, 5, 3), (4, 5, 3)), ((7,), None), ((2,) * 4, None)]
)
def test_images_have_two_axes_or_three(shape, image):
    field = Field("x", "byte", shape)
    assert field.image_shape == image
    assert field.size == np.prod(shape)
    assert Field("x", "byte", (4, 5)).cell_name(7) == "'x' at (1, 2)"


def test_missing_cells_are_none_if_they_are_a_value():
    assert Field("x", "real", n_missing=3).has_missing
    assert not Field("x", "real").has_missing
    assert not Field("x", "binary", categories=(None, "Y"), n_missing=3).has_missing


def test_numbers_of_a_field_are_floats_that_json_has():
    assert plain(np.float32(0.5)) == 0.5
    assert plain(np.array([1, 2], np.int32)) == (1.0, 2.0)
    assert isinstance(plain(np.int64(3)), float)
