"""The trimmed bound against its definition, and against data that never held the anomalous rows."""

from __future__ import annotations

import pytest
import torch

from contracts.objectives import bound_of, displaced, gradient_of, terms_of
from velbo.errors import ConfigError
from velbo.objectives import ELBO, IWAE, Trimmed
from velbo.oracles.linear_gaussian import LinearGaussian


@pytest.fixture
def oracle():
    return LinearGaussian.random(5, 2, seed=4)


def test_the_surrogate_is_the_mean_over_the_rows_that_fit_best():
    """Bounds 0, -4, -1, -9, -2 with two of five trimmed: (0 - 1 - 2) / 3 stays; of one row nothing is."""
    bound = Trimmed(1, 0.4, IWAE)(terms_of(torch.tensor([[0.0, -4.0, -1.0, -9.0, -2.0]])))
    assert bound.surrogate.mean().item() == pytest.approx(-1.0)
    assert torch.equal(bound.surrogate == 0, torch.tensor([True, True, False, True, False]))
    assert torch.equal(bound.value, torch.tensor([0.0, -4.0, -1.0, -9.0, -2.0]))
    assert Trimmed(1, 0.99, IWAE)(terms_of(torch.tensor([[-3.0]]))).surrogate.item() == -3.0


def test_trimming_nothing_is_the_other_objective(oracle):
    vae, x = displaced(oracle), oracle.sample(7)
    terms = vae.terms(x, 3)
    for of in (ELBO, IWAE):
        assert torch.equal(Trimmed(3, 0.0, of)(terms, 0.5).surrogate, of(3)(terms, 0.5).surrogate)


@pytest.mark.parametrize("distance", [50.0, 1e6])
def test_anomalous_rows_that_are_trimmed_leave_no_trace_in_the_gradient(oracle, distance):
    """12 rows, 4 of them anomalous, 4 / 12 trimmed: the gradient is that of the ELBO of the other 8, to rounding,
    however far they lie; untrimmed it is another.
    """
    vae, x = displaced(oracle), oracle.sample(12)
    anomalous = torch.arange(12) % 3 == 0
    terms = vae.terms(torch.where(anomalous[:, None], x + distance, x), 1)
    of_rest = ELBO()(terms).surrogate[~anomalous]
    trimmed = Trimmed(trim=4 / 12)(terms).surrogate
    for part in (vae.encoder, vae.decoder):
        expected = gradient_of(of_rest, part)
        torch.testing.assert_close(gradient_of(trimmed, part), expected, rtol=1e-12, atol=1e-12)
        assert (gradient_of(ELBO()(terms).surrogate, part) - expected).abs().max() > 1


def test_the_value_stays_the_bound_of_every_row(oracle):
    vae, x = displaced(oracle), oracle.sample(10)
    torch.manual_seed(0)
    value = bound_of(vae, ELBO(), x).value
    torch.manual_seed(0)
    assert torch.equal(bound_of(vae, Trimmed(), x).value, value)


@pytest.mark.parametrize("trim", [-0.1, 1.0, float("nan")])
def test_trim_is_a_share(trim):
    with pytest.raises(ConfigError, match="share of the rows"):
        Trimmed(trim=trim)
