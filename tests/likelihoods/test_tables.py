"""p(x|z) of columns: each member against an independent implementation; what all promise: likelihood_contract.py."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch
from scipy import integrate, special, stats
from torch import Tensor

from contracts.cell_kinds import D
from contracts.likelihoods import F, Oracle
from velbo.likelihoods import (
    Bernoulli,
    Beta,
    Categorical,
    DiscretizedMixture,
    Gamma,
    Grid,
    LogitNormal,
    LogNormal,
    MixtureOfNormals,
    NegativeBinomial,
    OrderedLogistic,
    Poisson,
    StudentT,
    ZeroInflatedNegativeBinomial,
    point_estimate,
)
from velbo.likelihoods.gamma import GammaCell
from velbo.likelihoods.integers import IntegerCell
from velbo.likelihoods.laplace import Laplace, LaplaceCell
from velbo.likelihoods.logit_normal import LogitNormalCell
from velbo.likelihoods.negative_binomial import NegativeBinomialCell
from velbo.likelihoods.poisson import PoissonCell
from velbo.likelihoods.stirling import delta
from velbo.likelihoods.student_t import StudentTCell
from velbo.rows import Field

FLOAT32 = torch.finfo(torch.float32)


class RealOracle(Oracle):
    def values(self, n: int) -> Tensor:
        return torch.randn(n, D).double()

    def test_a_new_head_describes_standardised_data(self):
        p = self.head()(0.1 * torch.randn(50, F))
        assert (p.mean.abs() < 1).all()
        assert ((p.variance.sqrt() > 0.5) & (p.variance.sqrt() < 2)).all()


class TestStudentT(RealOracle):
    def head(self):
        return StudentT(F, D)

    def test_agrees_with_scipy(self):
        p, x = self.p(6), 5 * self.values(6)
        df, loc, scale = (t.detach().numpy() for t in p.cell.parameters)
        np.testing.assert_allclose(p.log_prob(x).detach(), stats.t.logpdf(x, df, loc, scale).sum(-1), rtol=1e-9)

    def test_becomes_the_normal(self):
        """With an error of (z^4 - 2 z^2 - 1) / (4 nu) in log p, in float32 too."""
        z = torch.linspace(-4, 4, 17)
        one = torch.ones(17)
        normal = stats.norm.logpdf(z.double())
        np.testing.assert_allclose(StudentTCell(1e8 * one, 0 * one, one).log_prob(z), normal, rtol=1e-6)
        z, one = z.double().numpy(), one.double()
        off = StudentTCell(1e4 * one, 0 * one, one).log_prob(torch.from_numpy(z)).numpy() - normal
        np.testing.assert_allclose(1e4 * off, (z**4 - 2 * z**2 - 1) / 4, atol=0.2)

    def test_variance_exists_for_all_features(self):
        p = self.head()(1e4 * torch.randn(200, F))
        assert (p.cell.df > 2).all()
        assert p.variance.isfinite().all()


class TestLaplace(RealOracle):
    def head(self):
        return Laplace(F, D)

    def test_agrees_with_scipy(self):
        p, x = self.p(6), self.values(6)
        loc, scale = (t.detach().numpy() for t in p.cell.parameters)
        np.testing.assert_allclose(p.log_prob(x).detach(), stats.laplace.logpdf(x, loc, scale).sum(-1), rtol=1e-9)

    def test_the_rule_does_not_mind_the_corner(self):
        """Of a sigmoid, against scipy.integrate.quad on both sides of it: four times the nodes gain four digits."""
        cell = LaplaceCell(*torch.tensor([[0.3], [0.8]], dtype=torch.float64))

        def integrand(x: float) -> float:
            return float(stats.laplace.pdf(x, 0.3, 0.8) * special.expit(2 * x + 0.6))

        exact = sum(integrate.quad(integrand, *ends, epsabs=1e-13)[0] for ends in ((-40, 0.3), (0.3, 40)))
        for nodes, error in ((25, 1e-5), (97, 1e-9)):
            points, log_w = cell.rule(nodes)
            found = float((log_w.exp() * torch.sigmoid(2 * points + 0.6)).sum())
            assert found == pytest.approx(exact, abs=error)


class TestMixtureOfNormals(RealOracle):
    def head(self):
        return MixtureOfNormals(F, D, -2.0, [2.0, 2.5, 1.5], 3)

    def test_agrees_with_scipy(self):
        p, x = self.p(6), self.values(6)
        pi, loc, scale = (t.detach().numpy() for t in p.cell.parameters)
        expected = np.log((np.exp(pi) * stats.norm.pdf(x[..., None], loc, scale)).sum(-1)).sum(-1)
        np.testing.assert_allclose(p.log_prob(x).detach(), expected, rtol=1e-9)

    def test_components_begin_apart_over_the_range(self):
        p = self.head()(torch.zeros(1, F))
        expected = torch.tensor([[-2, 2.0], [-2, 2.5], [-2, 1.5]])
        places = torch.tensor([1, 3, 5]) / 6
        torch.testing.assert_close(p.cell.loc[0], torch.lerp(expected[:, :1], expected[:, 1:], places[None]))

    def test_the_mode_is_the_higher_of_two_peaks(self):
        p = self.head()(torch.zeros(1, F)).cell
        p = type(p)(torch.tensor([[0.3, 0.2, 0.5]]).log(), torch.tensor([[-3.0, 0, 3]]), torch.full((1, 3), 0.1))
        assert float(p.mode) == 3

    def test_refuses_no_component(self):
        with pytest.raises(ValueError, match="at least 1"):
            MixtureOfNormals(F, D, n_components=0)


class PositiveOracle(Oracle):
    def values(self, n: int) -> Tensor:
        return torch.randn(n, D).double().exp()

    def test_a_new_head_describes_data_in_units_of_their_geometric_mean(self):
        p = self.head()(0.1 * torch.randn(50, F))
        assert ((p.mean > 0.5) & (p.mean < 4)).all()
        torch.manual_seed(0)
        log_x = p.sample(torch.Size((500,))).log()
        assert 0.7 < float(log_x.std()) < 2


class TestLogNormal(PositiveOracle):
    def head(self):
        return LogNormal(F, D)

    def test_agrees_with_scipy(self):
        p, x = self.p(6), self.values(6)
        loc, scale = (t.detach().numpy() for t in p.cell.parameters)
        expected = stats.lognorm.logpdf(x, scale, scale=np.exp(loc)).sum(-1)
        np.testing.assert_allclose(p.log_prob(x).detach(), expected, rtol=1e-9)


class TestGamma(PositiveOracle):
    def head(self):
        return Gamma(F, D)

    def test_agrees_with_scipy(self):
        p, x = self.p(6), self.values(6)
        log_mean, shape = (t.detach().numpy() for t in p.cell.parameters)
        expected = stats.gamma.logpdf(x, shape, scale=np.exp(log_mean) / shape).sum(-1)
        np.testing.assert_allclose(p.log_prob(x).detach(), expected, rtol=1e-9)

    def test_mode(self):
        """Of shape 4 the maximum; of shape 1/2 the end at which the density has none."""
        cell = GammaCell(torch.tensor([0.3, 0.3]).double(), torch.tensor([4.0, 0.5]).double())
        x = torch.linspace(1e-3, 5, 5000).double()[:, None].expand(-1, 2)
        best = x[:, 0][cell.log_prob(x).argmax(0)]
        torch.testing.assert_close(cell.mode, torch.stack([best[0], torch.tensor(0.0).double()]), atol=1e-3, rtol=0)

    def test_float32_is_exact_where_the_shape_is_large(self):
        """Plain float32 is half a nat off at a = 1e6; this form stays within 1e-3."""
        shape, x = torch.tensor([1e6, 1e4]), torch.tensor([1.001, 0.99])
        expected = stats.gamma.logpdf(x.double(), shape.double(), scale=1 / shape.double())
        np.testing.assert_allclose(GammaCell(torch.zeros(2), shape).log_prob(x), expected, atol=1e-3)


class UnitOracle(Oracle):
    def values(self, n: int) -> Tensor:
        return torch.rand(n, D).double()

    def test_rounded_to_an_end_is_inside(self):
        """A cell of 1 - 1e-9 is 1 in float32."""
        p = self.head()(torch.randn(4, F))
        for x in (torch.ones(4, D), torch.zeros(4, D)):
            assert p.log_prob(x).isfinite().all()
            assert p.support.check(x).all()


class TestBeta(UnitOracle):
    def head(self):
        head = Beta(F, D)
        torch.nn.init.constant_(head.linear.bias[D:], -1.2)
        return head

    def p(self, *lead: int, spread: float = 2.0):
        """Not near an end, where densities grow without bound and float64 has no numbers to integrate over."""
        return super().p(*lead, spread=min(spread, 0.5))

    def test_agrees_with_scipy(self):
        p, x = self.p(6), self.values(6)
        expected = stats.beta.logpdf(x, p.cell.alpha.detach(), p.cell.beta.detach()).sum(-1)
        np.testing.assert_allclose(p.log_prob(x).detach(), expected, rtol=1e-9)

    def test_begins_uniform(self):
        x = torch.linspace(0.01, 0.99, 9)[:, None].expand(-1, D)
        head = Beta(F, D)
        torch.nn.init.zeros_(head.linear.bias[:D])
        torch.testing.assert_close(head(torch.zeros(9, F)).log_prob(x), torch.zeros(9), atol=1e-5, rtol=0)

    def test_mode_is_an_end_where_the_density_has_no_maximum(self):
        cell = type(self.p(1).cell)(torch.tensor([1.0, -1.0]), torch.tensor([0.5, 0.5]))
        assert cell.mode.tolist() == [1, 0]


class TestLogitNormal(UnitOracle):
    def head(self):
        return LogitNormal(F, D)

    def test_agrees_with_scipy(self):
        p, values = self.p(6), self.values(6)
        x, (loc, scale) = values.numpy(), (t.detach().numpy() for t in p.cell.parameters)
        expected = stats.norm.logpdf(special.logit(x), loc, scale) - np.log(x) - np.log1p(-x)
        np.testing.assert_allclose(p.log_prob(values).detach(), expected.sum(-1), rtol=1e-9)

    @pytest.mark.parametrize(("scale", "error"), [(0.3, 1e-13), (2.0, 1e-13), (5.0, 1e-6)])
    def test_mean_is_as_exact_as_it_says(self, scale: float, error: float):
        def integrand(e: float) -> float:
            return float(stats.norm.pdf(e)) / (1 + math.exp(-(0.7 + scale * e)))

        expected = integrate.quad(integrand, -12, 12, epsabs=1e-14, epsrel=1e-14, limit=500)[0]
        cell = LogitNormalCell(*torch.tensor([0.7, scale], dtype=torch.float64))
        assert float(cell.mean) == pytest.approx(expected, abs=error)

    def test_mode_of_two_is_the_higher(self):
        cell = LogitNormalCell(torch.tensor([-0.1, 0.1]).double(), torch.tensor([3.0, 3.0]).double())
        x = torch.linspace(1e-4, 1 - 1e-4, 20001).double()[:, None].expand(-1, 2)
        torch.testing.assert_close(cell.mode, x[:, 0][cell.log_prob(x).argmax(0)], atol=1e-4, rtol=0)


class CountOracle(Oracle):
    rates = (0.5, 2.0, 4.0)

    def values(self, n: int) -> Tensor:
        return torch.randint(0, 12, (n, D)).double()

    def test_begins_at_the_rates(self):
        head = self.head()
        mean = head(torch.zeros(1, F)).mean[0]
        share = mean / torch.tensor(self.rates)
        assert ((share > 0.5) & (share < 2)).all()

    def test_means_sum_to_the_library_size(self):
        """Whatever the features, and of cells before zero inflation."""
        library = torch.tensor([[7.0], [300.0], [1e6]])
        cell = self.head()(torch.randn(4, 3, F), library).cell
        total = getattr(cell, "counts", cell).mean.sum(-1)
        torch.testing.assert_close(total, library.squeeze(-1).expand(4, 3), rtol=1e-5, atol=0)

    def test_an_empty_library_has_no_counts(self):
        head = self.head()
        h = torch.randn(1, F, requires_grad=True)
        log_p = head(h, torch.zeros(1, 1)).log_prob(torch.zeros(1, D))
        assert float(log_p.detach()) == pytest.approx(0, abs=1e-6)
        assert torch.autograd.grad(log_p.sum(), h)[0].isfinite().all()

    def test_refuses_rates_that_are_none(self):
        with pytest.raises(ValueError, match="positive"):
            type(self.head())(F, 2, [1.0, 0.0])
        with pytest.raises(ValueError, match="2 positive numbers"):
            type(self.head())(F, 2, [1.0])


class TestPoisson(CountOracle):
    def head(self):
        return Poisson(F, D, self.rates)

    def test_agrees_with_scipy(self):
        p, x = self.p(6), self.values(6)
        np.testing.assert_allclose(p.log_prob(x).detach(), stats.poisson.logpmf(x, p.mean.detach()).sum(-1), rtol=1e-9)

    def test_float32_is_exact_for_large_counts(self):
        """The three terms of the first form are 1e7 each, and their sum is 0.8 nats off."""
        k, rate = torch.tensor([1e6, 1_001_000.0]), torch.tensor([1e6, 1e6])
        expected = stats.poisson.logpmf(k.double(), rate.double())
        np.testing.assert_allclose(PoissonCell(rate.log()).log_prob(k), expected, atol=2e-3)


class TestNegativeBinomial(CountOracle):
    def head(self):
        return NegativeBinomial(F, D, self.rates)

    def test_agrees_with_scipy(self):
        p, x = self.p(6), self.values(6)
        m, r = (t.detach().exp().numpy() for t in p.cell.parameters)
        np.testing.assert_allclose(p.log_prob(x).detach(), stats.nbinom.logpmf(x, r, r / (r + m)).sum(-1), rtol=1e-9)

    def test_becomes_the_poisson(self):
        """log p_nb - log p_poisson is ((k - m)^2 - k) / (2 r) and terms in 1 / r^2."""
        k, log_m = torch.arange(40).double(), torch.tensor(8.0).double().log().expand(40)
        log_r = torch.tensor(1e6).double().log().expand(40)
        off = NegativeBinomialCell(log_m, log_r).log_prob(k) - PoissonCell(log_m).log_prob(k)
        torch.testing.assert_close(2e6 * off, (k - 8).square() - k, atol=0.05, rtol=1e-3)

    @pytest.mark.parametrize(
        ("k", "m", "r"), [(1e6, 1_001_000.0, 1e5), (3e5, 1e5, 0.7), (2.0, 1e6, 1e-3), (1e4, 1, 1e4)]
    )
    def test_float32_is_exact_near_and_far(self, k: float, m: float, r: float):
        """Against 50 digits, to 1e-5 of log p or 2e-3 nats."""
        with mpmath.workdps(50):
            exact = (
                mpmath.loggamma(k + r) - mpmath.loggamma(r) - mpmath.loggamma(k + 1)
                + r * mpmath.log(r / (mpmath.mpf(r) + m)) + k * mpmath.log(m / (mpmath.mpf(r) + m))
            )  # fmt: skip
        cell = NegativeBinomialCell(torch.tensor(m).log(), torch.tensor(r).log())
        assert float(cell.log_prob(torch.tensor(k))) == pytest.approx(float(exact), rel=1e-5, abs=2e-3)


class TestZeroInflated(CountOracle):
    def head(self):
        return ZeroInflatedNegativeBinomial(F, D, self.rates)

    def test_agrees_with_scipy(self):
        p, x = self.p(6), self.values(6)
        m, r = (t.detach().exp().numpy() for t in p.cell.parameters[:2])
        g = torch.sigmoid(p.cell.logit).detach().numpy()
        mass = g * (x.numpy() == 0) + (1 - g) * stats.nbinom.pmf(x, r, r / (r + m))
        np.testing.assert_allclose(p.log_prob(x).detach(), np.log(mass).sum(-1), rtol=1e-9)


class TestDiscretizedMixture(Oracle):
    """Columns with different steps, off 0, and with three atoms, none and one."""

    grids = (Grid(-1.9, 3.1, 0.25, (-1.9, 0.1, 3.1)), Grid(0.0, 40.0), Grid(-2.05, 2.2, 0.05, (0.4,)))
    low, high, step = torch.tensor([(g.low, g.high, g.step) for g in grids], dtype=torch.float64).T

    def head(self):
        return DiscretizedMixture(F, self.grids, 3)

    def values(self, n: int) -> Tensor:
        return self.low + self.step * torch.randint(-5, 30, (n, D))

    def into_support(self, x: Tensor) -> Tensor:
        return (self.low + self.step * ((x.double() - self.low) / self.step).round()).to(x.dtype)

    def whole(self, n: int = 12000) -> Tensor:
        """The grids, (n, 1, D)."""
        return self.low + self.step * torch.arange(-n // 2, n // 2)[:, None, None]

    def test_every_cell_integrates_or_sums_to_one(self):
        with torch.no_grad():
            mass = self.p(20).cell.log_prob(self.whole()).exp().sum(0)
        torch.testing.assert_close(mass, torch.ones_like(mass), atol=1e-9, rtol=0)

    def test_moments_and_mode_are_those_of_the_density(self):
        """By enumeration, for scales from the least, where rounding is all, to many steps."""
        for scale in (0.05, 0.1, 0.3, 1.0, 8.0):
            low, step = self.low[:, None], self.step[:, None]
            loc = low + step * torch.tensor([[3.4, 9.0, 12.5], [2.0, 2.1, 2.2], [0.45, -3.3, 7.7]]).double()
            log_pi = torch.randn(3, 3).double().log_softmax(-1)
            cell = IntegerCell(log_pi, loc, scale * step.expand(3, 3), low, step)
            x = self.whole(2000).squeeze(1)
            mass = cell.log_prob(x).exp()
            mean = (mass * x).sum(0)
            torch.testing.assert_close(cell.mean, mean, atol=1e-8, rtol=0)
            torch.testing.assert_close(cell.variance, (mass * (x - mean).square()).sum(0), atol=1e-7, rtol=1e-8)

    def test_agrees_with_differences_of_scipy_distribution_functions(self):
        p, x = self.p(6), self.values(6)
        pi, step, (loc, scale) = p.cell.log_pi, p.cell.step, p.cell.components
        pi, step, loc, scale = (t.detach().numpy() for t in (pi, step, loc, scale))
        above, below = (stats.logistic.cdf(x.numpy()[..., None] + s * step / 2, loc, scale) for s in (1, -1))
        expected = np.log((np.exp(pi) * (above - below)).sum(-1)).sum(-1)
        np.testing.assert_allclose(p.log_prob(x).detach(), expected, rtol=1e-6)

    def test_an_atom_can_take_all_but_little_of_the_mass(self):
        """Hours a week are 40, to within what the least scale leaves to others."""
        head = DiscretizedMixture(F, [Grid(-3.2, 4.7, 1 / 12.3, (-3.2 + 40 / 12.3,))])
        with torch.no_grad():
            head.linear.weight.zero_()
            head.linear.bias[-1] = 30
            p = head(torch.zeros(1, F))
        assert float(p.log_prob(torch.tensor([[-3.2 + 40 / 12.3]]))) > -1.1e-4
        assert float(p.mean) == pytest.approx(-3.2 + 40 / 12.3, abs=1e-6)
        assert float(p.mode) == pytest.approx(-3.2 + 40 / 12.3, abs=1e-6)

    def test_a_frequent_number_is_learned_in_a_range_that_dwarfs_it(self):
        """No gain for 9 in 10, else up to 99,999: in 100 steps the rate of none is right, to 0.02 nats."""
        column = Field("gain", "integer", low=0, high=99_999, location=1100, scale=7400)
        head = DiscretizedMixture(F, [Grid.of(column)])
        v = torch.cat((torch.zeros(90), torch.linspace(100, 99_999, 10).round()))
        x, h = ((v - 1100) / 7400)[:, None], torch.ones(1, F)
        optimizer = torch.optim.Adam(head.parameters(), 3e-2)
        for _ in range(100):
            optimizer.zero_grad()
            (-head(h).log_prob(x).mean()).backward()
            optimizer.step()
        assert float(head(h).log_prob(x[:1]).detach()) == pytest.approx(math.log(0.9), abs=0.02)

    def test_numbers_that_float32_cannot_tell_apart_do_not_all_get_the_mass(self):
        """Six whole numbers share each x here; all masses still sum to one, to the 2 % of so coarse a sum."""
        head = DiscretizedMixture(F, [Grid(0.5, 1.0, 1e-8, (0.75,))])
        with torch.no_grad():
            head.linear.weight.zero_()
            head.linear.bias[-1] = 30
        x = (0.75 + 1e-8 * torch.arange(-400, 401).double()).float()[:, None]
        assert len(x.unique()) < 150
        assert float(head(torch.zeros(1, F)).log_prob(x).exp().sum().detach()) == pytest.approx(1, abs=0.02)

    def test_components_begin_over_the_observed_range(self):
        p = self.head()(0.1 * torch.randn(50, F))
        assert ((p.mean > self.low) & (p.mean < self.high)).all()
        share = p.variance.sqrt() / (self.high - self.low)
        assert ((share > 0.2) & (share < 0.6)).all()

    def test_mode_is_on_the_grid_and_higher_than_its_neighbours(self):
        p = self.p(20, spread=1.0)
        mode = p.mode
        torch.testing.assert_close(mode, self.into_support(mode))
        far = p.cell.log_prob(mode + 60 * self.step), p.cell.log_prob(mode - 60 * self.step)
        assert (p.cell.log_prob(mode) > torch.maximum(*far)).all()

    def test_refuses_no_component(self):
        with pytest.raises(ValueError, match="at least 1"):
            DiscretizedMixture(F, self.grids, 0)


class CodesOracle(Oracle):
    sizes = (2, 5, 3)

    def values(self, n: int) -> Tensor:
        return (torch.rand(n, D).double() * torch.tensor(self.sizes)).floor()

    def test_log_masses_are_log_p_of_every_code(self):
        p = self.p(4)
        masses = p.cell.log_masses()
        assert masses.shape == (4, D, max(self.sizes))
        torch.testing.assert_close(masses.exp().sum(-1), torch.ones(4, D).double())
        for d, size in enumerate(self.sizes):
            for c in range(size):
                x = torch.full((4, D), math.nan).double()
                x[:, d] = c
                torch.testing.assert_close(masses[:, d, c], p.log_prob(x))
            assert (masses[:, d, size:] == -math.inf).all()

    def test_gradients_through_the_padding_are_finite(self):
        h = torch.randn(4, F, requires_grad=True)
        p = self.head()(h)
        total = (p.cell.log_masses().exp() * torch.arange(max(self.sizes))).sum() + p.mean.sum() + p.variance.sum()
        assert torch.autograd.grad(total, h)[0].isfinite().all()

    def test_support_is_the_columns_own_codes(self):
        support, top = self.p(1).support, torch.tensor(self.sizes).double() - 1
        assert support is not None
        assert support.check(top).all()
        for d in range(D):
            for wrong in (-1.0, 0.5, float(self.sizes[d])):
                x = top.clone()
                x[d] = wrong
                assert not support.check(x).any()

    def test_point_estimate_is_the_mode(self):
        p = self.p(6)
        torch.testing.assert_close(point_estimate(p), p.cell.log_masses().argmax(-1).double())


class TestCategorical(CodesOracle):
    def head(self):
        return Categorical(F, self.sizes)

    def test_agrees_with_cross_entropy(self):
        head, h, x = self.head().double(), torch.randn(6, F).double(), self.values(6)
        columns = head.linear(h).split(self.sizes, -1)
        cross = (torch.nn.functional.cross_entropy(y, x[:, d].long(), reduction="none") for d, y in enumerate(columns))
        torch.testing.assert_close(head(h).log_prob(x), -sum(cross))

    def test_one_category_is_certain(self):
        p = Categorical(F, [1, 2])(torch.randn(3, F))
        assert (p.log_prob_cells(torch.zeros(3, 2))[:, 0] == 0).all()
        with pytest.raises(ValueError, match="at least 1"):
            Categorical(F, [0])


class TestBernoulli(CodesOracle):
    sizes = (2, 2, 2)

    def head(self):
        return Bernoulli(F, D, is_coded=True)

    def test_agrees_with_scipy(self):
        p, x = self.p(6), self.values(6)
        expected = stats.bernoulli.logpmf(x.numpy(), p.mean.detach().numpy()).sum(-1)
        np.testing.assert_allclose(p.log_prob(x).detach(), expected, rtol=1e-9)


class TestOrderedLogistic(CodesOracle):
    def head(self):
        return OrderedLogistic(F, self.sizes)

    def test_agrees_with_differences_of_scipy_distribution_functions(self):
        head, h, x = self.head().double(), torch.randn(6, F).double(), self.values(6)
        with torch.no_grad():
            head.raw_gaps.add_(0.3 * torch.randn(4))
        eta, raw = (t.detach().numpy() for t in head.parameters_of_cells(h))
        scale, cuts = 0.05 + np.logaddexp(0, raw), head.cuts()[0].detach().numpy()
        expected = np.zeros((6, D))
        for d, size in enumerate(self.sizes):
            edges = np.r_[-np.inf, cuts[d, : size - 1], np.inf]
            assert (np.diff(edges) > 0).all()
            code = x[:, d].long().numpy()
            cdf = [stats.logistic.cdf(edges[code + i], eta[:, d], scale[:, d]) for i in (0, 1)]
            expected[:, d] = np.log(cdf[1] - cdf[0])
        np.testing.assert_allclose(head(h).log_prob_cells(x).detach(), expected, rtol=1e-8)

    def test_every_category_begins_as_likely(self):
        head = self.head()
        torch.nn.init.zeros_(head.linear.bias[:D])
        masses = head(torch.zeros(1, F)).cell.log_masses()[0].exp()
        for d, size in enumerate(self.sizes):
            torch.testing.assert_close(masses[d, :size], torch.full((size,), 1 / size))

    def test_every_parameter_learns(self):
        head = self.head()
        head(torch.randn(40, F)).log_prob(self.values(40).float()).sum().backward()
        for name, parameter in head.named_parameters():
            assert parameter.grad is not None, name
            assert (parameter.grad != 0).all(), name

    def test_of_two_categories_alone(self):
        p = OrderedLogistic(F, [2, 2])(torch.randn(3, F))
        torch.testing.assert_close(p.cell.log_masses().exp().sum(-1), torch.ones(3, 2))
        with pytest.raises(ValueError, match="at least 2"):
            OrderedLogistic(F, [2, 1])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_delta_is_what_stirlings_formula_leaves(dtype: torch.dtype):
    """Against 40 digits, on both sides of where the series takes over."""
    a = torch.tensor([1e-6, 0.01, 0.5, 1, 3, 9.99, 10, 10.01, 50, 1e4, 1e12], dtype=dtype)
    with mpmath.workdps(40):
        exact = [
            float(mpmath.loggamma(t) - (t - 0.5) * mpmath.log(t) + t - mpmath.log(2 * mpmath.pi) / 2)
            for t in map(mpmath.mpf, a.tolist())
        ]
    error = 40 * torch.finfo(dtype).eps
    torch.testing.assert_close(delta(a), torch.tensor(exact, dtype=dtype), atol=error, rtol=error)
