"""What importance weights say of themselves, against closed forms and in any chunking."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from velbo.evaluation import evaluate, score_rows
from velbo.evaluation.bounds.importance import StreamingWeights, pareto_shape, tail_length
from velbo.nets import inverse_softplus
from velbo.oracles.linear_gaussian import LinearGaussian
from velbo.posteriors.diagonal_normal import MIN_SCALE
from velbo.rows import Store


def quantiles(n: int) -> Tensor:
    """Midpoints of n equal shares of probability: a sample without noise."""
    return (torch.arange(n, dtype=torch.float64) + 0.5) / n


def stream(log_w: Tensor, *parts: int) -> StreamingWeights:
    weights = StreamingWeights(len(log_w))
    for part in log_w.split(list(parts) or [len(log_w)]):
        weights.add(part)
    return weights


def test_the_mean_streams():
    log_w = torch.randn(150, 3).double() * 300
    weights = stream(log_w, 7, 100, 43)
    torch.testing.assert_close(weights.log_mean, torch.logsumexp(log_w, 0) - math.log(150), rtol=1e-14, atol=1e-12)
    assert (stream(torch.full((3, 2), -math.inf)).log_mean == -math.inf).all()


def test_effective_samples():
    """Equal weights are worth all of them, one large one is worth one; (1 + 1 + 2)^2 / (1 + 1 + 4) between."""
    torch.testing.assert_close(stream(torch.full((8, 2), -700.0)).effective_samples, torch.full((2,), 8.0).double())
    one = torch.full((8, 1), -900.0)
    one[3] = 500
    torch.testing.assert_close(stream(one, 2, 6).effective_samples, torch.ones(1).double())
    mixed = torch.tensor([1.0, 1.0, 2.0]).double().log()[:, None]
    torch.testing.assert_close(stream(mixed).effective_samples, torch.tensor([16 / 6]).double())


def test_nothing_depends_on_the_chunks():
    log_w = 3 * torch.randn(400, 5).double()
    whole, parts = stream(log_w), stream(log_w, 1, 250, 9, 140)
    torch.testing.assert_close(parts.pareto_shape, whole.pareto_shape, rtol=1e-12, atol=0)
    torch.testing.assert_close(parts.effective_samples, whole.effective_samples, rtol=1e-12, atol=0)


@pytest.mark.parametrize("shape", [0.2, 0.5, 0.9])
def test_the_shape_of_a_pareto_distribution_is_found(shape):
    """At its quantiles, on any scale; the weak prior pulls by 10 (0.5 - shape) / (n + 10)."""
    x = ((1 - quantiles(2000)) ** -shape - 1) / shape
    found = pareto_shape(torch.stack((x, 1e-200 * x)))
    torch.testing.assert_close(found, torch.full((2,), shape).double(), atol=0.02, rtol=0)


@pytest.mark.parametrize("narrower", [0.3, 0.5, 0.8])
def test_the_tail_of_normal_weights(narrower):
    """q = N(0, r^2), p = N(0, 1), r^2 = ``narrower``: the shape is 1 - r^2, reached from below as samples grow."""
    q = Normal(torch.tensor(0.0).double(), narrower**0.5)
    z = q.icdf(quantiles(400_000))
    log_w = (Normal(0.0, 1.0).log_prob(z) - q.log_prob(z))[:, None]
    assert float(stream(log_w).pareto_shape) == pytest.approx(1 - narrower, abs=0.12)


def test_a_tail_needs_samples():
    assert [tail_length(k) for k in (20, 225, 10_000)] == [4, 45, 300]
    assert stream(torch.randn(20, 2)).pareto_shape.isnan().all()
    assert stream(torch.randn(40, 2)).pareto_shape.isfinite().all()
    assert (stream(torch.zeros(40, 2)).pareto_shape == -math.inf).all()


def test_a_posterior_that_is_exact_needs_one_sample_and_a_narrow_one_is_told():
    """With q the true posterior all weights are equal; with a quarter of its scale no number of samples is enough."""
    oracle = LinearGaussian.random(6, 2, seed=0, orthogonal=True)
    x = Store.from_tensor(oracle.sample(40, seed=1))
    exact = score_rows(oracle.vae(), x, 50)
    torch.testing.assert_close(exact.effective_samples, torch.full((40,), 50.0).double(), rtol=1e-6, atol=0)
    assert evaluate(oracle.vae(), x, 50).unreliable == 0
    narrow = oracle.vae()
    layer = narrow.encoder[0].linear  # type: ignore[index]
    with torch.no_grad():
        scale = torch.nn.functional.softplus(layer.bias[2:]) + MIN_SCALE
        layer.bias[2:] = torch.tensor([inverse_softplus(float(s) / 4) for s in scale])
    assert evaluate(narrow, x, 500).unreliable > 0.5
    assert math.isnan(evaluate(narrow, x, 10).unreliable)
