"""log p of a cell given the rest of its row, against closed forms of a Gaussian and integrals over z."""

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
from velbo.evaluation import contributions


def exact(oracle: LinearGaussian, x: Tensor) -> Tensor:
    """log p(x_d | the other observed cells) by the Schur complement, cell by cell; NaN where missing."""
    found = torch.full_like(x, NAN)
    for i, d in (~x.isnan()).nonzero().tolist():
        rest = x[i].clone()
        rest[d] = NAN
        mean, covariance = conditional(oracle, rest)
        at = int(rest.isnan()[:d].sum())
        found[i, d] = Normal(mean[at], covariance[at, at].sqrt()).log_prob(x[i, d])
    return found


def test_cells_of_a_gaussian_have_their_exact_conditional_density():
    """One latent and a flat q: the weighted sums are integrals over z, exact to rounding, for every pattern of holes.
    The row with one observed cell gets log p(x_d), the row without any nothing.
    """
    oracle = LinearGaussian.random(5, 1, seed=4)
    x = with_holes(12, oracle)
    x[0, 2] += 4  # an odd cell
    found = contributions(VAE(OnLine(), oracle.vae().decoder, oracle.vae().prior), store(x), 100)
    torch.testing.assert_close(found, exact(oracle, x), rtol=0, atol=1e-9, equal_nan=True)
    assert int(found[0].argmin()) == 2
    single = Normal(oracle.bias[3], (oracle.weight[3].square().sum() + oracle.sigma**2).sqrt()).log_prob(x[4, 3])
    assert float(found[4, 3]) == pytest.approx(float(single), abs=1e-9)
    assert found[3].isnan().all()


@torch.no_grad()
def test_cells_of_every_sort_have_their_exact_conditional_mass():
    """log p(x) - log p(x without d), both by an integral of 4,001 steps."""
    x, model = TABLE_ROWS, table()
    found = contributions(model, store(x), 100)
    whole = joint(model.decoder, x)[1].logsumexp(0)
    for d in range(6):
        rest = x.clone()
        rest[:, d] = NAN
        expected = whole - joint(model.decoder, rest)[1].logsumexp(0)
        expected = expected.masked_fill(x[:, d].isnan(), NAN)
        torch.testing.assert_close(found[:, d], expected, rtol=0, atol=1e-9, equal_nan=True)


class Noisy(nn.Module):
    """A q that is wrong and sees the cells that it is shown."""

    def forward(self, x: Tensor) -> Distribution:
        return Independent(Normal(torch.nan_to_num(x).sum(-1, keepdim=True) * 0.3, 0.8), 1)


@torch.no_grad()
def test_the_estimate_is_a_law_of_the_cell_whatever_the_samples():
    """With 3 samples of a wrong q the masses of a cell's codes add up to 1, exactly: z knows nothing of the cell."""
    model = table()
    model.encoder = Noisy()
    base = torch.tensor([0.5, 2.0, 1.0, -0.3, 0.0, 0.5]).double()
    for d, codes in ((1, [0, 1, 2]), (2, [0, 1]), (4, [0, 1]), (5, [0, 0.5, 1])):
        x = base.repeat(len(codes), 1)
        x[:, d] = torch.tensor(codes)
        total = contributions(model, store(x), 3)[:, d].exp().sum()
        assert float(total) == pytest.approx(1, abs=1e-12)
    others = contributions(model, store(x), 3)[:, 0]
    assert others.unique().numel() == 3  # the rest of the row does matter


def test_the_bias_is_negative_and_falls_as_the_samples():
    """q is exact given the rest: only the mean of p(x_d|z) is noisy, its logarithm too low by about 1/2 CV^2 / K, so 4
    times the samples leave a quarter of it to first order. Over 2,000 rows they are 16 and 9 standard errors below 0
    and are tested by 8 and 4; the ratio is near 4.6 with a standard error of 0.6; false alarm 1e-4 over seeds.
    """
    x, model = ORACLE.sample(2000), gaussian(family=MultivariateNormal)
    precision = torch.linalg.inv(ORACLE.weight @ ORACLE.weight.T + ORACLE.sigma**2 * torch.eye(5).double())
    variance = 1 / precision.diagonal()
    truth = Normal(x - (x - ORACLE.bias) @ precision * variance, variance.sqrt()).log_prob(x)
    torch.testing.assert_close(truth[:2], exact(ORACLE, x[:2]))
    errors = [(contributions(model, store(x), k) - truth).mean(-1) for k in (4, 16)]
    few, many = (float(e.mean()) for e in errors)
    assert few < -8 * float(errors[0].std()) / math.sqrt(2000)
    assert many < -4 * float(errors[1].std()) / math.sqrt(2000)
    assert 2.3 < few / many < 8


def test_neither_order_nor_neighbours_nor_chunks_matter(monkeypatch):
    x, model = with_holes(8), gaussian(shift=0.3, wider=1.2, family=MultivariateNormal)
    whole = contributions(model, store(x), 130)
    order = torch.randperm(8)
    pairs = [
        (contributions(model, store(x[order]), 130), whole[order]),
        (contributions(model, store(x[2:3]), 130), whole[2:3]),
    ]
    monkeypatch.setattr("velbo.evaluation.bounds.chunks.CELLS_PER_CHUNK", 2000)
    pairs.append((contributions(model, store(x), 130), whole))
    for found, expected in pairs:
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-9, equal_nan=True)
    assert torch.equal(whole.isnan(), x.isnan())
    assert not torch.allclose(contributions(model, store(x), 130, seed=1), whole, atol=1e-6, equal_nan=True)


def test_what_is_given_has_no_contribution():
    """p(x_1 | x_2, c) and p(x_2 | x_1, c) in closed form, NaN for c, which counts in both."""
    x = torch.tensor([[0.5, 1.0, 2.0], [-2.0, 1.0, 2.0], [NAN, 1.0, 2.0], [0.5, 1.0, NAN]]).double()
    found = contributions(conditional_model(OnLine()), store(x), 100)
    assert found[:, 0].isnan().all()
    c = torch.nan_to_num(x[:3, 0])
    # z | x_2 ~ N(2 (x_2 + c) / 5, 1 / 5) and z | x_1 ~ N((x_1 - c) / 2, 1 / 2)
    first = Normal(2 * (2 + c) / 5 + c, math.sqrt(1 / 5 + 1)).log_prob(x[:3, 1])
    second = Normal((1 - c) - c, math.sqrt(4 / 2 + 1)).log_prob(x[:3, 2])
    torch.testing.assert_close(found[:3, 1], first, rtol=0, atol=1e-9)
    torch.testing.assert_close(found[:3, 2], second, rtol=0, atol=1e-9)
    assert float(found[3, 1]) == pytest.approx(float(Normal(0.5, math.sqrt(2)).log_prob(torch.tensor(1.0))), abs=1e-6)
    assert found[3, 2].isnan()


def test_empty_data_and_what_cannot_be_told():
    assert contributions(gaussian(), store(torch.empty(0, 5).double()), 3).shape == (0, 5)
    assert contributions(gaussian(), store(torch.full((2, 5), NAN).double()), 3).isnan().all()
    with pytest.raises(ConfigError, match="at least 1"):
        contributions(gaussian(), store(with_holes()), 0)
    with pytest.raises(DataError, match=r"row 0: .*FillMissing\(mask=True\)"):
        contributions(ORACLE.vae(), store(ORACLE.sample(2)), 3)
