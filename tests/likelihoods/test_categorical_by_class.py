"""A likelihood of very many names: one distribution, whatever the number of names, cells and classes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from velbo.likelihoods import LIKELIHOODS, CategoricalByClass, Factorised, Mixed, likelihood_of
from velbo.likelihoods.categorical_by_class import RANK, CodesByClass
from velbo.rows import KINDS, Field
from velbo.rows.kinds.coded import MANY
from velbo.rows.kinds.views import OfManyNames
from velbo.runtime import fixed_point as fixed

F = 5


def head(*sizes: int, positions: int = 1) -> CategoricalByClass:
    """With a table that is not that of the start."""
    found = CategoricalByClass(F, sizes, positions).double()
    torch.nn.init.normal_(found.classes.weight)
    return found


def cell_of(of: CategoricalByClass, *lead: int) -> CodesByClass:
    p = of(torch.randn(*lead, F, dtype=torch.float64))
    assert isinstance(p, Factorised)
    assert isinstance(p.cell, CodesByClass)
    return p.cell


@pytest.mark.parametrize("sizes", [(1,), (2,), (9,), (10,), (1000, 37, 1), (1023, 1024, 1025)])
def test_log_prob_is_of_a_distribution(sizes: tuple[int, ...]):
    """Masses of all codes sum to 1, log_prob is the logarithm of each, and what lies below is their sum."""
    cell = cell_of(head(*sizes), 3)
    log_p = cell.log_masses()
    torch.testing.assert_close(log_p.logsumexp(-1), torch.zeros(3, len(sizes)).double())
    codes = torch.arange(max(sizes)).double()[:, None, None].expand(-1, 3, len(sizes))
    torch.testing.assert_close(cell.log_prob(codes).movedim(0, -1), log_p)
    below, at = cell.below_and_at(codes)
    torch.testing.assert_close(at.movedim(0, -1), log_p.exp())
    torch.testing.assert_close((below + at).movedim(0, -1), log_p.exp().cumsum(-1))
    for d, size in enumerate(sizes):
        assert (log_p[:, d, size:] == -math.inf).all()


@pytest.mark.parametrize("shape", [(2,), (4, 2), (3, 4, 2), (6, 3, 4, 2)])
def test_values_may_have_fewer_axes_than_the_law_or_more(shape: tuple[int, ...]):
    """One row and many z, and many values of one law: as of the law of every one."""
    cell = cell_of(head(300, 200), 3, 4)
    x = torch.randint(0, 200, shape).double()
    wide = cell.expand(torch.broadcast_shapes(shape, cell.batch_shape))
    torch.testing.assert_close(cell.log_prob(x), wide.log_prob(x.expand(wide.batch_shape)))
    masses = wide.log_masses()
    expected = masses.gather(-1, x.long().expand(wide.batch_shape).unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(cell.log_prob(x), expected)


def test_moments_and_mode_of_some_rows_at_a_time(monkeypatch: pytest.MonkeyPatch):
    cell = cell_of(head(40, 30), 3, 4)
    whole = cell.mean, cell.mode, cell.variance
    monkeypatch.setattr("velbo.likelihoods.categorical_by_class.MASSES_AT_ONCE", 200)
    for part, expected in zip((cell.mean, cell.mode, cell.variance), whole, strict=True):
        torch.testing.assert_close(part, expected)
    assert torch.equal(whole[1], cell.log_masses().argmax(-1).double())


@pytest.mark.parametrize("sizes", [(1,), (10,), (300, 37, 1), (120, 121, 122)])
@pytest.mark.parametrize("at_once", [1, 50, 2**19])
def test_weighted_masses_by_some_classes_are_the_sum_of_all(
    sizes: tuple[int, ...], at_once: int, monkeypatch: pytest.MonkeyPatch
):
    """sum_k w_k p(c|z_k) of every code, to rounding; with one class at a time, with several and with all."""
    monkeypatch.setattr("velbo.likelihoods.categorical_by_class.MASSES_IN_CACHE", at_once)
    cell, w = cell_of(head(*sizes), 6, 4), torch.rand(6, 4, dtype=torch.float64)
    w[2] = 0.0
    expected = torch.einsum("kb,kbdc->bdc", w, cell.log_masses().exp())
    torch.testing.assert_close(cell.weighted_masses(w), expected)
    torch.testing.assert_close(cell.weighted_masses(w), cell.with_masses(cell.log_masses()).weighted_masses(w))
    some = cell.at(torch.tensor([len(sizes) - 1]))
    torch.testing.assert_close(some.weighted_masses(w), expected[:, -1:])


def test_weighted_masses_are_added_up_in_full():
    """Inside autocast too, which would round them to 8 bits."""
    of = head(60).float()
    with torch.no_grad():
        cell = of(torch.randn(5, 2, F)).cell
        w = torch.ones(5, 2, dtype=torch.float64)
        expected = cell.weighted_masses(w)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(cell.weighted_masses(w), expected)


class _Largest(TorchDispatchMode):
    """The most numbers of any tensor that is made inside."""

    found = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.found = max(self.found, made.numel() if isinstance(made, torch.Tensor) else 0)
        return made


def test_weighted_masses_hold_few_at_a_time(monkeypatch: pytest.MonkeyPatch):
    """Of 50 z and 10,000 codes as many as are let, where all are half a million."""
    monkeypatch.setattr("velbo.likelihoods.categorical_by_class.MASSES_IN_CACHE", 2**16)
    cell, w = cell_of(head(10_000), 50, 1), torch.rand(50, 1, dtype=torch.float64)
    with torch.no_grad(), _Largest() as few:
        cell.weighted_masses(w)
    with torch.no_grad(), _Largest() as all_of_them:
        cell.log_masses()
    assert few.found <= 2**16
    assert all_of_them.found == 500_000


def test_gradients_of_every_weight_are_those_of_the_whole_softmax():
    """By class and in one piece: log p(c) = log of its mass among all."""
    of, h, x = head(60, 45), torch.randn(8, F, dtype=torch.float64), torch.randint(0, 45, (8, 2))
    p = of(h)
    assert isinstance(p, Factorised)
    ours = torch.autograd.grad(p.log_prob(x.double()).sum(), list(of.parameters()), retain_graph=True)
    whole = p.cell.log_masses().gather(-1, x.unsqueeze(-1)).sum()
    for g, expected in zip(ours, torch.autograd.grad(whole, list(of.parameters())), strict=True):
        torch.testing.assert_close(g, expected)


def test_it_begins_at_the_shares_of_the_data():
    """Of each code, whatever the features say, to the little that they do; a code that no row held is half a row."""
    counts = tuple(range(1, 1201))
    field = Field("c", "categorical", categories=tuple(map(str, counts)), counts=(*counts[:-1], 0))
    of = LIKELIHOODS["categorical-by-class"].of(F, [field]).double()
    p = of(torch.zeros(1, F, dtype=torch.float64))
    expected = torch.tensor([*counts[:-1], 0.5], dtype=torch.float64)
    # the last class is not full, and counts as half a row for each that it lacks
    torch.testing.assert_close(p.cell.log_masses()[0, 0].exp(), expected / expected.sum(), rtol=1e-4, atol=0)


def test_a_field_has_it_from_1001_categories_on():
    few, many = (Field("c", "categorical", categories=tuple(map(str, range(n)))) for n in (MANY, MANY + 1))
    assert (likelihood_of(few), likelihood_of(many)) == ("categorical", "categorical-by-class")


def test_a_value_costs_no_number_of_every_code():
    """100,000 codes: no tensor that is made for a row has a tenth as many numbers."""
    of = CategoricalByClass(F, [100_000])
    p = of(torch.randn(2, F))
    assert isinstance(p, Factorised)
    assert p.numbers_per_cell < 10_000
    largest = 0

    def hook(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal largest
        largest = max(largest, tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(hook, lambda t: t):
        log_p = p.log_prob(torch.tensor([[5.0], [99_999.0]]))
    assert log_p.isfinite().all()
    assert largest < 2 * 10_000 or largest == of.table.numel()


def test_whole_numbers_code_what_floating_point_says():
    """Masses times 2^30 of every code, to 1e-3 of the largest; of cells of several sizes."""
    of = head(1000, 37)
    h = torch.randn(3, F, dtype=torch.float64)
    p = of(h)
    assert isinstance(p, Factorised)
    law = of.law(lambda linear: fixed.rounded(linear(h).detach().numpy()) / fixed.ONE)
    for place, size in ((0, 1000), (1, 37)):
        masses = law.masses(np.array([place]), size)[:, 0] / 2.0**30
        expected = p.cell.log_masses()[:, place, :size].exp().detach().numpy()
        np.testing.assert_allclose(masses, expected, atol=1e-3 * expected.max())
        np.testing.assert_allclose(masses.sum(-1), 1.0, atol=1e-4)


def test_a_head_for_each_rounded_size_beside_other_columns():
    sizes = (3000, 2500, 40)
    cells = [Field(f"c{n}", "categorical", categories=tuple(map(str, range(n)))) for n in sizes]
    model = Mixed(F, [*cells, Field("r", "real")])
    x = torch.cat((torch.tensor([[2999.0, 2499.0, 39.0]]), torch.zeros(1, 1)), -1)
    p = model(torch.randn(1, F))
    assert len(model.heads) == 3
    assert p.log_prob(x).isfinite().all()
    assert p.support.check(x).all()
    assert not p.support.check(x + 1)[..., :3].any()


def test_a_view_of_many_names_learns_16_numbers_of_each():
    """Beside one-hot codes of columns of few, in the places that its owners say."""
    sizes = (3, MANY + 5, 4, MANY + 1)
    view = OfManyNames(sizes, [size > MANY for size in sizes])
    assert view.n_features == len(view.owners) == 7 + 2 * RANK
    x = torch.tensor([[2.0, 7.0, 0.0, 1000.0], [math.nan, math.nan, 1.0, 0.0]])
    features, owners = view(x), torch.tensor(view.owners)
    torch.testing.assert_close(features[:, owners == 0], torch.tensor([[0.0, 0, 1], [0, 0, 0]]))
    torch.testing.assert_close(features[0, owners == 1], view.learned.weight[7])
    torch.testing.assert_close(features[:, owners == 3], view.learned.weight[[MANY + 5 + 1000, MANY + 5]])
    assert (features[1, owners == 1] == 0).all()


def test_a_run_of_before_sees_its_many_names_one_hot():
    """Its fields have no counts, and its weights are those of one-hot codes."""
    names = tuple(map(str, range(MANY + 1)))
    before, now = (Field("c", "categorical", categories=names, counts=n) for n in ((), (5,) * len(names)))
    assert KINDS["categorical"].view([before]).n_features == MANY + 1
    assert KINDS["categorical"].view([now]).n_features == RANK
