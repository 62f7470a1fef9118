"""p(x|z): the family's contract, and each member against an independent implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from contracts import D, F, LikelihoodContract, gauss_legendre, levels
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
from velbo.likelihoods.discretized_logistic import LogisticBins


class TestBernoulli(LikelihoodContract):
    def head(self, positions: int = 1):
        return Bernoulli(F, D, positions)

    def values(self, n: int, n_cells: int = D) -> Tensor:
        return torch.randint(0, 2, (n, n_cells)).double()

    def grid(self):
        return levels(2)

    def test_agrees_with_scipy(self):
        p, x = self.p(6), self.values(6)
        expected = stats.bernoulli.logpmf(x.numpy(), p.mean.detach().numpy()).sum(-1)
        np.testing.assert_allclose(p.log_prob(x).detach(), expected, rtol=1e-9)


class TestContinuousBernoulli(LikelihoodContract):
    exact_mass = 1e-6

    def head(self, positions: int = 1):
        return ContinuousBernoulli(F, D, positions)

    def values(self, n: int, n_cells: int = D) -> Tensor:
        return torch.rand(n, n_cells).double()

    def grid(self):
        return gauss_legendre(0, 1, 60)

    def test_differs_from_the_bernoulli_by_its_normaliser(self):
        """The defect of peers: the Bernoulli formula on grey values does not integrate to one."""
        p, x = self.p(6), self.values(6)
        logits = p.cell.logits.detach()
        plain = (x * logits - torch.nn.functional.softplus(logits)).sum(-1)
        log_c = torch.log(2 * torch.atanh(torch.tanh(logits / 2)) / torch.tanh(logits / 2)).sum(-1)
        torch.testing.assert_close(p.log_prob(x).detach(), plain + log_c, rtol=1e-6, atol=1e-6)


class NormalContract(LikelihoodContract):
    def values(self, n: int, n_cells: int = D) -> Tensor:
        return torch.randn(n, n_cells).double()

    def grid(self):
        return gauss_legendre(-60, 60, 20, pieces=4000)

    def test_agrees_with_scipy(self):
        p, x = self.p(6), self.values(6)
        mean, scale = p.mean.detach().numpy(), p.variance.detach().sqrt().numpy()
        np.testing.assert_allclose(p.log_prob(x).detach(), stats.norm.logpdf(x, mean, scale).sum(-1), rtol=1e-9)


class TestNormalFixed(NormalContract):
    def head(self, positions: int = 1):
        return Normal(F, D, 0.5, positions)

    def test_scale_is_exact_in_float64(self):
        scale = FixedScale(0.1)(torch.randn(2, F, dtype=torch.float64))
        assert float(scale) == 0.1

    def test_refuses_a_scale_that_is_not_positive(self):
        with pytest.raises(ValueError, match="positive"):
            FixedScale(0.0)


class TestNormalScalar(NormalContract):
    def head(self, positions: int = 1):
        return Normal(F, D, LearnedScale(initial=0.3), positions)


class TestNormalPerCell(NormalContract):
    def head(self, positions: int = 1):
        return Normal(F, D, None, positions)


class TestNormalPredicted(NormalContract):
    def head(self, positions: int = 1):
        return Normal(F, D, PredictedScale(F, D, positions), positions)

    def test_scale_depends_on_the_features_once_learned(self):
        head = Normal(F, D, PredictedScale(F, D))
        torch.nn.init.normal_(head.scale.linear.weight)
        p = head(torch.randn(2, F))
        assert (p.variance[0] != p.variance[1]).all()


class TestCategorical(LikelihoodContract):
    def head(self, positions: int = 1):
        return Categorical(F, D, 5, positions=positions)

    def values(self, n: int, n_cells: int = D) -> Tensor:
        return torch.randint(0, 5, (n, n_cells)).double()

    def grid(self):
        return torch.arange(5, dtype=torch.float64), torch.ones(5, dtype=torch.float64)

    def test_agrees_with_cross_entropy(self):
        p, x = self.p(6), self.values(6)
        expected = -torch.nn.functional.cross_entropy(p.cell.logits.movedim(-1, 1), x.long(), reduction="none").sum(-1)
        torch.testing.assert_close(p.log_prob(x), expected)

    def test_point_estimate_is_the_mode(self):
        p = self.p(6)
        assert (point_estimate(p) == p.cell.logits.argmax(-1)).all()

    def test_refuses_one_category(self):
        with pytest.raises(ValueError, match="at least 2"):
            Categorical(F, D, 1)


class TestCategoricalOnGrid(TestCategorical):
    """Levels scaled to [0, 1]."""

    def head(self, positions: int = 1):
        return Categorical(F, D, 5, 0.25, positions)

    def values(self, n: int, n_cells: int = D) -> Tensor:
        return super().values(n, n_cells) / 4

    def grid(self):
        return levels(5)

    def test_agrees_with_cross_entropy(self):
        p, x = self.p(6), self.values(6)
        logits = p.cell.logits.movedim(-1, 1)
        expected = -torch.nn.functional.cross_entropy(logits, (4 * x).long(), reduction="none").sum(-1)
        torch.testing.assert_close(p.log_prob(x), expected)

    def test_point_estimate_is_the_mode(self):
        p = self.p(6)
        assert (point_estimate(p) == p.cell.logits.argmax(-1) / 4).all()


class TestDiscretizedLogistic(LikelihoodContract):
    def head(self, positions: int = 1):
        return DiscretizedLogistic(F, D, 256, 3, positions)

    def values(self, n: int, n_cells: int = D) -> Tensor:
        return torch.randint(0, 256, (n, n_cells)).double() / 255

    def grid(self):
        return levels(256)

    def test_agrees_with_differences_of_scipy_distribution_functions(self):
        loc, scale = torch.tensor([[0.2, 0.7]]).double(), torch.tensor([[0.1, 0.05]]).double()
        cell = LogisticBins(torch.tensor([[0.3, -0.4]]).double(), loc, scale, 17)
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
        cell = LogisticBins(torch.zeros(1, 1), torch.zeros(1, 1), torch.full((1, 1), 1e-3), 256)
        log_p = cell.log_prob(torch.tensor([0.5]))
        assert log_p.isfinite().all()
        assert float(log_p) == pytest.approx(-0.5 / 1e-3, rel=0.01)

    def test_refuses_one_level(self):
        with pytest.raises(ValueError, match="at least 2"):
            DiscretizedLogistic(F, D, 1)


def test_normal_has_its_constant():
    """The half log 2 pi that peers leave out."""
    p = Normal(1, 1, 1.0)
    torch.nn.init.zeros_(p.linear.weight)
    torch.nn.init.zeros_(p.linear.bias)
    assert p(torch.zeros(1, 1)).log_prob(torch.zeros(1, 1)).item() == pytest.approx(-0.5 * math.log(2 * math.pi))
