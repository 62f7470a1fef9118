"""Cells of a user's own, and torch's distributions: what they say is used, and what they do not say is told."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch import distributions as td

from velbo import VAE
from velbo.errors import ConfigError, MissingMethodError
from velbo.evaluation import calibrate, impute
from velbo.likelihoods import Cell, Factorised, Likelihood, MissingNotAtRandom, MixedCells, point_estimate
from velbo.likelihoods.bernoulli import BernoulliCell
from velbo.likelihoods.normal import NormalCell
from velbo.likelihoods.torch_cell import TorchCell
from velbo.nets import FillMissing
from velbo.posteriors import DiagonalNormal
from velbo.priors import StandardNormal
from velbo.rows import Store


class Bare(Cell):
    """N(mu, 1), of which only what training and drawing need is said."""

    support = td.constraints.real  # pyright: ignore

    def __init__(self, loc: Tensor) -> None:
        self.loc = loc
        super().__init__(loc)

    def log_prob(self, value: Tensor) -> Tensor:
        return -0.5 * (value - self.loc).square() - 0.5 * math.log(2 * math.pi)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self.loc + self.standard_normal(sample_shape)


class Decoder(nn.Module):
    """Two cells of a sort, and two that are Normal with a scale of 2."""

    def __init__(self, cell: Callable[[Tensor], Cell]) -> None:
        super().__init__()
        self.linear, self.cell = nn.Linear(2, 4).double(), cell

    def forward(self, z: Tensor) -> MixedCells:
        y = self.linear(z)
        normal = NormalCell(y[..., 2:], torch.tensor(2.0).double())
        parts = ((0, self.cell(y[..., :2])), (2, normal))
        return MixedCells([(torch.tensor([d, d + 1]), Factorised(cell)) for d, cell in parts], 4)


def model(cell: Callable[[Tensor], Cell]) -> VAE:
    torch.manual_seed(0)
    encoder = nn.Sequential(FillMissing(), DiagonalNormal(4, 2).double())
    return VAE(encoder, Decoder(cell), StandardNormal(2).double()).eval()


@pytest.mark.parametrize(
    ("ask", "method"),
    [
        (lambda c: c.mean, "mean"),
        (lambda c: c.mode, "mode"),
        (lambda c: c.variance, "variance"),
        (lambda c: c.cdf(torch.zeros(2)), r"cdf\(value\)"),
        (lambda c: c.below_and_at(torch.zeros(2)), r"cdf\(value\)"),
        (lambda c: c.rule(9), r"rule\(nodes\)"),
        (lambda c: c.log_masses(), r"log_masses\(\)"),
        (lambda c: c.rsample(), r"rsample\(sample_shape\)"),
    ],
)
def test_what_a_cell_does_not_say_is_told_in_a_sentence(ask: Callable[[Cell], Any], method: str):
    with pytest.raises(
        MissingMethodError, match=rf"^Bare has no {method}, and .+; write `{method}` in the class Bare$"
    ):
        ask(Bare(torch.zeros(2)))


def test_a_head_without_forward_is_told():
    with pytest.raises(MissingMethodError, match=r"Likelihood has no forward\(features\)"):
        Likelihood(2, 3)(torch.zeros(2))


def test_calibration_leaves_out_what_cannot_be_measured_and_measures_the_rest():
    """The Normal half is measured as beside cells that say all."""
    x = torch.randn(60, 4).double()
    x[0, 0] = x[1, 3] = math.nan
    bare, whole = (
        calibrate(model(cell), Store.from_tensor(x))
        for cell in (Bare, lambda loc: NormalCell(loc, torch.ones_like(loc)))
    )
    assert whole.left_out == ()
    for ours, theirs in ((bare.distance, whole.distance), (bare.dispersion, whole.dispersion)):
        assert ours[:2].isnan().all()
        assert torch.equal(ours[2:], theirs[2:])
    first, second = bare.left_out
    assert first.startswith("the distance from uniform is left out, as Bare has no cdf(value)")
    assert second.startswith("the dispersion is left out, as Bare has no mean")


def test_a_dispersion_needs_no_distribution_function():
    class WithMoments(Bare):
        @property
        def mean(self) -> Tensor:
            return self.loc

        @property
        def variance(self) -> Tensor:
            return torch.ones_like(self.loc)

    found = calibrate(model(WithMoments), Store.from_tensor(torch.randn(60, 4).double()))
    assert found.distance[:2].isnan().all()
    assert found.dispersion.isfinite().all()
    assert found.dispersion_se.isfinite().all()
    assert len(found.left_out) == 1


def test_imputation_and_masks_say_what_they_need():
    x = torch.randn(5, 4).double()
    x[0, 0] = math.nan
    with pytest.raises(MissingMethodError, match="Bare has no mean"):
        impute(model(Bare), Store.from_tensor(x), 4)
    with pytest.raises(ConfigError, match=r"column 0: the mask cannot be modelled, because Bare has no rule\(nodes\)"):
        MissingNotAtRandom(Decoder(Bare), 2, [0])


def of_torch(p: td.Distribution) -> Cell:
    cell = Factorised(p).cell
    assert isinstance(cell, TorchCell)
    return cell


def test_a_density_of_torch_says_what_torch_knows():
    loc = torch.tensor([0.3, -1.0]).double()
    cell, x = of_torch(td.Laplace(loc, torch.ones_like(loc))), torch.tensor([[0.5, -3.0]]).double()
    below, at = cell.below_and_at(x)
    torch.testing.assert_close(below, torch.from_numpy(stats.laplace.cdf(x, loc)))
    assert (at == 0).all()
    points, log_w = cell.rule(801)
    torch.testing.assert_close((log_w.exp() * points.square()).sum(0), 2 + loc.square(), rtol=1e-4, atol=0)
    assert torch.equal(cell.at(torch.tensor([1])).mean, loc[1:])
    assert cell.expand(torch.Size((3, 2))).mean.shape == (3, 2)
    assert (cell.variance == 2).all()
    assert cell.has_rsample


def test_values_that_torch_enumerates_have_masses():
    """A Bernoulli of torch says what ours does."""
    logits, x = torch.randn(4, 2).double(), torch.randint(0, 2, (4, 2)).double()
    theirs, ours = of_torch(td.Bernoulli(logits=logits)), BernoulliCell(logits)
    for a, b in zip(theirs.below_and_at(x), ours.below_and_at(x), strict=True):
        torch.testing.assert_close(a, b)
    (points, log_w), (values, log_p) = theirs.rule(9), ours.rule(9)
    torch.testing.assert_close(points.expand_as(log_w), values.expand_as(log_p))
    torch.testing.assert_close(log_w, log_p)
    torch.testing.assert_close(theirs.log_masses(), ours.log_masses())
    assert not theirs.is_coded
    torch.testing.assert_close(theirs.at(torch.tensor([1])).mean, ours.mean[:, 1:])


def test_a_categorical_of_torch_holds_codes():
    logits = torch.randn(6, 3, 5)
    p = Factorised(td.Categorical(logits=logits))
    assert p.is_coded
    assert p.sample().dtype == torch.float32
    assert torch.equal(point_estimate(p), logits.argmax(-1).float())
    x = torch.tensor([0.0, 4.0, math.nan])
    torch.testing.assert_close(p.log_prob_cells(x)[:, 1], logits.log_softmax(-1)[:, 1, 4])
    assert (p.log_prob_cells(x)[:, 2] == 0).all()


def mixture(y: Tensor) -> td.Distribution:
    return td.MixtureSameFamily(td.Categorical(torch.ones(2, 3)), td.Normal(torch.stack((y, y + 1, y + 2), -1), 1.0))


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda y: td.Gamma(y.exp(), 1.0), 0.4),
        (lambda y: td.Beta(y.exp(), 1.0), 0.4),
        (lambda y: td.Poisson(y.exp()), 3.0),
        (lambda y: td.LogNormal(y, 1.0), 0.4),
        (mixture, 0.4),
    ],
    ids=["gamma", "beta", "poisson", "log-normal", "mixture"],
)
def test_a_missing_cell_of_a_torch_distribution_has_no_gradient(
    make: Callable[[Tensor], td.Distribution], value: float
):
    """Whatever the support is, and wherever log p is infinite."""
    y = torch.tensor([0.2, -0.4], requires_grad=True)
    (gradient,) = torch.autograd.grad(Factorised(make(y)).log_prob(torch.tensor([math.nan, value])), y)
    assert gradient[0] == 0
    assert gradient[1].isfinite()
    assert gradient[1] != 0


@pytest.mark.parametrize(
    ("p", "ask", "method"),
    [
        (td.Poisson(torch.ones(2)), lambda c: c.below_and_at(torch.ones(2)), r"below_and_at\(x\)"),
        (td.Poisson(torch.ones(2)), lambda c: c.rule(9), r"rule\(nodes\)"),
        (td.Gamma(torch.ones(2), 1.0), lambda c: c.rule(9), r"rule\(nodes\)"),
        (td.Beta(torch.ones(2), 1.0), lambda c: c.cdf(torch.ones(2) / 2), r"cdf\(value\)"),
        (td.Gamma(torch.ones(2), 1.0), lambda c: c.log_masses(), r"log_masses\(\)"),
        (
            td.MixtureSameFamily(td.Categorical(torch.ones(2, 3)), td.Normal(torch.zeros(2, 3), 1.0)),
            lambda c: c.at(torch.tensor([0])),
            r"at\(places\)",
        ),
    ],
)
def test_what_torch_does_not_say_is_told_in_a_sentence(p: td.Distribution, ask: Callable[[Cell], Any], method: str):
    name = type(p).__name__
    with pytest.raises(MissingMethodError, match=rf"^{name}, a distribution of torch, has no {method}.* with it$"):
        ask(of_torch(p))
