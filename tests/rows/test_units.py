"""Nats of x and nats of the data."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from velbo.rows import Field, Store
from velbo.rows.encodings import Binarise, Dequantise, Levels, Standardise, standardised
from velbo.rows.joined import Joined
from velbo.rows.units import Units

NAN = math.nan


def test_the_density_of_values_is_that_of_x_and_the_units():
    """SciPy's density of v = 7 + 3 x, and of a second cell in another unit, beside that of x; missing cells add 0."""
    v = np.array([[8.0, 0.2], [NAN, 0.4], [5.0, NAN], [NAN, NAN]])
    data = Store.from_rows(v, Standardise((7.0, 0.0), (3.0, 0.1)), torch.float64)
    of_x = np.nan_to_num(stats.norm.logpdf(data.kept)).sum(1)
    of_v = np.nan_to_num(stats.norm.logpdf(v, [7, 0], [3, 0.1])).sum(1)
    np.testing.assert_allclose(of_x + data.log_det().numpy(), of_v, atol=1e-12)
    assert data.units.n_dims(data.kept).tolist() == [2, 1, 1, 0]
    assert data.n_cells() == 4


def test_masses_and_given_fields_have_no_unit_and_given_ones_no_dimension():
    """A count has a mass, whatever its scale; a length that is given has neither a density nor a place among the D."""
    length = Field("length", "real", location=1.0, scale=1000.0)
    count = Field("count", "count", location=0.0, scale=2.0)
    label = Field("label", "categorical", categories=("a", "b"))
    for field, given, of_cell in [
        (length, False, -math.log(1000)),
        (length, True, 0.0),
        (count, False, 0.0),
        (count, True, 0.0),
        (label, True, 0.0),
    ]:
        units = standardised(field, given=given).units(1)
        assert units.of_cells.tolist() == pytest.approx([of_cell])
        assert units.has_likelihood.tolist() == [not given]


def test_whole_numbers_in_8_bits_have_all_their_cells():
    rows = np.array([[1, 2, 0], [3, 0, 1]], np.uint8)
    encoding = Joined(((2, Dequantise(4)), (1, Standardise((0.0,), (1.0,), given=(True,)))))
    data = Store.from_rows(rows, encoding)
    assert data.kept.dtype == torch.uint8
    assert data.log_det().tolist() == pytest.approx([-2 * math.log(4)] * 2)
    assert data.n_cells() == 4
    for encoding in (Levels(255), Binarise(255)):
        assert Store.from_rows(rows, encoding).log_det().tolist() == [0, 0]


def test_units_go_with_rows_wherever_they_go():
    units = Units(torch.tensor([0.5, 0.0]).double(), torch.tensor([True, False]))
    data = Store.from_tensor(torch.tensor([[1.0, 2.0], [NAN, 1.0], [2.0, NAN]]), units)
    assert data.log_det().tolist() == [0.5, 0, 0.5]
    assert data.subset(torch.tensor([1, 2])).log_det().tolist() == [0, 0.5]
    assert [part.log_det().tolist() for part in data.chunks(2)] == [[0.5, 0], [0.5]]
    assert data.to(torch.device("cpu")).n_cells() == 2
    assert Store.from_tensor(data.kept).log_det().tolist() == [0, 0, 0]
