"""p(x_a | x_g) of any model: against the Schur complement of a Gaussian and integrals over z of a table."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from contracts.imputation import (
    NAN,
    ORACLE,
    TABLE_ROWS,
    OnLine,
    conditional,
    conditional_model,
    gaussian,
    joint,
    store,
    table,
    with_holes,
)
from velbo import VAE, LinearGaussian
from velbo.errors import ConfigError, DataError
from velbo.evaluation import cell_law, draw_given
from velbo.likelihoods import MixedCells
from velbo.likelihoods.masked_cells import CellsAndMask
from velbo.priors import StandardNormal

VALUES = torch.linspace(-2, 3, 7).double()


class Blind(nn.Module):
    """A q that knows nothing of x, and is narrower than the prior."""

    def forward(self, x: Tensor) -> Distribution:
        return Independent(Normal(x.new_zeros(*x.shape[:-1], 2) + 0.5, 0.6), 1)


def blind() -> VAE:
    vae = ORACLE.vae()
    return VAE(Blind(), vae.decoder, vae.prior)


def law_of_gaussian(oracle: LinearGaussian, row: Tensor, cell: int) -> Normal:
    """p(x_d | the other observed cells)."""
    hidden = row.clone()
    hidden[cell] = NAN
    mean, covariance = conditional(oracle, hidden)
    at = int(hidden.isnan()[:cell].sum())
    return Normal(mean[at], covariance[at, at].sqrt())


def test_the_density_of_a_cell_of_a_gaussian_is_exact_for_any_cells_given():
    """One latent and a flat q: sums over z are integrals, exact to rounding, for every pattern of observed cells."""
    oracle = LinearGaussian.random(5, 1, seed=4)
    x = with_holes(12, oracle)
    model = VAE(OnLine(), oracle.vae().decoder, oracle.vae().prior)
    for cell in range(5):
        found = cell_law(model, store(x), cell, VALUES, 100, share=0)
        for i, row in enumerate(x):
            exact = law_of_gaussian(oracle, row, cell)
            torch.testing.assert_close(found.log_p[i], exact.log_prob(VALUES), rtol=0, atol=1e-9)
            assert float(found.mean[i]) == pytest.approx(float(exact.mean), abs=1e-9)
            assert float(found.spread[i]) == pytest.approx(float(exact.stddev), abs=1e-9)


@torch.no_grad()
def test_masses_of_codes_are_exact_for_any_cells_given():
    """Codes of 3, 2 and 2 categories and three levels, by an integral of 4,001 steps; their mass is 1."""
    model, x = table(), TABLE_ROWS
    for cell, values in ((1, [0.0, 1, 2]), (4, [0.0, 1]), (2, [0.0, 1]), (5, [0, 0.5, 1])):
        found = cell_law(model, store(x), cell, torch.tensor(values).double(), 100, share=0)
        each = []
        for value in values:
            row = x.clone()
            row[:, cell] = value
            each.append(joint(model.decoder, row)[1].logsumexp(0))
        exact = torch.stack(each, -1).log_softmax(-1)
        torch.testing.assert_close(found.log_p, exact, rtol=0, atol=1e-8)
        torch.testing.assert_close(found.log_p.exp().sum(-1), torch.ones(4).double())
        assert found.mean.isnan().all()


def test_masses_sum_to_1_for_three_samples_of_a_wrong_q():
    found = cell_law(table_of(Blind1()), store(TABLE_ROWS), 1, torch.arange(3.0).double(), 3)
    torch.testing.assert_close(found.log_p.exp().sum(-1), torch.ones(4).double(), rtol=0, atol=1e-12)


class Blind1(nn.Module):
    def forward(self, x: Tensor) -> Distribution:
        return Independent(Normal(x.new_zeros(*x.shape[:-1], 1) + 2, 0.3), 1)


def table_of(encoder: nn.Module) -> VAE:
    return VAE(encoder, table().decoder, StandardNormal(1).double())


@pytest.mark.parametrize("model", [blind(), gaussian(shift=0.6, wider=0.8, family=MultivariateNormal)])
def test_the_prior_among_the_draws_mends_a_q_that_is_off(model):
    """20,000 draws, 6 rows: means within 5 standard errors of importance sampling, spread / sqrt(ESS) each (6 means
    for 2 models: false alarm 7e-6 over seeds); the effective sample size is above 100 of rows with one given cell.
    """
    x = with_holes()
    found = cell_law(model, store(x), 1, VALUES, 20_000)
    for i, row in enumerate(x):
        exact = law_of_gaussian(ORACLE, row, 1)
        error = exact.stddev / found.effective_samples[i].sqrt()
        assert abs(found.mean[i] - exact.mean) < 5 * error
    assert (found.effective_samples > 100).all()
    assert float(found.effective_samples[3]) > 5_000  # nothing is given: half of the draws are exact


def test_a_row_has_the_same_law_in_any_company():
    """Another order, other rows and other chunks: equal to rounding."""
    model, x = gaussian(shift=0.1, family=MultivariateNormal), with_holes(12)
    found = cell_law(model, store(x), 2, VALUES, 50)
    order = torch.arange(11, -1, -2)
    some = cell_law(model, store(x[order]), 2, VALUES, 50)
    torch.testing.assert_close(some.log_p, found.log_p[order], rtol=0, atol=1e-12)
    torch.testing.assert_close(some.effective_samples, found.effective_samples[order], rtol=1e-10, atol=0)


@pytest.mark.parametrize("mean", [False, True])
def test_rows_given_some_cells_have_the_exact_law(mean):
    """4,000 draws of rows with 1, 2, 3 and 4 given cells, by a q that knows nothing: first moments within 5 standard
    errors (9 of them, false alarm 5e-6 over seeds); with ``mean`` those of the p(x|z) are the same and spread less.
    """
    x = with_holes()[[1, 2, 4, 5]]
    found = draw_given(blind(), store(x), 4_000, steps=30, mean=mean)
    assert torch.equal(found.x[:, ~x.isnan()], x[~x.isnan()].expand(4_000, -1))
    assert (found.effective_samples >= 20).all()
    for i, row in enumerate(x):
        exact, covariance = conditional(ORACLE, row)
        draws = found.x[:, i, row.isnan()]
        # the chains begin at draws of which few are different: what they are worth is what K is
        error = (covariance.diagonal() / min(4_000, float(found.effective_samples[i]))).sqrt()
        assert ((draws.mean(0) - exact).abs() < 5 * error).all()
        spread = draws.var(0) / covariance.diagonal()
        assert ((spread < 0.99) if mean else ((spread - 1).abs() < 0.25)).all()


def test_what_is_too_rare_to_draw_is_refused_in_a_sentence():
    """A cell 40 standard deviations away: no draw of the prior or of a blind q comes near. An exact q carries it."""
    x = torch.full((2, 5), NAN).double()
    x[1, 0] = ORACLE.bias[0] + 40 * ORACLE.sigma
    x[1, 1] = ORACLE.bias[1] - 40 * ORACLE.sigma
    with pytest.raises(DataError, match=r"^row 1: 64,000 draws are worth 1\.\d of rows .* Give fewer fields"):
        draw_given(blind(), store(x), 3, steps=0)
    exact = draw_given(gaussian(family=MultivariateNormal), store(x), 3, steps=0)
    assert exact.samples == 1000
    assert (exact.effective_samples > 400).all()


def test_weights_that_rounding_makes_equal_carry_nothing():
    """In float32 log p of a cell 1e6 standard deviations away is a multiple of 32,768 nats: the weights of many draws
    are equal, and worth nothing.
    """
    x = torch.full((1, 5), NAN)
    x[0, 0] = 1e6
    with pytest.raises(DataError, match=r"worth 1\.0 of rows"):
        draw_given(blind().float(), store(x), 3, steps=0)


class Masked(nn.Module):
    """Cells of the first oracle with a mask: the greater, the more often missing."""

    def __init__(self, decoder: nn.Module, mask: bool) -> None:
        super().__init__()
        self.decoder, self.mask = decoder, mask

    def forward(self, z: Tensor) -> Distribution:
        p = self.decoder(z)
        if not self.mask:
            return p
        return MixedCells([(torch.arange(5), CellsAndMask(p.cell, lambda x: 3 * x, 33))], 5)


def test_a_mask_is_not_asked():
    """The law of a cell, and draws, are those of the model without its mask: what is not given is not known."""
    oracle, values = LinearGaussian.random(5, 1, seed=4), VALUES
    x, vae = with_holes(6, oracle), oracle.vae()
    plain, masked = (VAE(OnLine(), Masked(vae.decoder, mask), vae.prior) for mask in (False, True))
    a, b = (cell_law(m, store(x), 0, values, 50, share=0).log_p for m in (plain, masked))
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    blind = [VAE(Blind1(), m.decoder, m.prior) for m in (plain, masked)]
    torch.testing.assert_close(*(draw_given(m, store(x), 2, steps=2).x for m in blind), rtol=0, atol=1e-12)


def test_what_is_given_to_a_conditional_model_has_no_law():
    model = conditional_model(OnLine())
    x = torch.tensor([[0.5, NAN, 1.0]]).double()
    with pytest.raises(ConfigError, match="cell 0 has no likelihood"):
        cell_law(model, store(x), 0, VALUES)
    found = cell_law(model, store(x), 1, VALUES, 200, share=0)
    # z given c = 1/2 and x_2 = 2 z - c + e = 1: z ~ N(3/5, 1/5), x_1 = z + c + e
    exact = Normal(torch.tensor(1.1, dtype=torch.float64), math.sqrt(1.2))
    torch.testing.assert_close(found.log_p[0], exact.log_prob(VALUES), rtol=0, atol=1e-9)


def test_no_rows_and_wrong_numbers():
    x = torch.empty(0, 5).double()
    assert cell_law(gaussian(), store(x), 0, VALUES).log_p.shape == (0, 7)
    assert draw_given(gaussian(), store(x), 2).x.shape == (2, 0, 5)
    with pytest.raises(ConfigError, match="samples must be at least 1"):
        cell_law(gaussian(), store(x), 0, VALUES, 0)
    with pytest.raises(ConfigError, match="n must be at least 1"):
        draw_given(gaussian(), store(x), 0)
