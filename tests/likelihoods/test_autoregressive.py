"""Cells that depend on each other: what each knows of the others, and that all of them together are one law."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pandas as pd
import pytest
import torch
from torch import nn

import velbo
from contracts.cell_kinds import KINDS
from velbo.build.models import encoding
from velbo.errors import ConfigError, MissingMethodError
from velbo.likelihoods import LIKELIHOODS, Autoregressive, Normal, point_estimate
from velbo.nets import CertainValues, MaskedLinear, MaskedResidualMLP
from velbo.rows import Field, Store

CASES = [(name, kind) for name, member in LIKELIHOODS.items() for kind in member.kinds]
ORDER = (2, 0, 1)


def shaken(module: nn.Module) -> nn.Module:
    """With weights of which none is 0 or begins as another; float64."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module.double()


def names(*sizes: int) -> list[Field]:
    """Fields of so many names each."""
    return [
        Field(f"f{i}", "categorical", likelihood="categorical", categories=tuple("abcdef"[:n]))
        for i, n in enumerate(sizes)
    ]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_the_law_of_a_cell_knows_of_those_before_it_alone(name: str, kind: str):
    """Of every likelihood of every kind: with another cell d, or without it, the laws of d and of those before d are
    bit-equal, and those of the ones behind it are not.
    """
    cells = [replace(column, likelihood=name) for column in KINDS[kind].columns]
    decoder = shaken(Autoregressive(2, cells, ORDER, (12, 12), mask=True))
    p = decoder(torch.randn(2, 4, 2).double())
    x = p.sample()[0]
    cells_of_x = p.log_prob_cells(x)
    torch.testing.assert_close(p.log_prob(x), cells_of_x.sum(-1), rtol=0, atol=1e-9)
    for i, d in enumerate(ORDER):
        other = x.clone()
        other[:, d] = math.nan
        changed = p.conditionals(other).log_prob_cells(x)
        torch.testing.assert_close(changed[..., ORDER[: i + 1]], cells_of_x[..., ORDER[: i + 1]], rtol=0, atol=0)
        assert all((changed[..., e] != cells_of_x[..., e]).any() for e in ORDER[i + 1 :])


def test_the_rows_of_a_table_sum_to_one():
    """Over all 24 rows of three fields, to 1e-12, at every z; and over the values of each cell given those before."""
    decoder = shaken(Autoregressive(1, names(3, 2, 4), (1, 2, 0), (16, 8)))
    rows = torch.tensor(list(itertools.product(range(3), range(2), range(4))), dtype=torch.float64)
    z = torch.randn(5, 1, 1).double().expand(5, 24, 1)
    total = decoder(z).log_prob(rows).exp().sum(-1)
    torch.testing.assert_close(total, torch.ones(5).double(), rtol=0, atol=1e-12)


def test_draws_have_the_law():
    """Chi-squared of 40,000 draws over 24 rows is below 77, which chance exceeds once in 10 million (23 degrees)."""
    decoder = shaken(Autoregressive(1, names(3, 2, 4), (1, 2, 0), (16,)))
    rows = torch.tensor(list(itertools.product(range(3), range(2), range(4))), dtype=torch.float64)
    p = decoder(torch.zeros(1, 1).double())
    expected = p.log_prob(rows).exp() * 40_000
    codes = p.expand((40_000,)).sample() @ torch.tensor([8.0, 4.0, 1.0]).double()
    counts = torch.bincount(codes.long(), minlength=24)
    assert ((counts - expected).square() / expected).sum() < 77


def test_observed_cells_stay_and_the_rest_is_completed_by_them():
    """Where the second of two cells is a function of the first, completing it gives that function."""
    decoder = shaken(Autoregressive(1, names(2, 2), (0, 1), (8,)))
    with torch.no_grad():
        for head in decoder.head.heads.values():
            head.linear.weight.zero_()
            seen = (decoder.trunk.degrees == 1).nonzero().flatten()[-2:]  # the one-hot features of the first cell
            head.linear.weight[2:, seen] = 1000 * torch.eye(2).double()
            head.linear.bias.zero_()
    x = torch.tensor([[0.0, math.nan], [1.0, math.nan]]).double()
    filled = decoder(torch.zeros(2, 1).double()).completed(x)
    assert filled.tolist() == [[0, 0], [1, 1]]


