"""Probability-integral transforms against exact distribution functions; verdicts on models that fit and do not."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import kstest
from torch import Tensor, nn

from velbo import VAE, LinearGaussian
from velbo.evaluation import calibrate
from velbo.likelihoods import Bernoulli, Categorical, DiscretizedLogistic, Normal, PredictedScale
from velbo.posteriors import DiagonalNormal, RowDraw
from velbo.priors import StandardNormal
from velbo.rows import Store

ORACLE = LinearGaussian.random(6, 2, seed=1, orthogonal=True)


def test_the_distance_is_kolmogorovs_and_missing_cells_are_left_out():
    """Against scipy, on u recomputed by hand from the same draw of z."""
    x = ORACLE.sample(200)
    x[:50, 2] = math.nan
    model = Holes(ORACLE.vae())
    found = calibrate(model, Store.from_tensor(x))
    z = RowDraw(x, 0).sample(model.encode(x), 1)[0]
    p = model.decode(z).cell
    for d in range(6):
        u = p.cdf(torch.nan_to_num(x))[:, d][~x[:, d].isnan()]
        assert float(found.distance[d]) == pytest.approx(kstest(u.detach().numpy(), "uniform").statistic, abs=1e-12)
    seen = ~x[:, 2].isnan()
    expected = (x - p.mean)[seen, 2].square().mean() / ORACLE.sigma**2
    assert float(found.dispersion[2]) == pytest.approx(float(expected.detach()), abs=1e-9)
    x[:, 3] = math.nan
    nothing = calibrate(model, Store.from_tensor(x))
    assert math.isnan(nothing.distance[3])
    assert math.isnan(nothing.dispersion[3])


class Holes(VAE):
    """Its encoder sees zeros where cells are missing."""

    def __init__(self, vae: VAE) -> None:
        super().__init__(vae.encoder, vae.decoder, vae.prior)

    def encode(self, x: Tensor):
        return super().encode(torch.nan_to_num(x, nan=0.0))


def test_the_true_model_is_calibrated():
    """q is the true posterior, so (x, z) has the model's law: u is uniform, dispersion 1. 6 dimensions of 3,000 cells
    by the one-in-a-thousand limit; dispersion within 5 standard errors, sqrt(2 / 3000): false alarm 0.6 % over seeds.
    """
    found = calibrate(ORACLE.vae(), Store.from_tensor(ORACLE.sample(3000)))
    assert (found.distance < found.critical).all()
    assert ((found.dispersion - 1).abs() < 5 * math.sqrt(2 / 3000)).all()


def with_scale(scale: float) -> VAE:
    vae = ORACLE.vae()
    decoder = Normal(2, 6, scale).double()
    decoder.linear.load_state_dict(vae.decoder[0].linear.state_dict())  # type: ignore[index]
    return VAE(vae.encoder, nn.Sequential(decoder), vae.prior)


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_a_wrong_scale_is_its_square_in_the_dispersion(factor):
    """Within 5 standard errors of 3,000 cells; false alarm 4e-6 over seeds."""
    model = with_scale(float(ORACLE.sigma) * factor)
    found = calibrate(model, Store.from_tensor(ORACLE.sample(3000)))
    assert (found.distance > 2 * found.critical).all()
    torch.testing.assert_close(found.dispersion_se, found.dispersion * math.sqrt(2 / 3000), rtol=0.2, atol=0)
    torch.testing.assert_close(
        found.dispersion, torch.full((6,), factor**-2).double(), rtol=5 * math.sqrt(2 / 3000), atol=0
    )


def test_every_likelihood_can_be_calibrated():
    """Untrained: numbers, not NaN, whatever the cells are; names of categories have no dispersion."""
    heads = {
        "bernoulli": (Bernoulli(2, 4), 2),
        "categorical": (Categorical(2, [3] * 4, 0.5), 3),
        "logistic": (DiscretizedLogistic(2, 4, 8, 2), 8),
        "normal": (Normal(2, 4, PredictedScale(2, 4)), 3),
    }
    for name, (head, levels) in heads.items():
        x = torch.randint(0, levels, (40, 4)).float() / (levels - 1)
        model = VAE(nn.Sequential(DiagonalNormal(4, 2)), nn.Sequential(head), StandardNormal(2))
        found = calibrate(model, Store.from_tensor(x))
        assert found.distance.isfinite().all(), name
        assert found.dispersion.isnan().all() == (name == "categorical"), name
