"""Every likelihood's law in whole numbers is that of its cells, and what has none says so by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from velbo.compress.networks import Affine
from velbo.errors import MissingMethodError
from velbo.likelihoods import LIKELIHOODS
from velbo.likelihoods.laws import Below, Counts
from velbo.rows import Field
from velbo.runtime import fixed_point as fixed

F, B = 6, 40
NUMBERS = Field("a", "real", low=-2.0, high=3.0, location=0.5, scale=1.5)
CELLS = {
    "real": [NUMBERS, NUMBERS],
    "positive": [Field("a", "positive", low=0.1, high=9.0, scale=2.0)] * 2,
    "bounded": [Field("a", "bounded", low=0.0, high=1.0)] * 2,
    "byte": [Field("a", "byte", levels=16)] * 3,
    "integer": [
        Field("a", "integer", low=-4.0, high=90.0, location=30.0, scale=12.0, frequent=(40.0,)),
        Field("b", "integer", low=0.0, high=7.0, location=2.0, scale=2.0),
    ],
    "count": [Field("a", "count", low=0.0, high=20.0, mean=2.5), Field("b", "count", low=0.0, high=90.0, mean=30.0)],
    "binary": [Field("a", "binary", categories=("n", "y"), mean=0.2)] * 2,
    "categorical": [
        Field("a", "categorical", categories=tuple("abcde")),
        Field("b", "categorical", categories=("x", "y", "z")),
    ],
    "ordinal": [Field("a", "ordinal", categories=(1, 2, 3, 4)), Field("b", "ordinal", categories=(1, 2, 3))],
}
WITHOUT = {"gamma": "positive", "beta": "bounded", "continuous-bernoulli": "byte"}


def made(name: str, kind: str):
    """A head with weights that move its parameters, features, its cells in float64, and its law."""
    torch.manual_seed(len(name))
    head = LIKELIHOODS[name].of(F, CELLS[kind])
    with torch.no_grad():
        head.linear.weight.copy_(torch.randn_like(head.linear.weight) * 0.4)
    a = np.rint(np.random.default_rng(1).normal(size=(B, F)) * fixed.ONE)
    law = head.law(lambda linear: Affine(linear.weight, linear.bias)(a) / fixed.ONE)
    return head.double()(torch.from_numpy(a / fixed.ONE)).cell, law


def kind_of(name: str) -> str:
    return LIKELIHOODS[name].kinds[0]


@pytest.mark.parametrize("name", [name for name in LIKELIHOODS if name not in WITHOUT])
@torch.no_grad()
def test_the_law_is_that_of_the_cells(name):
    """Probabilities of values to 1e-3 of each that is above 1e-5, distribution functions to 2e-3: parameters are
    multiples of 2^-12."""
    kind = kind_of(name)
    cell, law = made(name, kind)
    if isinstance(law, Below):
        points = {"positive": np.geomspace(0.02, 20, 25), "bounded": np.linspace(0.02, 0.98, 25)}
        for x in points.get(kind, np.linspace(-3, 4, 41)):
            if kind == "integer":
                for d, column in enumerate(CELLS[kind]):
                    on_grid = (np.rint(x * column.scale) - column.location) / column.scale
                    edge, half = np.full(B, on_grid), 0.5 / column.one("scale")
                    known = cell.below_and_at(torch.full((B, 2), on_grid).double())[0][:, d]
                    assert abs(law.below(d, edge - half) / fixed.WHOLE - known.numpy()).max() < 2e-3
                continue
            if kind == "byte":
                k = round((x + 3) / 7 * 15)
                known = cell.below_and_at(torch.full((B, 3), k / 15).double())[0]
                found = np.stack([law.below(d, np.full(B, (k - 0.5) / 15)) for d in range(3)], 1) * (k > 0)
            else:
                known = cell.cdf(torch.full((B, 2), x).double())
                found = np.stack([law.below(d, np.full(B, x)) for d in range(2)], 1)
            assert abs(found / fixed.WHOLE - known.numpy()).max() < 2e-3, (x, name)
        return
    for d, column in enumerate(CELLS[kind]):
        n = 1500 if isinstance(law, Counts) else column.n_categories
        masses = law.masses(np.array([d]), n)[:, 0]
        values = torch.arange(n).double()[:, None, None].expand(n, B, 1)
        known = torch.stack([cell.at(torch.tensor([d])).log_prob(v)[:, 0] for v in values], -1).exp().numpy()
        found = masses / masses.sum(-1, keepdims=True)
        known = known / known.sum(-1, keepdims=True)
        seen = known > 1e-5
        assert abs(found[seen] / known[seen] - 1).max() < 2e-2
        assert (known * np.log(np.maximum(known, 1e-30) / np.maximum(found, 1e-9))).sum(-1).max() < 1e-5


@pytest.mark.parametrize("name", WITHOUT)
def test_a_likelihood_without_a_law_says_so_by_name(name):
    with pytest.raises(MissingMethodError, match=f"{LIKELIHOODS[name].__name__} has no law in whole numbers"):
        made(name, WITHOUT[name])


@torch.no_grad()
def test_distribution_functions_never_fall():
    """At 20,000 rising points, for the tails and near every seam of the tables."""
    r = np.random.default_rng(0)
    x = np.sort(
        np.concatenate((r.normal(size=12000) * 3, np.geomspace(1e-9, 1e9, 4000), -np.geomspace(1e-9, 1e9, 4000)))
    )
    for name in ("student-t", "normal", "normal-mixture", "laplace", "discretized-mixture"):
        _, law = made(name, kind_of(name))
        for row in range(0, B, 13):
            one = [law.below(0, np.full(B, at))[row] for at in x[::20]]
            assert (np.diff(one) >= 0).all(), name
    for degrees in (2.1, 2.9, 3.0, 64.0, 1e6):
        assert (np.diff(fixed.student_below(x, np.full_like(x, degrees))) >= 0).all()
    assert (np.diff(fixed.log(np.geomspace(1e-300, 1e300, 20001))) >= 0).all()
