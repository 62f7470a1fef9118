"""What an encoder sees of a table's row."""

from __future__ import annotations

import math

import pytest
import torch

from velbo.nets import FieldFeatures
from velbo.rows import Field

NAN = math.nan
COLUMNS = [
    Field("job", "categorical", categories=("a", "b", "c")),
    Field("size", "real"),
    Field("income", "positive"),
    Field("share", "bounded"),
    Field("children", "count", low=0, high=7),
    Field("sex", "binary", categories=("f", "m")),
    Field("grade", "ordinal", categories=(1, 2, 3, 4, 5)),
    Field("age", "integer"),
]


def test_every_kind_is_shown_as_the_table_of_the_module_says():
    x = torch.tensor([[2.0, -1.5, math.e, 0.75, 3.0, 1.0, 1.0, 0.5]], dtype=torch.float64)
    f = FieldFeatures(COLUMNS)(x)[0].tolist()
    grade, sex, job = [2 / 4 - 1, 0, 1, 0, 0, 0], [1.0], [0, 0, 1]
    count, age, income = [2 * math.log(4) / math.log(8) - 1], [0.5], [1.0]
    share, size = [0.25 * math.sqrt(12)], [-1.5]
    assert f == pytest.approx([*grade, *sex, *job, *count, *age, *income, *share, *size], abs=1e-6)


def test_missing_cells_are_zeros_and_the_mask_tells():
    features = FieldFeatures(COLUMNS, mask=True)
    f = features(torch.full((2, 8), NAN))
    assert f.shape == (2, features.n_features)
    assert (f == 0).all()
    x = torch.tensor([[2.0, NAN, 1.0, 0.5, NAN, 1.0, 1.0, 0.5]])
    assert features(x)[0, -8:].tolist() == [1, 0, 1, 1, 0, 1, 1, 1]


def test_far_cells_grow_as_the_logarithm_without_a_jump_or_a_kink():
    features = FieldFeatures([COLUMNS[1]])
    x = torch.tensor([[3.0], [3 + 1e-6], [-30.0], [1e6]], dtype=torch.float64, requires_grad=True)
    f = features(x)
    assert f[2].item() == pytest.approx(-3 * (1 + math.log(10)))
    assert f[3].item() < 45
    slope = torch.autograd.grad(f.sum(), x)[0]
    assert slope[:2, 0].tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


def test_columns_that_are_not_asked_for_are_not_looked_at():
    features = FieldFeatures(COLUMNS, only=[0, 4])
    x = torch.rand(5, 8)
    changed = x.clone()
    changed[:, [1, 2, 3, 5, 6, 7]] = NAN
    torch.testing.assert_close(features(x), features(changed))
    assert features.n_features == 1 + 3
    assert FieldFeatures(COLUMNS, only=[])(x).shape == (5, 0)


def test_leading_dimensions_are_free():
    features = FieldFeatures(COLUMNS, mask=True)
    x = torch.rand(2, 3, 8)
    torch.testing.assert_close(features(x)[1, 2], features(x[1, 2]))