def test_the_point_estimate_is_one_row_that_may_be():
    """Mode after mode given the modes before: it agrees with itself where the modes of the cells alone would not."""
    decoder = shaken(Autoregressive(1, names(3, 2, 4), (1, 2, 0), (16,)))
    p = decoder(torch.randn(3, 1).double())
    point = point_estimate(p)
    for i, d in enumerate((1, 2, 0)):
        before = torch.full_like(point, math.nan)
        before[:, (1, 2, 0)[:i]] = point[:, (1, 2, 0)[:i]]
        ((_, part),) = p.conditionals(before).parts
        assert torch.equal(part.mode[:, d], point[:, d])
    with pytest.raises(MissingMethodError, match=r"p\.point\(\)"):
        p.mean  # noqa: B018 (it refuses)


def test_given_cells_are_in_no_law():
    cells = names(3, 2, 4)
    p = shaken(Autoregressive(1, cells, (2, 0), (8,)))(torch.zeros(2, 1).double())
    x = torch.tensor([[0.0, 0, 3], [2, 1, 1]]).double()
    assert torch.equal(p.log_prob_cells(x)[:, 1], torch.zeros(2).double())
    assert p.sample()[:, 1].isnan().all()
    assert torch.equal(p.log_prob(x), p.log_prob(torch.tensor([[0.0, 1, 3], [2, 0, 1]]).double()))


def test_a_likelihood_that_does_not_tell_its_owners_is_refused():
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(30, 7)

        def forward(self, features):
            return features

    cells = KINDS["real"].columns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Normal, "of", classmethod(lambda cls, n, cells, positions=1: cls(n, len(cells), scale=Odd())))
        columns = [replace(c, likelihood="normal") for c in cells]
        with pytest.raises(ConfigError, match=r"which cell each output of its layer 'scale\.linear' is of"):
            Autoregressive(1, columns, (0, 1, 2), (8,))


def test_units_see_what_their_degree_says():
    """The gradient of every feature by every input is 0 exactly where a rank is above its degree, for widths that
    change and more cells than units."""
    for hidden, n in (((12, 12), 3), ((9, 14), 5), ((4,), 6)):
        ranks = [*range(1, n + 1), n]
        trunk = shaken(MaskedResidualMLP(2, ranks, n, hidden))
        inputs = torch.randn(n + 3).double()
        jacobian = torch.autograd.functional.jacobian(lambda v, t=trunk: t(v[:2], v[2:]), inputs)
        assert isinstance(jacobian, torch.Tensor)
        sees = trunk.degrees[:, None] >= torch.tensor(ranks)
        n_units = hidden[-1]
        assert torch.equal(jacobian[:n_units, 2:] != 0, sees[:n_units])
        assert (jacobian[:n_units, :2] != 0).all()
        assert jacobian.shape[0] == trunk.n_features == n_units + n + 1 + 2


def test_a_masked_layer_takes_over_weights_as_they_are():
    layer = nn.Linear(3, 2)
    mask = torch.tensor([[1.0, 0, 1], [0, 1, 0]])
    masked = MaskedLinear.of(layer, mask)
    assert masked.weight is layer.weight
    x = torch.randn(4, 3)
    torch.testing.assert_close(masked(x), x @ (layer.weight * mask).T + layer.bias)
    assert set(masked.state_dict()) == set(layer.state_dict())


def test_certain_values_are_those_of_narrow_ranges_and_frequent_ones():
    frame = pd.DataFrame({"years": [1, 2, 3, 4] * 30, "gain": [0] * 100 + [99_999 - 7 * i for i in range(20)]})
    schema = velbo.infer(frame, {"years": "integer", "gain": "integer"})
    seen = CertainValues(schema.cells, (0, 1))
    schema = velbo.plan(frame, velbo.Recipe("mlp"), schema=schema).schema
    found = seen(Store.from_rows(schema.numbers(frame), encoding(schema, velbo.Recipe("mlp"))).fixed(0))
    years, gains = found[:, :4], found[:, 4:]
    assert torch.equal(years.argmax(-1)[:4], torch.arange(4))
    assert torch.equal(years.sum(-1), torch.ones(120))
    assert gains[:100, 0].all()
    assert not gains[100:, 0].any()
    assert seen(torch.full((1, 2), math.nan)).sum() == 0
