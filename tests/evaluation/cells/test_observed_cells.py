"""Cells that are missing not at random: what was observed is held against p(x_d | z, observed), by calibration and by
contributions.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import Tensor, nn
from torch.distributions import Distribution, Independent
from torch.distributions import Normal as TorchNormal

from contracts.imputation import OnLine
from contracts.masks import INTERCEPT, SIGMA, SLOPE, masked_rows, self_masking_decoder
from velbo import VAE
from velbo.evaluation import calibrate, contributions
from velbo.priors import StandardNormal
from velbo.rows import Store


class TrueLatents(nn.Module):
    """The z that each row came from: an exact posterior sample; 0 for any other row."""

    def __init__(self, x: Tensor, z: Tensor) -> None:
        super().__init__()
        self.z = {row.numpy().tobytes(): float(latent) for row, latent in zip(x, z, strict=True)}

    def forward(self, x: Tensor) -> Distribution:
        z = torch.tensor([self.z.get(row.numpy().tobytes(), 0.0) for row in x], dtype=torch.float64)
        return Independent(TorchNormal(z[:, None], 1e-12), 1)


def test_the_true_model_of_masked_cells_is_calibrated():
    """3 columns of about 1,400 cells by the one-in-a-thousand limit, dispersion within 5 of its own standard errors:
    false alarm 0.3 % over seeds. Held against p(x_d | z), as observed cells must not be, the distance is 0.14.
    """
    x, z = masked_rows(3000)
    found = calibrate(VAE(TrueLatents(x, z), self_masking_decoder(), StandardNormal(1).double()), Store.from_tensor(x))
    assert (found.distance < found.critical).all()
    assert ((found.dispersion - 1).abs() < 5 * found.dispersion_se).all()
    u = stats.norm.cdf(x, z, SIGMA)
    wrong = stats.kstest(u[~np.isnan(u)], "uniform").statistic
    assert wrong > 2 * float(found.critical.max())


def test_a_wrong_mask_is_seen():
    x, z = masked_rows(3000)
    found = calibrate(
        VAE(TrueLatents(x, z), self_masking_decoder(0.0), StandardNormal(1).double()), Store.from_tensor(x)
    )
    assert (found.distance > 2 * found.critical).all()


def exact(row: np.ndarray, d: int) -> float:
    """log p(x_d | the rest, cell d is observed), by sums over z in numpy and scipy."""
    z = np.linspace(-7, 7, 4001)
    t, w = np.polynomial.hermite_e.hermegauss(120)
    lost = (special.expit(INTERCEPT + SLOPE * (z[:, None] + SIGMA * t)) * w).sum(1) / w.sum()
    log_p = stats.norm.logpdf(z)
    for e in range(len(row)):
        if e == d:
            continue
        if math.isnan(row[e]):
            log_p = log_p + np.log(lost)
        else:
            log_p = log_p + stats.norm.logpdf(row[e], z, SIGMA) + special.log_expit(-INTERCEPT - SLOPE * row[e])
    joint = log_p + stats.norm.logpdf(row[d], z, SIGMA) + special.log_expit(-INTERCEPT - SLOPE * row[d])
    return float(np.logaddexp.reduce(joint) - np.logaddexp.reduce(log_p + np.log1p(-lost)))


def test_contributions_are_of_observed_cells():
    """Against sums over z; and they are a law: exp of it integrates to 1 over the values of the cell."""
    model = VAE(OnLine(), self_masking_decoder(), StandardNormal(1).double())
    x = torch.tensor([[0.2, -0.4, math.nan], [-1.0, math.nan, math.nan], [-0.3, 0.5, 0.1]]).double()
    found = contributions(model, Store.from_tensor(x), 101)
    for i, d in (~x.isnan()).nonzero().tolist():
        assert float(found[i, d]) == pytest.approx(exact(x[i].numpy(), d), abs=1e-5)
    assert torch.equal(found.isnan(), x.isnan())
    values = torch.linspace(-6, 6, 241).double()
    rows = x[:1].repeat(len(values), 1)
    rows[:, 1] = values
    mass = contributions(model, Store.from_tensor(rows), 101)[:, 1].exp().sum() * 0.05
    assert float(mass) == pytest.approx(1, abs=1e-5)
