"""Gaps and curves where log p(x), the best q and its ELBO are known exactly."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from velbo import VAE, Annealing, LinearGaussian
from velbo.build.parts import POSTERIORS
from velbo.errors import ConfigError
from velbo.evaluation import Ascent, bound_curve, gaps, rate_distortion, score_rows
from velbo.evaluation.bounds.curve import scores_and_curve
from velbo.posteriors import DiagonalNormal, FullNormal, SemiAmortised
from velbo.rows import Store

ORACLE = LinearGaussian.random(5, 2, seed=7)


def displaced(oracle: LinearGaussian, by: float = 0.2) -> VAE:
    vae = oracle.vae()
    with torch.no_grad():
        for p in vae.encoder.parameters():
            p += by * torch.randn(p.shape, generator=torch.Generator().manual_seed(1), dtype=p.dtype)
    return vae


def test_gaps_of_a_displaced_encoder_are_the_exact_ones():
    """Best diagonal q: the ascent reaches its exact ELBO to 0.01 nats, row by row on the mean of the same noise; both
    gaps within 5 standard errors of exact ones over 100 rows (false alarm 1e-6 over seeds).
    """
    x, vae = ORACLE.sample(100), displaced(ORACLE)
    with torch.no_grad():
        q = vae.encode(x)
    best = ORACLE.elbo(x, *ORACLE.best_diagonal(x))
    amortised = ORACLE.elbo(x, q.mean, q.stddev)
    found = gaps(vae, Store.from_tensor(x), samples=400, ascent=Ascent(400, 0.03, 8))
    for estimate, exact in (
        (found.approximation, ORACLE.log_px(x) - best),
        (found.amortisation, best - amortised),
        (found.bound, amortised),
    ):
        error = estimate - exact
        assert abs(float(error.mean())) < 5 * float(error.std()) / 10 + 0.01
    assert float((best - amortised).mean()) > 0.5
    assert float(best.mean() - ORACLE.log_px(x).mean()) < -0.1


def test_another_seed_shares_no_noise_with_this_one():
    """Of one sample, with a q that is left where it is, the ELBO of a row is log w of one z: seeds 0, 1 and 2 give
    three, none of which is the one that `score_rows` draws with any of these seeds.
    """
    x, vae = Store.from_tensor(ORACLE.sample(5)), displaced(ORACLE)
    still = Ascent(1, 1e-30, 1)
    found = [gaps(vae, x, samples=1, ascent=still, seed=seed).bound for seed in range(3)]
    found += [score_rows(vae, x, samples=1, seed=seed).log_likelihood for seed in range(4)]
    for i, a in enumerate(found):
        assert all(bool(((a - b).abs() > 1e-6).all()) for b in found[:i])
    assert torch.equal(found[0], gaps(vae, x, samples=1, ascent=still).bound)


def test_a_richer_family_has_no_approximation_gap():
    """A full covariance holds the true posterior: q* is exact, log p - ELBO(q*) vanishes to 0.01 nats a row."""
    x, plain = ORACLE.sample(20), ORACLE.vae()
    torch.manual_seed(0)
    vae = VAE(nn.Sequential(FullNormal(5, 2).double()), plain.decoder, plain.prior)
    found = gaps(vae, Store.from_tensor(x), samples=50, ascent=Ascent(600, 0.05, 8))
    assert float(found.approximation.abs().mean()) < 0.01
    torch.testing.assert_close(found.log_likelihood, ORACLE.log_px(x), atol=0.02, rtol=0)
    record = found.to_json()
    assert record["rows"] == 20
    assert record["approximation"] + record["amortisation"] == pytest.approx(
        record["log_likelihood"] - record["bound"], abs=1e-9
    )


@pytest.mark.parametrize("name", ["mixture", "iaf", "refined"])
def test_every_family_can_be_taken_apart(name):
    """q* is at least as good as the encoder's q, and neither bound passes log p(x) by more than 5 standard errors of
    20 rows: false alarm below 1e-5. Refinement leaves less to the ascent.
    """
    plain, x = displaced(ORACLE), ORACLE.sample(20)
    if name == "refined":
        encoder: nn.Module = SemiAmortised(plain.encoder, plain.decoder, plain.prior, 5)
    else:
        torch.manual_seed(0)
        encoder = nn.Sequential(POSTERIORS[name](5, 2).double())
    found = gaps(VAE(encoder, plain.decoder, plain.prior), Store.from_tensor(x), 50, Ascent(60, 0.1, 4))
    assert float(found.amortisation.mean()) > -0.05
    for bound in (found.bound, found.best_bound, found.log_likelihood):
        above = bound - ORACLE.log_px(x)
        assert float(above.mean()) < 5 * float(above.std()) / math.sqrt(20) + 0.05
    if name == "refined":
        assert found.amortisation.mean() < 0.6 * gaps(plain, Store.from_tensor(x), 50, Ascent(60)).amortisation.mean()


def test_the_best_estimate_of_log_p_is_taken():
    """An encoder so narrow and so far off that its weights say nothing: annealing says log p(x), and is taken."""
    x, vae = ORACLE.sample(10), displaced(ORACLE, 1.5)
    assert isinstance(vae.encoder[0], DiagonalNormal)
    with torch.no_grad():
        vae.encoder[0].linear.bias[2:] -= 4
    data, few = Store.from_tensor(x), Ascent(1, 1e-9, 1)
    without, taken = gaps(vae, data, 20, few), gaps(vae, data, 20, few, Annealing(200, 8, 5))
    exact = ORACLE.log_px(x)
    assert float((exact - without.log_likelihood).mean()) > 3
    assert abs(float((exact - taken.log_likelihood).mean())) < 0.5
    torch.testing.assert_close(without.bound, taken.bound)


def test_gaps_refuse_what_they_cannot_do():
    class Whole(nn.Module):
        def forward(self, x):
            return ORACLE.vae().encode(x)

    vae = VAE(Whole(), ORACLE.vae().decoder, ORACLE.vae().prior)
    with pytest.raises(ConfigError, match=r"velbo\.posteriors\.Posterior"):
        gaps(vae, Store.from_tensor(ORACLE.sample(2)))
    with pytest.raises(ConfigError, match="at least 1 step"):
        Ascent(steps=0)


def test_one_row_has_gaps_and_no_standard_error():
    record = gaps(ORACLE.vae(), Store.from_tensor(ORACLE.sample(1)), 3, Ascent(2)).to_json()
    assert record["bound_se"] is None
    assert math.isfinite(record["bound"])


# curves


def test_the_curve_is_made_of_the_same_weights_as_the_bound():
    """Its ends are known: K = 1 is the mean of all log-weights, K = n the bound of n samples; it rises in between,
    whatever the row, for averaging groups first can only lower a logarithm of a mean.
    """
    vae, data = displaced(ORACLE), Store.from_tensor(ORACLE.sample(30))
    curve = bound_curve(vae, data, 64)
    assert curve.samples == (1, 2, 4, 8, 16, 32, 64)
    torch.testing.assert_close(curve.bounds[-1], score_rows(vae, data, 64).log_likelihood)
    assert (curve.bounds.diff(dim=0) >= -1e-12).all()
    assert curve.means.shape == curve.standard_errors.shape == (7,)
    with pytest.raises(ConfigError, match="power of two above 1, not 100"):
        bound_curve(vae, data, 100)


def test_scores_and_curve_of_one_pass_are_those_of_two():
    """Bit for bit, in several chunks of rows."""
    vae, x = LinearGaussian.random(5, 2, seed=1).vae(), LinearGaussian.random(5, 2, seed=1).sample(3000)
    data = Store.from_tensor(x)
    scores, curve = scores_and_curve(vae, data, 512, seed=3)
    again, expected = score_rows(vae, data, 512, seed=3), bound_curve(vae, data, 512, seed=3)
    assert torch.equal(scores.log_likelihood, again.log_likelihood)
    assert torch.equal(scores.pareto_shape, again.pareto_shape)
    assert curve.samples == expected.samples
    assert torch.equal(curve.bounds, expected.bounds)


def test_the_curve_is_flat_where_q_is_the_posterior():
    oracle = LinearGaussian.random(5, 2, seed=3, orthogonal=True)
    x = oracle.sample(7)
    curve = bound_curve(oracle.vae(), Store.from_tensor(x), 16)
    torch.testing.assert_close(curve.bounds, oracle.log_px(x).expand(5, -1), atol=1e-9, rtol=0)


# rate and distortion


def test_the_encoders_point_lies_above_the_curve():
    """At b = 1 the curve's R + D is -log p(x) from above, at b = 0 its rate is 0; the displaced encoder's R + D, its
    -ELBO, is above both. 5 standard errors of 40 rows: false alarm 3e-7 over seeds.
    """
    x, vae = ORACLE.sample(40), displaced(ORACLE)
    curve = rate_distortion(vae, Store.from_tensor(x), Annealing(200, 4, 5), samples=200)
    exact = -float(ORACLE.log_px(x).mean())
    margin = 5 * 0.3 / math.sqrt(40)
    assert float(curve.rates[0]) == pytest.approx(0, abs=1e-12)
    end = float(curve.rates[-1] + curve.distortions[-1])
    assert exact - margin < end < exact + 0.5
    assert sum(curve.encoder) > end
    assert (curve.rates[::50].diff() > 0).all()
