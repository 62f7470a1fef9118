"""Questions of cells given others, to a model without latents whose answers are sums over 24 rows."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from velbo import VAE, score_rows
from velbo.evaluation import calibrate, cell_law, contributions, draw_given, impute, multiple_imputations
from velbo.likelihoods import Autoregressive
from velbo.priors import StandardNormal
from velbo.rows import Field

SIZES, ORDER = (3, 2, 4), (1, 2, 0)
CELLS = [
    Field(f"f{i}", "categorical", likelihood="categorical", categories=tuple("abcd"[:n])) for i, n in enumerate(SIZES)
]
ROWS = torch.tensor(list(itertools.product(*map(range, SIZES))), dtype=torch.float64)


class Blind(nn.Module):
    """A decoder that does not look at z, or looks at its sign alone: the model is then a mixture of two."""

    def __init__(self, decoder: nn.Module, by_sign: bool) -> None:
        super().__init__()
        self.decoder, self.by_sign = decoder, by_sign

    def forward(self, z):
        return self.decoder(torch.sign(z) if self.by_sign else torch.zeros_like(z))


class PriorAgain(nn.Module):
    """q(z|x) = p(z): the posterior of latents that say nothing."""

    def forward(self, x):
        zeros = x.new_zeros(*x.shape[:-1], 1)
        return Independent(Normal(zeros, zeros + 1), 1)


def model(by_sign: bool = False) -> VAE:
    torch.manual_seed(1)
    decoder = Autoregressive(1, CELLS, ORDER, (16,))
    for parameter in decoder.parameters():
        nn.init.normal_(parameter, std=0.6)
    return VAE(PriorAgain(), Blind(decoder, by_sign), StandardNormal(1)).double().eval()


def table(by_sign: bool = False) -> torch.Tensor:
    """p of every row, in the shape of the table, (3, 2, 4)."""
    signs = (-1.0, 1.0) if by_sign else (0.0,)
    with torch.no_grad():
        p = [model().decoder.decoder(torch.full((24, 1), s).double()).log_prob(ROWS).exp() for s in signs]
    return torch.stack(p).mean(0).view(SIZES)


def law(known: list[float], cell: int, by_sign: bool = False) -> torch.Tensor:
    """p(x_cell | known), NaN where a cell is not known, by sums over the table."""
    p = table(by_sign)
    for d, value in enumerate(known):
        if not math.isnan(value):
            p = p.index_select(d, torch.tensor([int(value)]))
    p = p.sum([d for d in range(3) if d != cell])
    return p / p.sum()


def test_log_p_is_exact_without_latents():
    """log w of every sample is log p(x), so the bound of any number of samples is it, to 1e-12."""
    found = score_rows(model(), ROWS, samples=3)
    torch.testing.assert_close(found.log_likelihood, table().flatten().log(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", range(3))
def test_the_law_of_a_cell_given_all_others_is_exact(cell: int):
    """Wherever it is in the order: every value is held against the cells behind it, and nothing is drawn."""
    found = cell_law(model(), ROWS, cell, torch.arange(SIZES[cell]).double(), samples=2)
    wanted = torch.stack(
        [law([v if d != cell else math.nan for d, v in enumerate(row)], cell) for row in ROWS.tolist()]
    )
    torch.testing.assert_close(found.log_p.exp(), wanted, rtol=0, atol=1e-9)


def test_masses_of_some_values_are_those_among_all():
    found = cell_law(model(), ROWS[:1], 2, torch.tensor([3.0, 0.0]), samples=2)
    wanted = law([*ROWS[0, :2].tolist(), math.nan], 2)
    torch.testing.assert_close(found.log_p.exp()[0], wanted[[3, 0]], rtol=0, atol=1e-9)


@pytest.mark.parametrize("by_sign", [False, True])
@pytest.mark.parametrize(("known", "cell"), [((math.nan, math.nan, 2.0), 1), ((2.0, math.nan, math.nan), 2)])
def test_any_subset_is_conditioned_on(known: tuple[float, ...], cell: int, by_sign: bool):
    """One cell of the other two is drawn, and what is known stands behind it: 8,000 samples are within 0.03 of the sum
    over the table, five standard errors of a mass of 1/2 that are worth 7,000 (one false alarm in a million).
    """
    found = cell_law(model(by_sign), torch.tensor([known]).double(), cell, torch.arange(SIZES[cell]), samples=8_000)
    torch.testing.assert_close(found.log_p.exp()[0], law(list(known), cell, by_sign), rtol=0, atol=0.02)


@pytest.mark.parametrize("steps", [0, 4])
def test_draws_given_a_cell_at_the_end_of_the_order(steps: int):
    """The first two of the order are drawn, and the third weighs. Chi-squared of 6,000 draws over the 8 rows is below
    46, which chance exceeds once in 10 million (7 degrees; chains of one resampling are nearly independent).
    """
    x = torch.tensor([[1.0, math.nan, math.nan]]).double()
    wanted = table()[1] / table()[1].sum()
    drawn = draw_given(model(), x.repeat(1, 1), 6000, steps=steps).x[:, 0]
    assert (drawn[:, 0] == 1).all()
    counts = torch.bincount((drawn[:, 1] * 4 + drawn[:, 2]).long(), minlength=8)
    expected = wanted.flatten() * 6000
    assert ((counts - expected).square() / expected).sum() < 46


def test_multiple_imputations_have_the_law():
    """As above, from 400 rows of 10 draws each, whose resampling knows of 100 samples a row: below 60."""
    x = torch.tensor([[1.0, math.nan, math.nan]]).double().repeat(400, 1)
    drawn = multiple_imputations(model(by_sign=True), x, 10, samples=100, steps=5).flatten(0, 1)
    wanted = table(by_sign=True)[1] / table(by_sign=True)[1].sum()
    counts = torch.bincount((drawn[:, 1] * 4 + drawn[:, 2]).long(), minlength=8)
    expected = wanted.flatten() * 4000
    assert ((counts - expected).square() / expected).sum() < 60


def test_imputation_takes_the_likeliest_code_and_says_how_likely():
    """1 - its mass, within 0.03 at 10,000 samples: five standard errors."""
    known = [1.0, math.nan, 2.0]
    found = impute(model(), torch.tensor([known]).double(), samples=10_000)
    wanted = law(known, 1)
    assert found.x[0].tolist() == [1.0, float(wanted.argmax()), 2.0]
    assert abs(float(found.spread[0, 1]) - (1 - float(wanted.max()))) < 0.03


def test_contributions_are_exact_at_the_end_and_near_at_the_beginning():
    """log p(x_d | x_-d): nothing behind the last cell, so all weights are equal; of the first, 8,000 samples are
    within 0.1 nats, five standard errors of weights that vary as much as their mean."""
    rows = ROWS[[0, 9, 17]]
    found = contributions(model(), rows, samples=8_000)
    for row, each in zip(rows.tolist(), found, strict=True):
        for d in range(3):
            exact = float(law([v if e != d else math.nan for e, v in enumerate(row)], d)[int(row[d])].log())
            assert abs(float(each[d]) - exact) < (1e-9 if d == ORDER[-1] else 0.1)


def test_rows_of_the_model_are_calibrated():
    """u of 2,000 rows drawn from the model itself is uniform in every cell, given the cells before it: the distance is
    below what chance exceeds in one of 1,000 such cells. Were each cell held against its law without the others, it
    would be far above, as the cells are nearly one.
    """
    cells = [Field(f"f{i}", "real", likelihood="normal") for i in range(3)]
    decoder = Autoregressive(1, cells, ORDER, (4,))
    rank_of = torch.tensor([3, 1, 2])
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.zero_()
        (head,) = decoder.head.heads.values()
        head.scale.raw.fill_(-1.0)
        direct = [(decoder.trunk.degrees == r).nonzero().flatten()[-1] for r in (1, 2)]
        for d in (2, 0):
            head.linear.weight[d, direct[rank_of[d] - 2]] = 3.0
    of_reals = VAE(PriorAgain(), Blind(decoder, False), StandardNormal(1)).double().eval()
    x = of_reals.sample(2000)
    found = calibrate(of_reals, x)
    assert (x.T.corrcoef()[0, 1:] > 0.9).all()
    assert (found.distance < found.critical).all()
    assert ((found.dispersion - 1).abs() < 5 * found.dispersion_se).all()
