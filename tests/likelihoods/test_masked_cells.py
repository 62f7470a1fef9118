"""The law of an observed cell, p(x_d|z, observed), and draws of masks, against sums over all values of a cell."""

from __future__ import annotations

import math

import torch
from scipy import stats
from torch import Tensor, nn

from contracts.cell_kinds import KINDS
from contracts.masks import COLUMN, EVERY, HEADS, HOLES, F, distribution, everywhere, grid
from velbo.likelihoods import Factorised, Mixed, Normal
from velbo.likelihoods.masked_cells import CellsAndMask
from velbo.likelihoods.missingness import MissingNotAtRandom
from velbo.likelihoods.mixed import SideBySide
from velbo.likelihoods.normal import NormalCell


@EVERY
def test_observed_cells_have_a_law_of_their_own(name):
    """Mass, mean and variance on a grid; with the missing cells' law, each by its probability, it is p(x|z). A column
    whose mask is not modelled keeps p(x|z).
    """
    x, weights = grid(HEADS[name][1])
    p = distribution(name)
    with torch.no_grad():
        q, hidden = p.given_observed, p.given_missing
        mass = weights[:, None, None] * q.log_prob_cells(everywhere(x)).exp()
        torch.testing.assert_close(mass.sum(0), torch.ones(4, 3).double(), atol=3e-6, rtol=0)
        mean = (mass * everywhere(x)).sum(0)
        torch.testing.assert_close(q.mean, mean, rtol=2e-5, atol=2e-5)
        variance = (mass * (everywhere(x) - mean).square()).sum(0)
        torch.testing.assert_close(q.variance, variance, rtol=1e-3, atol=1e-5)
        observed = p.log_observed.exp()
        missing = p.log_prob_cells(HOLES.expand(4, 3)).exp()
        torch.testing.assert_close((observed + missing)[:, ::2], torch.ones(4, 2).double(), atol=1e-9, rtol=0)
        assert (observed[:, 1] == 1).all()
        both = observed * q.mean + (1 - observed) * hidden.mean
        torch.testing.assert_close(both, p.mean, rtol=1e-4, atol=1e-5)


@EVERY
def test_the_distribution_function_of_observed_cells_is_their_sum(name):
    """P(X < x) and P(X = x) of 20 values, some far out, against cumulative sums over a grid: to 1e-3."""
    x, weights = grid(HEADS[name][1])
    order = x.argsort()
    x, weights = x[order], weights[order]
    p = distribution(name, nodes=49)
    is_density = KINDS[HEADS[name][1]].line is not None
    for law in ("given_observed", "given_missing"):
        with torch.no_grad():
            q = getattr(p, law)
            mass = weights[:, None, None] * q.log_prob_cells(everywhere(x)).exp()
            up_to = mass.cumsum(0)
            for part_at, part in q.parts:
                share = torch.linspace(0, 1, 20).double()
                places = (up_to[:, 0, 0] < share[:, None]).sum(-1).clamp_max(len(x) - 1).unique()
                for i in places:
                    value = torch.full((4, len(part_at)), float(x[i])).double()
                    below, at = part.cell.below_and_at(value)
                    # half of the step around a point lies below it
                    expected = up_to[i] - mass[i] * (0.5 if is_density else 1.0)
                    torch.testing.assert_close(below, expected[:, part_at], atol=1e-3, rtol=0, check_dtype=False)
                    if not is_density:
                        torch.testing.assert_close(at, mass[i][:, part_at], atol=1e-3, rtol=0, check_dtype=False)


def test_draws_of_a_row_and_its_mask_have_the_models_law():
    """100,000 draws of a steep mask: the share of missing cells, and mean and law of those observed, within 5 standard
    errors and Kolmogorov's one-in-a-million limit; false alarm 3e-6 over seeds. The mask that is not modelled hides
    nothing.
    """
    n = 100_000
    cell = NormalCell(torch.zeros(1).double(), torch.ones(1).double())
    p = CellsAndMask(cell, lambda x: 1 + 6 * x, 49)
    x = p.masked(p.sample(torch.Size((n,))), torch.rand(n, 1).double())[:, 0]
    missing, chance = x.isnan(), math.exp(float(p.missing.log_total))
    assert abs(float(missing.double().mean()) - chance) < 5 * math.sqrt(chance * (1 - chance) / n)
    seen = x[~missing][:, None]
    law = p.given_observed
    assert abs(float(seen.mean() - law.mean)) < 5 * float((law.variance / len(seen)).sqrt())
    u = law.cell.below_and_at(seen)[0][:, 0]
    assert stats.kstest(u.numpy(), "uniform").pvalue > 1e-6
    plain = Factorised(cell)
    assert plain.masked(seen, torch.zeros_like(seen)) is seen


def test_masks_of_several_decoders_and_heads_are_drawn():
    """Side by side, with columns of several likelihoods: only columns with a mechanism lose cells."""
    table = [COLUMN["real"], COLUMN["count"], COLUMN["real"]]
    first = MissingNotAtRandom(Mixed(F, table), F, [0, 1], slope=1.0)
    decoder = SideBySide([([0, 1, 2], first), ([3, 4], Normal(F, 2))], 6)
    p = decoder(torch.randn(200, F))
    x = p.sample()
    hidden = p.masked(x, torch.rand(x.shape))
    lost = hidden.isnan().float().mean(0)
    assert ((lost[:2] > 0.2) & (lost[:2] < 0.9)).all()
    assert (lost[2:5] == 0).all()
    assert (lost[5] == 1).all(), "a cell without a likelihood is never drawn"
    assert torch.equal(hidden[~hidden.isnan()], x[~hidden.isnan()])
    for law in (p.given_missing, p.given_observed):
        assert law.mean.shape == (200, 6)
    assert ((p.log_observed < 0) == torch.tensor([True, True, False, False, False, False])).all()


def test_a_sampler_that_finds_nothing_stays_on_the_grid():
    """Whole numbers in units of their spread: draws and the mode of a cell that is nearly never missing."""
    column = KINDS["integer"].columns[1]
    model = MissingNotAtRandom(Mixed(F, [column] * 2), F, [0, 1], slope=9.0).double()
    nn.init.constant_(model.intercept, -200.0)
    p = model(torch.randn(5, F).double())
    q = p.given_missing
    for x in (q.sample(torch.Size((20,))), q.mode):
        value = x * column.scale + column.location
        assert (value - value.round()).abs().max() < 1e-6


def test_both_laws_are_those_of_a_mask_and_of_its_opposite():
    cell = NormalCell(torch.randn(3).double(), torch.rand(3).double() + 0.5)

    def mask(x: Tensor) -> Tensor:
        return 0.4 + 3 * x

    p, opposite = CellsAndMask(cell, mask, 49), CellsAndMask(cell, lambda x: -mask(x), 49)
    torch.testing.assert_close(p.log_observed, opposite.missing.log_total, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(p.given_observed.mean, opposite.given_missing.mean, rtol=1e-7, atol=1e-7)
