"""Cells that are missing not at random: row and mask are one distribution, and its parts are exact."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.func import functional_call

from contracts.cell_kinds import gauss_legendre
from contracts.masks import COLUMN, EVERY, FINE, HEADS, HOLES, F, distribution, everywhere, grid, masked
from velbo import VAE
from velbo.checks import check_support
from velbo.errors import ConfigError
from velbo.likelihoods import (
    LIKELIHOODS,
    Factorised,
    FixedScale,
    Mixed,
    Normal,
)
from velbo.likelihoods.masked_cells import CellsAndMask
from velbo.likelihoods.missingness import STEEPEST, MissingNotAtRandom
from velbo.likelihoods.negative_binomial import NegativeBinomialCell
from velbo.nets import MLP, FillMissing
from velbo.posteriors import DiagonalNormal
from velbo.priors import StandardNormal


@EVERY
def test_values_and_holes_sum_to_one(name):
    """Of every cell: the mass of what is observed, over a grid of its own, and p(missing|z). As exact as the nodes are
    many. The middle column has no mechanism, and its values alone have mass one.
    """
    x, weights = grid(HEADS[name][1])
    for nodes, error in ((49, 2e-3), (FINE, 2e-6)):
        p = distribution(name, nodes=nodes)
        with torch.no_grad():
            observed = (weights[:, None, None] * p.log_prob_cells(everywhere(x)).exp()).sum(0)
            missing = p.log_prob_cells(HOLES.expand(4, 3)).exp()
        torch.testing.assert_close(observed[:, 1], torch.ones(4).double(), atol=2e-6, rtol=0)
        assert (missing[:, 1] == 1).all(), "a column that is never missing keeps the rule that NaN counts 0"
        total = (observed + missing)[:, ::2]
        torch.testing.assert_close(total, torch.ones_like(total), atol=error, rtol=0)
        assert ((missing[:, ::2] > 1e-6) & (missing[:, ::2] < 1 - 1e-6)).all()


def test_rows_and_masks_sum_to_one():
    """Over all 8 masks, and over the observed values of a number, a count and a category under each."""
    columns = [COLUMN["real"], COLUMN["count"], COLUMN["ordinal"]]
    model = MissingNotAtRandom(Mixed(F, columns), F, [0, 1, 2], slope=[2.0, -0.5, 0.0], nodes=301).double()
    nn.init.normal_(model.effects[-1])
    t, dt = gauss_legendre(-10, 10, 10, pieces=25)
    grids = [(t.sinh(), dt * t.cosh()), (torch.arange(300).double(), torch.ones(300).double()), grid("ordinal")]
    hole = (torch.tensor([math.nan]).double(), torch.ones(1).double())
    p, total = model(torch.randn(F).double()), 0.0
    for mask in range(8):
        chosen = [g if mask >> d & 1 else hole for d, g in enumerate(grids)]
        x = torch.cartesian_prod(*(points for points, _ in chosen))
        weights = torch.cartesian_prod(*(w for _, w in chosen)).prod(-1)
        total += float((weights * p.log_prob(x).exp()).sum().detach())
    assert total == pytest.approx(1, abs=2e-6)


@pytest.mark.parametrize(("a", "b"), [(0.3, 2.0), (-4.0, 5.0), (2.0, -3.0), (-30.0, 8.0)])
def test_normal_cells_agree_with_adaptive_quadrature(a, b):
    """log p(missing), the mean and the variance of a hole, by scipy.integrate.quad; the last case is 3 sd away."""
    mu, sigma = 0.4, 1.1
    cell = torch.distributions.Normal(*torch.tensor([[mu], [sigma]], dtype=torch.float64))
    p = CellsAndMask(cell, lambda x: a + b * x, 401)

    def moment(k: int) -> float:
        def f(x: float) -> float:
            return x**k * stats.norm.pdf(x, mu, sigma) * special.expit(a + b * x)

        return integrate.quad(f, -12, 12, points=[-a / b], epsabs=0, epsrel=1e-11, limit=200)[0]

    mass, mean = moment(0), moment(1) / moment(0)
    assert p.missing.log_total.item() == pytest.approx(math.log(mass), abs=1e-8)
    assert p.given_missing.mean.item() == pytest.approx(mean, abs=1e-8)
    assert p.given_missing.variance.item() == pytest.approx(moment(2) / mass - mean**2, abs=1e-7)


@EVERY
def test_a_constant_mask_changes_nothing_but_a_constant(name):
    """b = f = 0, as a new mechanism is: log p is that of values missing at random plus a Bernoulli mask's, and the
    likelihood's own parameters have the same gradient.
    """
    head = HEADS[name][0]().double()
    model = MissingNotAtRandom(head, F, [0, 2]).double()
    x, h = everywhere(grid(HEADS[name][1])[0][::400])[:, 0].clone(), torch.randn(F).double()
    x[::2, 0] = x[1::3, 2] = x[::5, 1] = math.nan
    with torch.no_grad():
        model.intercept.copy_(torch.tensor([-0.8, 1.1]))
    mask = torch.where(x.isnan(), 1.0, -1.0)[:, ::2] * model.intercept
    expected = head(h).log_prob(x) + nn.functional.logsigmoid(mask).sum(-1)
    torch.testing.assert_close(model(h).log_prob(x), expected, rtol=1e-12, atol=1e-12)
    parameters = tuple(head.parameters())
    ours = torch.autograd.grad(model(h).log_prob(x).sum(), parameters)
    theirs = torch.autograd.grad(head(h).log_prob(x).sum(), parameters)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@EVERY
def test_holes_are_filled_by_the_law_of_missing_cells(name):
    """Mass, mean and variance of p(x|z, missing) on a grid; columns without a mechanism keep p(x|z)."""
    x, weights = grid(HEADS[name][1])
    p = distribution(name)
    with torch.no_grad():
        q = p.given_missing
        mass = weights[:, None, None] * q.log_prob_cells(everywhere(x)).exp()
        mean = (mass * everywhere(x)).sum(0)
        torch.testing.assert_close(mass.sum(0), torch.ones(4, 3).double(), atol=3e-6, rtol=0)
        torch.testing.assert_close(q.mean, mean, rtol=2e-5, atol=2e-5)
        variance = (mass * (everywhere(x) - mean).square()).sum(0)
        torch.testing.assert_close(q.variance, variance, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(q.mean[:, 1], p.mean[:, 1])
        # Bayes' rule ties the law of a hole to that of an observed cell, whose mask is the complement
        joint = q.log_prob_cells(everywhere(x)).exp() * p.log_prob_cells(HOLES).exp()
        both = (joint + p.log_prob_cells(everywhere(x)).exp())[..., ::2]
        alone = torch.cat([part.log_prob_cells(everywhere(x)[..., at]) for at, part in base_parts(p)], -1)
        torch.testing.assert_close(both, alone.exp(), rtol=1e-6, atol=1e-9)


def base_parts(p):
    """The cells with a mechanism, without it."""
    return [(at, Factorised(part.cell)) for at, part in p.parts if isinstance(part, CellsAndMask)]


@EVERY
def test_draws_have_the_moments_of_the_law_of_missing_cells(name):
    """Means of 10,000 draws of 3 cells within 6 standard errors: false alarms below 1e-6 but for the log-normal, whose
    skewed means make it some 1e-4. Draws lie in the support.
    """
    q = distribution(name, rows=1).given_missing
    with torch.no_grad():
        x = q.sample(torch.Size((10_000,)))
        assert x.shape == (10_000, 1, 3)
        assert q.support.check(x).all()
        error = (q.variance / 10_000).sqrt()
        assert ((x.mean(0) - q.mean).abs() < 6 * error + 1e-9).all()


def test_the_mode_of_a_hole_is_the_best_node():
    q = distribution("normal").given_missing
    x, _ = grid("real")
    with torch.no_grad():
        best = q.log_prob_cells(everywhere(x)).amax(0)
        torch.testing.assert_close(q.log_prob_cells(q.mode), best, atol=1e-3, rtol=0)


def test_a_sampler_that_finds_nothing_takes_the_nodes():
    """m is 1e-6 and less for all likely x: rejection would not end, and the mean is still near."""
    cell = torch.distributions.Normal(torch.zeros(1).double(), torch.ones(1).double())
    q = CellsAndMask(cell, lambda x: 9 * (x - 5), 201).given_missing
    assert 4.5 < q.mean.item() < 5.5
    assert q.sample(torch.Size((2000,))).mean().item() == pytest.approx(q.mean.item(), abs=0.1)


@EVERY
def test_gradients_agree_with_finite_differences(name):
    """Of features and of everything that the mechanism learns, holes and values mixed."""
    model = masked(name).double()
    points = grid(HEADS[name][1])[0]
    x = points[torch.linspace(0.45, 0.55, 9).mul(len(points)).long() if len(points) > 9 else torch.arange(9) % 2]
    x = x.view(3, 3).clone()
    x[0, 0] = x[1, 2] = x[2] = math.nan
    names = ["intercept", "latents.weight", *(f"effects.{i}" for i in range(len(model.effects)))]
    own = [dict(model.named_parameters())[n].detach().clone().requires_grad_() for n in names]

    def log_p(h: Tensor, *values: Tensor) -> Tensor:
        return functional_call(model, dict(zip(names, values, strict=True)), (h,)).log_prob(x)

    h = (0.5 * torch.randn(3, F)).double().requires_grad_()
    assert torch.autograd.gradcheck(log_p, (h, *own), atol=1e-5, rtol=1e-4)


FAR = {"positive": (1e-30, 1e30), "bounded": (1e-7, 1 - 1e-7), "count": (0, 1e6), "integer": (-1e6 / 15, 1e6 / 15)}


@EVERY
def test_finite_in_float32_however_far_x_is(name):
    """Value and gradient, with steep slopes both ways, a likely and an unlikely mask, and features up to 30."""
    kind = HEADS[name][1]
    few = kind == "byte" or bool(COLUMN[kind].categories)
    ends = grid(kind)[0][[0, -1]].tolist() if few else FAR.get(kind, (-1e6, 1e6))
    for shift, size in ((-60.0, 1.0), (60.0, 1.0), (0.0, 30.0)):
        model = masked(name, nodes=49, slope=0.95 * STEEPEST)
        nn.init.constant_(model.intercept, shift)
        h = (size * (2 * torch.rand(20, F) - 1)).requires_grad_()
        p = model(h)
        for x in (ends[0], ends[1], math.nan):
            log_p = p.log_prob(torch.full((20, 3), x))
            assert log_p.isfinite().all(), (shift, x)
            for g in torch.autograd.grad(log_p.sum(), [h, *model.effects, model.intercept], retain_graph=True):
                assert g.isfinite().all(), (shift, x)
        q = p.given_missing
        for value in (q.mean, q.sample(), p.sample(), p.mean):
            assert value.isfinite().all()
        assert not q.variance.isnan().any()
        assert name not in LIKELIHOODS or q.mode.isfinite().all()


def self_masked() -> tuple[Tensor, Tensor]:
    """A population x ~ N(0.5, 1.2^2), missing with probability sigmoid(4 x - 2): rows (N, 1) and their weights."""
    x = torch.linspace(-9.1, 10.1, 301, dtype=torch.float64)
    w = torch.softmax(-((x - 0.5) / 1.2).square() / 2, 0)
    m = torch.sigmoid(4 * x - 2)
    hole = x.new_tensor([math.nan])
    return torch.cat((x, hole)).unsqueeze(-1), torch.cat((w * (1 - m), (w * m).sum(0, keepdim=True)))


def fitted(model: nn.Module) -> Tensor:
    """Ascend the population's expected log-likelihood; its maximum."""
    x, weights = self_masked()
    h = torch.zeros(1, 1, dtype=torch.float64)
    steps = torch.optim.LBFGS(
        model.parameters(), max_iter=300, tolerance_grad=1e-9, tolerance_change=1e-13, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        steps.zero_grad()
        value = -(weights * model(h).log_prob(x)).sum()
        value.backward()
        return value

    steps.step(loss)
    return -loss().detach()


def test_the_mechanism_recovers_what_values_missing_at_random_would_distort():
    """Half of the population is missing, the large half. Its mean is 0.5; the mean of what is seen, to which a fit by
    missing at random comes, is -0.3976, a bias of -0.8976. With the mechanism the fit finds mean, deviation, intercept
    and slope, and the mean of the holes, 1.3976. Expectations are by quadrature: nothing is drawn.
    """
    x, weights = self_masked()
    seen = x[:-1, 0] @ weights[:-1] / weights[:-1].sum()
    h = torch.zeros(1, 1, dtype=torch.float64)
    at_random = Normal(1, 1).double()
    fitted(at_random)
    assert at_random(h).mean.item() == pytest.approx(seen.item(), abs=1e-4)
    assert seen.item() == pytest.approx(-0.3976, abs=1e-4)

    model = MissingNotAtRandom(Normal(1, 1), 1, [0], depends_on_latents=False, slope=1.0, nodes=61).double()
    height = fitted(model)
    p = model(h)
    found = [p.mean.item(), p.variance.sqrt().item(), model.intercept.item(), p.given_missing.mean.item()]
    np.testing.assert_allclose(found, [0.5, 1.2, -2.0, 1.3976], atol=1e-3)
    slope = (p.parts[0][1].mask(torch.ones(1, 1).double()) - p.parts[0][1].mask(torch.zeros(1, 1).double())).item()
    assert slope == pytest.approx(4, abs=1e-2)
    # no other parameters can do better than the truth, whose height is minus the entropy of row and mask
    truth = torch.distributions.Normal(0.5, 1.2).log_prob(x[:-1, 0]) + nn.functional.logsigmoid(2 - 4 * x[:-1, 0])
    entropy = weights[:-1] @ truth + weights[-1] * weights[-1].log()
    assert height.item() == pytest.approx(entropy.item(), abs=1e-6)


class TorchHead(nn.Module):
    """A user's own, of two cells of a torch distribution."""

    def __init__(self, make: Callable[[Tensor], Distribution]) -> None:
        super().__init__()
        self.linear, self.make = nn.Linear(F, 2), make

    def forward(self, features: Tensor) -> Factorised:
        return Factorised(self.make(self.linear(features)))


def test_a_distribution_with_quantiles_needs_no_rule():
    head = TorchHead(lambda y: torch.distributions.Laplace(y, torch.ones_like(y), validate_args=False))
    model = MissingNotAtRandom(head, F, [1], slope=2.0, nodes=FINE).double()
    p = model(torch.zeros(F).double())
    loc = p.mean[1].item()

    def f(x: float) -> float:
        return stats.laplace.pdf(x, loc) * special.expit(2 * x)

    mass = integrate.quad(f, -40, 40, points=[0, loc], limit=200)[0]
    assert p.log_prob_cells(HOLES[0, :2])[1].exp().item() == pytest.approx(mass, abs=1e-6)


def table() -> Mixed:
    """Seven columns, of which the fourth is given."""
    kinds = ("real", "categorical", "positive", "count", "real", "binary", "categorical")
    return Mixed(F, [COLUMN[kind] for kind in kinds], given=[3])


def test_rows_of_a_table_keep_their_shape_and_have_no_holes():
    """With leading axes, a given column, and several likelihoods of which some have no hole."""
    model = MissingNotAtRandom(table(), F, [0, 1, 3, 5]).double()
    p = model(torch.randn(5, 2, F).double())
    assert p.batch_shape == (5, 2)
    assert p.event_shape == (7,)
    places = torch.cat([at for at, _ in p.parts])
    assert places.sort().values.tolist() == [0, 1, 2, 4, 5, 6]
    x = p.sample(torch.Size((3,)))
    assert x.shape == (3, 5, 2, 7)
    assert torch.equal(x.isnan().any(0).any(0).any(0), torch.arange(7) == 3)
    assert p.log_prob(x).shape == (3, 5, 2)
    torch.testing.assert_close(p.log_prob_cells(x).sum(-1), p.log_prob(x))
    assert p.support.check(x).all()
    for of in (p.mean, p.mode, p.variance, p.given_missing.mean):
        assert of.shape == (5, 2, 7)
    assert sorted(q.numbers_per_cell for _, q in p.parts if isinstance(q, CellsAndMask)) == [2, 3, 49]
    wide = p.expand(torch.Size((3, 5, 2)))
    torch.testing.assert_close(wide.log_prob(x), p.log_prob(x))
    holes = torch.full((3, 5, 2, 7), math.nan).double()
    torch.testing.assert_close(wide.log_prob(holes), p.log_prob(holes))
    filled = p.given_missing.expand(torch.Size((3, 5, 2))).mean
    torch.testing.assert_close(filled[0], p.given_missing.mean, equal_nan=True)
    masses = [part.given_missing.cell.log_masses() for _, part in p.parts if part.is_coded]
    assert all(m.logsumexp(-1).abs().max() < 1e-12 for m in masses)


def test_a_vae_learns_it_by_its_ordinary_bound():
    """Every parameter of head and mechanism has a gradient; with a mask that depends on latents, so has the encoder
    through holes alone.
    """
    decoder = nn.Sequential(MLP(2, 8), nn.Linear(8, F), MissingNotAtRandom(table(), F, [0, 1, 5], slope=0.5))
    nn.init.normal_(decoder[-1].latents.weight)
    encoder = nn.Sequential(FillMissing(mask=True), MLP(14, 8), DiagonalNormal(8, 2))
    model = VAE(encoder, decoder, StandardNormal(2))
    x = decoder(torch.randn(20, 2)).sample()
    check_support(model, x)
    x[::2, 0] = x[1::2, 1] = x[::3, 5] = math.nan
    model.terms(x, 3).log_w.mean().backward()
    for name, p in decoder.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
        assert (p.grad != 0).any(), name
    model.zero_grad()
    model.terms(torch.full((20, 7), math.nan)).log_px_z.sum().backward()
    assert any((p.grad != 0).any() for p in encoder.parameters() if p.grad is not None)
    assert not model.sample(5).isnan()[:, [0, 1, 2, 4, 5, 6]].any()


def test_a_library_size_reaches_the_counts():
    head = Mixed(F, [COLUMN["count"]] * 3, library=True)
    model, h, size = MissingNotAtRandom(head, F, [1]), torch.randn(4, F), torch.full((4, 1), 90.0)
    torch.testing.assert_close(model(h, size).mean, head(h, size).mean)
    torch.testing.assert_close(model(h, size).mean.sum(-1), size.squeeze(-1))


def test_self_masking_alone_does_not_look_at_the_latents():
    """Two z with equal p(x_d|z) have equal masks; with f they have not."""
    for depends in (False, True):
        model = MissingNotAtRandom(Normal(F, 1, FixedScale(1.0)), F, [0], depends_on_latents=depends, slope=1.0)
        nn.init.zeros_(model.head.linear.weight)
        if model.latents is not None:
            nn.init.ones_(model.latents.weight)
        log_p = model(torch.randn(2, F)).log_prob(torch.full((2, 1), math.nan))
        assert (log_p[0] == log_p[1]).item() is not depends


def test_what_cannot_be_says_what_can():
    names = ["height", "colour"]
    with pytest.raises(ConfigError, match=r"column colour: .* Poisson, a distribution of torch, has no rule\(nodes\)"):
        MissingNotAtRandom(TorchHead(lambda y: torch.distributions.Poisson(y.exp())), F, [1], names)
    with pytest.raises(ConfigError, match=r"places from 0 to 1, not \[2\]"):
        MissingNotAtRandom(Normal(F, 2), F, [2])
    with pytest.raises(ConfigError, match="no mechanism is needed"):
        MissingNotAtRandom(Mixed(F, [COLUMN["real"]] * 2, given=[1]), F, [1])
    with pytest.raises(ConfigError, match="and 15 at least"):
        MissingNotAtRandom(Normal(F, 2), F, [0], nodes=14)
    with pytest.raises(ConfigError, match="each of the 1 columns"):
        MissingNotAtRandom(Normal(F, 2), F, [0], slope=[1.0, 2.0])
    with pytest.raises(ConfigError, match="between -10 and 10"):
        MissingNotAtRandom(Normal(F, 2), F, [0], slope=10.0)
    with pytest.raises(ConfigError, match="not for positions"):
        MissingNotAtRandom(Normal(F, 2, positions=4), F, [0])


@pytest.mark.parametrize("mean", [0.01, 3.0, 40.0, 1e3, 1e6])
@pytest.mark.parametrize("r", [0.05, 2.0, 1e4])
def test_blocks_of_counts_keep_the_moments(mean, r):
    """49 nodes: the mean to 3e-3, the variance to 1e-2 and the weight of 0 to 2e-3, whatever the dispersion."""
    one = torch.ones(1, dtype=torch.float64)
    cell = NegativeBinomialCell(math.log(mean) * one, math.log(r) * one)
    points, log_w = cell.rule(49)
    w = log_w.exp()
    assert (w * points).sum().item() == pytest.approx(mean, rel=3e-3)
    assert (w * (points - mean).square()).sum().item() == pytest.approx(cell.variance.item(), rel=1e-2)
    assert w[points == 0].sum().item() == pytest.approx(cell.log_prob(0 * one).exp().item(), abs=2e-3)
