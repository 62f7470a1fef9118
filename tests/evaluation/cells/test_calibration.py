"""Probability-integral transforms against exact distribution functions; verdicts on models that fit and do not."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import kstest
from torch import Tensor, nn
from torch.distributions import Distribution

from velbo import VAE, LinearGaussian
from velbo.evaluation import calibrate
from velbo.evaluation.cells.distribution_functions import below_and_at
from velbo.likelihoods import Bernoulli, Categorical, DiscretizedLogistic, Normal, PredictedScale
from velbo.likelihoods.beta import BetaCell
from velbo.likelihoods.coded import CodesCell
from velbo.likelihoods.gamma import GammaCell
from velbo.likelihoods.integers import IntegerCell
from velbo.likelihoods.log_normal import LogNormalCell
from velbo.likelihoods.logit_normal import LogitNormalCell
from velbo.likelihoods.mixture import NormalMixtureCell
from velbo.likelihoods.negative_binomial import NegativeBinomialCell, ZeroInflatedCell
from velbo.likelihoods.poisson import PoissonCell
from velbo.likelihoods.student_t import StudentTCell
from velbo.posteriors import DiagonalNormal, RowDraw
from velbo.priors import StandardNormal
from velbo.rows import Store

ORACLE = LinearGaussian.random(6, 2, seed=1, orthogonal=True)


@pytest.mark.parametrize(
    ("head", "values"),
    [
        (Bernoulli(3, 2), torch.tensor([0.0, 1.0])),
        (Categorical(3, 2, 5, 0.25), torch.arange(5).double() / 4),
        (DiscretizedLogistic(3, 2, 16, 3), torch.arange(16).double() / 15),
    ],
    ids=["bernoulli", "categorical", "discretized-logistic"],
)
def test_what_lies_below_and_at_a_value_is_the_sum_of_masses(head, values):
    """Against exp(log_prob) added up over every value."""
    cell = head.double()(torch.randn(7, 3, dtype=torch.float64)).cell
    total = torch.zeros(7, 2, dtype=torch.float64)
    for value in values.double():
        below, at = below_and_at(cell, value.expand(7, 2))
        mass = cell.log_prob(value.expand(7, 2)).exp()
        torch.testing.assert_close(below, total, atol=1e-12, rtol=0)
        torch.testing.assert_close(at, mass, atol=1e-12, rtol=0)
        total = total + mass


def test_moments_of_discretised_logistics_are_sums_over_levels():
    cell = DiscretizedLogistic(3, 2, 16, 3).double()(torch.randn(7, 3, dtype=torch.float64)).cell
    levels = (torch.arange(16).double() / 15)[:, None, None].expand(-1, 7, 2)
    mass = cell.log_prob(levels).exp()
    mean = (mass * levels).sum(0)
    torch.testing.assert_close(cell.mean, mean)
    torch.testing.assert_close(cell.variance, (mass * levels**2).sum(0) - mean**2)


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
        "categorical": (Categorical(2, 4, 3, 0.5), 3),
        "logistic": (DiscretizedLogistic(2, 4, 8, 2), 8),
        "normal": (Normal(2, 4, PredictedScale(2, 4)), 3),
    }
    for name, (head, levels) in heads.items():
        x = torch.randint(0, levels, (40, 4)).float() / (levels - 1)
        model = VAE(nn.Sequential(DiagonalNormal(4, 2)), nn.Sequential(head), StandardNormal(2))
        found = calibrate(model, Store.from_tensor(x))
        assert found.distance.isfinite().all(), name
        assert found.dispersion.isnan().all() == (name == "categorical"), name


def cells_of_tables() -> list[tuple[Distribution, Tensor]]:
    """A cell of each sort with parameters that vary, and points of its support."""
    g = torch.Generator().manual_seed(1)

    def u(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=g, dtype=torch.float64)

    log_pi = u(7, 3).log_softmax(-1)
    whole = torch.arange(7).double()
    low, step = torch.zeros(7, 1).double() - 1, torch.full((7, 1), 0.25).double()
    return [
        (StudentTCell(2.5 + 9 * u(7), u(7), 0.5 + u(7)), 4 * u(7) - 2),
        (NormalMixtureCell(log_pi, 3 * u(7, 3), 0.5 + u(7, 3)), 4 * u(7) - 1),
        (LogNormalCell(u(7), 0.5 + u(7)), 3 * u(7)),
        (GammaCell(u(7), 0.5 + 3 * u(7)), 3 * u(7)),
        (BetaCell(u(7), 1 + 9 * u(7)), u(7)),
        (LogitNormalCell(u(7), 0.5 + u(7)), u(7)),
        (PoissonCell(2 * u(7)), whole),
        (NegativeBinomialCell(2 * u(7), u(7)), whole),
        (ZeroInflatedCell(2 * u(7), u(7), u(7)), whole),
        (IntegerCell(log_pi, 2 * u(7, 3) - 1, 0.1 + 0.3 * u(7, 3), low, step), -1 + 0.25 * whole),
        (CodesCell(u(7, 7).log_softmax(-1)), whole),
    ]


@pytest.mark.parametrize("i", range(11), ids=[type(c).__name__ for c, _ in cells_of_tables()])
def test_every_cell_of_a_table_has_the_distribution_function_of_its_log_prob(i):
    """Of densities the derivative of F is p, by central differences; of masses F grows by p from point to point."""
    cell, x = cells_of_tables()[i]
    below, at = below_and_at(cell, x)
    if (at == 0).all():
        h = 1e-5
        slope = (below_and_at(cell, x + h)[0] - below_and_at(cell, x - h)[0]) / (2 * h)
        torch.testing.assert_close(slope, cell.log_prob(x).exp(), rtol=1e-6, atol=1e-8)
        return
    torch.testing.assert_close(at, cell.log_prob(x).exp())
    step = 0.25 if isinstance(cell, IntegerCell) else 1.0
    following = below_and_at(cell, (x + step).clamp_max(6))[0]
    inside = x + step <= 6
    torch.testing.assert_close((below + at)[inside], following[inside])
