"""p(x|z) of arrays: each member against an independent implementation; what all promise: likelihood_contract.py."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from contracts.cell_kinds import D, gauss_legendre
from contracts.likelihoods import F, Oracle
from velbo.likelihoods import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    DiscretizedLogistic,
    FixedScale,
    LearnedScale,
    Normal,
    PredictedScale,
    point_estimate,
)
from velbo.likelihoods.continuous_bernoulli import ContinuousBernoulliCell
from velbo.likelihoods.discretized_logistic import NUMBERS_IN_CACHE, LevelsCell


class TestBernoulli(Oracle):
    def head(self):
        return Bernoulli(F, D)

    def values(self, n: int) -> Tensor:
        return torch.randint(0, 2, (n, D)).double()

    def test_agrees_with_scipy(self):
        p, x = self.p(6), self.values(6)
        expected = stats.bernoulli.logpmf(x.numpy(), p.mean.detach().numpy()).sum(-1)
        np.testing.assert_allclose(p.log_prob(x).detach(), expected, rtol=1e-9)


class TestContinuousBernoulli(Oracle):
    def head(self):
        return ContinuousBernoulli(F, D)

    def values(self, n: int) -> Tensor:
        return torch.rand(n, D).double()

    def test_differs_from_the_bernoulli_by_its_normaliser(self):
        """The defect of peers: the Bernoulli formula on grey values does not integrate to one."""
        p, x = self.p(6), self.values(6)
        logits = p.cell.logits.detach()
        plain = (x * logits - torch.nn.functional.softplus(logits)).sum(-1)
        log_c = torch.log(2 * torch.atanh(torch.tanh(logits / 2)) / torch.tanh(logits / 2)).sum(-1)
        torch.testing.assert_close(p.log_prob(x).detach(), plain + log_c, rtol=1e-6, atol=1e-6)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_integrates_to_one_however_large_the_logit(self, dtype: torch.dtype):
        """With logits to 80 both ways and around 0, where the series takes over, by 2,000 pieces of 20 nodes."""
        logits = torch.tensor([-80, -40, -20, -15, -5, -1.001, -0.999, -1e-3, 0, 1e-6, 0.5, 1, 3, 16, 37, 80.0])
        cell = ContinuousBernoulliCell(logits.to(dtype))
        x, weights = gauss_legendre(0, 1, 20, pieces=2000)
        masses = cell.log_prob(x.to(dtype)[:, None]).double().exp() * weights[:, None]
        error = 1e-12 if dtype == torch.float64 else 1e-5
        torch.testing.assert_close(masses.sum(0), torch.ones(16).double(), atol=error, rtol=0)
        mean = (masses * x[:, None]).sum(0)
        variance = (masses * (x[:, None] - mean).square()).sum(0)
        torch.testing.assert_close(cell.mean.double(), mean, atol=error, rtol=0)
        torch.testing.assert_close(cell.variance.double(), variance, atol=error, rtol=10 * error)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_agrees_with_many_digits(self, dtype: torch.dtype):
        """log p, F and the quantile, and the gradient of log p, which is x - E[x]."""
        error = 30 * torch.finfo(dtype).eps
        for a in (-80.0, -2.5, -0.7, 1e-4, 0.99, 1.01, 30.0, 80.0):
            for value in (0.0, 0.125, 0.75, 1.0):
                logit = torch.tensor([a], dtype=dtype, requires_grad=True)
                cell, x = ContinuousBernoulliCell(logit), torch.tensor([value], dtype=dtype)
                with mpmath.workdps(50):
                    exact = mpmath.mpf(float(logit.detach()))
                    log_p = exact * value - mpmath.log(mpmath.expm1(exact) / exact)
                    below = mpmath.expm1(exact * value) / mpmath.expm1(exact)
                    mean = 1 + 1 / mpmath.expm1(exact) - 1 / exact
                log_p_of = cell.log_prob(x)
                assert float(log_p_of.detach()) == pytest.approx(float(log_p), rel=error, abs=error)
                assert float(cell.cdf(x).detach()) == pytest.approx(float(below), rel=100 * error)
                (gradient,) = torch.autograd.grad(log_p_of, logit)
                assert float(gradient) == pytest.approx(float(value - mean), rel=error, abs=error)
                if 1e-6 < below < 1 - 1e-6:
                    assert float(cell.icdf(cell.cdf(x)).detach()) == pytest.approx(value, abs=10 * error)


class NormalOracle(Oracle):
    def values(self, n: int) -> Tensor:
        return torch.randn(n, D).double()

    def test_agrees_with_scipy(self):
        p, x = self.p(6), self.values(6)
        mean, scale = p.mean.detach().numpy(), p.variance.detach().sqrt().numpy()
        np.testing.assert_allclose(p.log_prob(x).detach(), stats.norm.logpdf(x, mean, scale).sum(-1), rtol=1e-9)


class TestNormalFixed(NormalOracle):
    def head(self):
        return Normal(F, D, 0.5)

    def test_scale_is_exact_in_float64(self):
        scale = FixedScale(0.1)(torch.randn(2, F, dtype=torch.float64))
        assert float(scale) == 0.1

    def test_refuses_a_scale_that_is_not_positive(self):
        with pytest.raises(ValueError, match="positive"):
            FixedScale(0.0)


class TestNormalScalar(NormalOracle):
    def head(self):
        return Normal(F, D, LearnedScale(initial=0.3))


class TestNormalPerCell(NormalOracle):
    def head(self):
        return Normal(F, D, None)


class TestNormalPredicted(NormalOracle):
    def head(self):
        return Normal(F, D, PredictedScale(F, D))

    def test_scale_depends_on_the_features_once_learned(self):
        head = Normal(F, D, PredictedScale(F, D))
        torch.nn.init.normal_(head.scale.linear.weight)
        p = head(torch.randn(2, F))
        assert (p.variance[0] != p.variance[1]).all()


@pytest.mark.parametrize("step", [1.0, 0.25])
class TestCategorical:
    """Plain codes, and levels scaled to [0, 1]."""

    def test_agrees_with_cross_entropy(self, step: float):
        head, h, codes = Categorical(F, [5] * D, step).double(), torch.randn(6, F).double(), torch.randint(0, 5, (6, D))
        logits = head.linear(h).view(6, D, 5).movedim(-1, 1)
        expected = -torch.nn.functional.cross_entropy(logits, codes, reduction="none").sum(-1)
        torch.testing.assert_close(head(h).log_prob(step * codes.double()), expected)

    def test_point_estimate_is_the_mode(self, step: float):
        head, h = Categorical(F, [5] * D, step), torch.randn(6, F)
        assert (point_estimate(head(h)) == step * head.linear(h).view(6, D, 5).argmax(-1)).all()

    def test_values_off_the_grid_are_outside_the_support(self, step: float):
        support = Categorical(F, [5] * D, step)(torch.randn(1, F)).support
        for last, is_valid in ((4.0, True), (-1.0, False), (2.4, False), (5.0, False)):
            assert bool(support.check(step * torch.tensor([0.0, 3.0, last]))) == is_valid


class TestDiscretizedLogistic(Oracle):
    def head(self):
        return DiscretizedLogistic(F, D, 256, 3)

    def values(self, n: int) -> Tensor:
        return torch.randint(0, 256, (n, D)).double() / 255

    def test_the_mode_is_the_first_of_the_likeliest_levels(self, monkeypatch: pytest.MonkeyPatch):
        """Also in blocks of few cells; a cell between two levels takes the lower."""
        cell = self.p(3, 2).cell
        assert isinstance(cell, LevelsCell)
        levels = torch.arange(256).double()[:, None, None, None] / 255
        expected = cell.log_prob(levels.expand(-1, 3, 2, D)).max(0).indices / 255
        torch.testing.assert_close(cell.mode, expected.double())
        monkeypatch.setattr("velbo.likelihoods.discretized_logistic.NUMBERS_IN_CACHE", 2000)
        torch.testing.assert_close(cell.mode, expected.double())
        between = LevelsCell(torch.zeros(1, 1, 1), torch.full((1, 1, 1), 0.5), torch.full((1, 1, 1), 0.1), 2)
        assert between.mode == 0

    def test_agrees_with_differences_of_scipy_distribution_functions(self):
        loc, scale = torch.tensor([[0.2, 0.7]]).double(), torch.tensor([[0.1, 0.05]]).double()
        cell = LevelsCell(torch.tensor([[0.3, -0.4]]).double().log_softmax(-1), loc, scale, 17)
        k = torch.arange(17).double()[:, None]
        upper = np.where(k == 16, np.inf, (k + 0.5) / 16)
        lower = np.where(k == 0, -np.inf, (k - 0.5) / 16)
        mass = stats.logistic.cdf(upper, loc, scale) - stats.logistic.cdf(lower, loc, scale)
        expected = np.log(mass @ cell.log_pi.exp().numpy().T)
        np.testing.assert_allclose(cell.log_prob(k / 16), expected, rtol=1e-8)
        mean = (k / 16 * torch.from_numpy(np.exp(expected))).sum()
        assert float(cell.mean) == pytest.approx(float(mean), rel=1e-9)

    def test_finite_in_float32_far_from_the_mode(self):
        """No switch to a density and no clipping: still exact where naive differences are 0."""
        cell = LevelsCell(torch.zeros(1, 1), torch.zeros(1, 1), torch.full((1, 1), 1e-3), 256)
        log_p = cell.log_prob(torch.tensor([0.5]))
        assert log_p.isfinite().all()
        assert float(log_p) == pytest.approx(-0.5 / 1e-3, rel=0.01)

    def test_moments_are_those_of_the_masses_in_every_block_of_cells(self):
        """Exact oracle: all levels of cells with any leading axes, narrow and wide, beyond both ends, more than a block
        holds; and blocks do not depend on each other.
        """
        torch.manual_seed(0)
        log_pi, loc = torch.randn(2, 3, 101, 5).double().log_softmax(-1), 3 * torch.rand(3, 101, 5).double() - 1
        scale = torch.tensor([0.05 / 255, 1e-3, 0.02, 0.3, 4.0]).double()
        cell, x = LevelsCell(log_pi, loc, scale, 256), torch.arange(256).double().view(-1, 1, 1, 1) / 255
        assert cell.batch_shape.numel() * 5 * 256 > 2 * NUMBERS_IN_CACHE
        mass = cell.log_prob(x).exp()
        mean = (mass * x).sum(0)
        torch.testing.assert_close(cell.mean, mean, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(cell.variance, (mass * (x - mean).square()).sum(0), rtol=1e-9, atol=1e-14)
        alone = LevelsCell(log_pi[1, 2, 50:51], loc[2, 50:51], scale, 256)
        torch.testing.assert_close(alone.mean, cell.mean[1, 2, 50:51], rtol=1e-13, atol=0)

    def test_refuses_one_level(self):
        with pytest.raises(ValueError, match="at least 2"):
            DiscretizedLogistic(F, D, 1)


def test_normal_has_its_constant():
    """The half log 2 pi that peers leave out."""
    p = Normal(1, 1, 1.0)
    torch.nn.init.zeros_(p.linear.weight)
    torch.nn.init.zeros_(p.linear.bias)
    assert p(torch.zeros(1, 1)).log_prob(torch.zeros(1, 1)).item() == pytest.approx(-0.5 * math.log(2 * math.pi))
