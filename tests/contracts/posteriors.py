"""What every q(z|x) owes. Random tests state their false-alarm rate over seeds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from velbo import VAE, LinearGaussian, score_rows
from velbo.posteriors import Pathwise, Posterior, StickingTheLanding, detach, from_noise, noise_like, transport
from velbo.rows import Store
from velbo.terms import PATHWISE

from .elsewhere import ELSEWHERE, there, watched
from .sizes import F


def in_cells(t: Tensor) -> Tensor:
    """Which of 16 cells of the plane a point (..., 2) is in; their edges are at -0.7, 0 and 0.7."""
    i, j = torch.bucketize(t.contiguous(), torch.tensor([-0.7, 0.0, 0.7], dtype=t.dtype)).unbind(-1)
    return 4 * i + j


class PosteriorContract:
    """A member gives `head(n_latents)`: features (..., F) -> q with event shape (n_latents,); ``exact_mass`` is how
    well trapezoids integrate its density, ``moments`` how well its mean and standard deviation are known.
    """

    exact_mass = 1e-6
    moments = 0.0

    def head(self, n_latents: int) -> Posterior:
        raise NotImplementedError

    def q(self, n_latents: int = 2, *lead: int) -> Distribution:
        """Away from the initial values, so that what is tested is not how q begins."""
        head = self.head(n_latents).double()
        with torch.no_grad():
            for p in head.parameters():
                p.add_(0.1 * torch.randn_like(p))
        return head(torch.randn(*(lead or (3,)), F, dtype=torch.float64))

    def test_a_pass_computes_where_the_head_is_and_waits_for_nothing(self):
        """So that a GPU is given a whole step at once."""
        head = there(self.head(3))
        with watched():
            q = head(torch.zeros(4, F, device=ELSEWHERE))
            z = PATHWISE.sample(q, 2)
            PATHWISE.log_prob(q, z).sum().backward()
        assert z.device == ELSEWHERE

    def test_density_integrates_to_one(self):
        q = self.q(1)
        z = torch.linspace(-30, 30, 60001, dtype=torch.float64)
        with torch.no_grad():
            mass = torch.trapezoid(q.log_prob(z[:, None, None].expand(-1, 3, 1)).exp(), z, dim=0)
        torch.testing.assert_close(mass, torch.ones_like(mass), atol=self.exact_mass, rtol=0)

    def test_samples_match_the_density(self):
        """Kolmogorov-Smirnov against the integrated density; false alarm 1e-4 over seeds."""
        from scipy.stats import kstest

        q = self.q(1, 1)
        z = torch.linspace(-20, 20, 40001, dtype=torch.float64)
        with torch.no_grad():
            cdf = torch.cumulative_trapezoid(q.log_prob(z[:, None, None])[:, 0].exp(), z)
        draws = q.sample(torch.Size((5000,))).flatten()
        assert kstest(draws.numpy(), lambda v: np.interp(v, z[1:].numpy(), cdf.numpy())).pvalue > 1e-4

    def test_samples_of_two_dimensions_match_a_density_of_mass_one(self):
        """Midpoints of 400 x 400 squares, 10 standard deviations each way; then chi-squared over 16 cells by the
        density's own mass, of samples by the generator and by noise; false alarm 2e-4 over seeds.
        """
        from scipy.stats import chi2

        q = self.q(2, 1)
        mean, scale = q.mean.detach(), q.stddev.detach()
        t = torch.cartesian_prod(*[torch.arange(-9.975, 10, 0.05, dtype=torch.float64)] * 2)
        with torch.no_grad():
            mass = q.log_prob(mean + scale * t.unsqueeze(1))[:, 0].exp() * scale.prod() * 0.05**2
        assert float(mass.sum()) == pytest.approx(1, abs=10 * self.exact_mass)
        expected = 4000 * torch.zeros(16, dtype=torch.float64).index_add(0, in_cells(t), mass)
        kept = expected > 5
        noise = torch.randn(4000, *noise_like(q).shape, dtype=torch.float64)
        for draws in (q.sample(torch.Size((4000,))), from_noise(q, noise).detach()):
            counts = torch.bincount(in_cells((draws - mean) / scale)[:, 0], minlength=16)
            statistic = ((counts - expected)[kept] ** 2 / expected[kept]).sum()
            assert float(statistic) < chi2.ppf(1 - 1e-4, int(kept.sum()) - 1)

    def test_shapes(self):
        q = self.q(2, 4, 3)
        z = Pathwise().sample(q, 7)
        assert z.shape == (7, 4, 3, 2)
        assert q.log_prob(z).shape == (7, 4, 3)
        assert q.mean.shape == q.stddev.shape == (4, 3, 2)
        assert q.expand(torch.Size((5, 4, 3))).log_prob(z[:5]).shape == (5, 4, 3)

    def test_it_is_a_distribution_of_its_parameters(self):
        head, features = self.head(2), torch.randn(3, F)
        parameters = head.linear(features)
        torch.testing.assert_close(head.distribution(parameters).mean, head(features).mean)
        assert head.n_latents == 2

    def test_float32_under_autocast(self):
        head = self.head(2)
        with torch.autocast("cpu", torch.bfloat16):
            q = head(torch.randn(3, F))
            assert q.mean.dtype == q.rsample().dtype == torch.float32

    def test_every_parameter_learns_through_the_sample_and_its_density(self):
        head = self.head(3)
        q = head(torch.randn(20, F))
        z = q.rsample()
        (q.log_prob(z) + z.square().sum(-1)).sum().backward()
        for name, p in head.named_parameters():
            assert p.grad is not None, name
            assert p.grad.isfinite().all(), name
            assert p.grad.abs().sum() > 0, name

    def test_detached_copy_has_the_same_density_and_no_gradient(self):
        q = self.q(2)
        z = q.rsample()
        torch.testing.assert_close(detach(q).log_prob(z), q.log_prob(z))
        log_q = StickingTheLanding().log_prob(q, z.detach())
        assert not log_q.requires_grad
        assert not detach(detach(q)).log_prob(z.detach()).requires_grad

    def test_sticking_the_landing_differentiates_through_the_sample_alone(self):
        """Pathwise gradient less that of log q at a constant z, the score, which STL leaves out; to 1e-9."""
        head, features = self.head(2).double(), torch.randn(3, F, dtype=torch.float64)
        weights, noise = list(head.parameters()), torch.randn(5, *noise_like(head(features)).shape).double()

        def gradient(log_q: Callable[[Distribution, Tensor], Tensor]) -> list[Tensor]:
            q = head(features)
            found = torch.autograd.grad(log_q(q, from_noise(q, noise)).sum(), weights, allow_unused=True)
            return [torch.zeros_like(w) if g is None else g for w, g in zip(weights, found, strict=True)]

        stl, total = gradient(StickingTheLanding().log_prob), gradient(lambda q, z: q.log_prob(z))
        score = gradient(lambda q, z: q.log_prob(z.detach()))
        for a, b, c in zip(stl, total, score, strict=True):
            torch.testing.assert_close(a, b - c, atol=1e-9, rtol=1e-9)

    def test_is_a_function_of_noise(self):
        """The map has the moments of q: 20,000 draws, within 5 standard errors or what q knows of its own moments."""
        q = self.q(2)
        z = from_noise(q, torch.randn(20000, *noise_like(q).shape, dtype=torch.float64)).detach()
        mean, scale = q.mean.detach(), q.stddev.detach()
        assert ((z.mean(0) - mean).abs() < (5 / 141 + self.moments) * scale).all()
        torch.testing.assert_close(z.std(0), scale, rtol=0.05 + self.moments, atol=0)

    def test_transport_is_smooth(self):
        """First and second derivatives in the parameters at constant noise, against finite differences."""
        head = self.head(2).double()
        eps = torch.randn(2, 1, 2, dtype=torch.float64)
        y = head.linear(torch.randn(1, F, dtype=torch.float64)).detach().requires_grad_()
        assert torch.autograd.gradcheck(lambda y: transport(head.distribution(y), eps), y, atol=1e-6)
        assert torch.autograd.gradgradcheck(lambda y: transport(head.distribution(y), eps).sum(0), y, atol=1e-5)

    def test_scores_belong_to_their_rows(self):
        """Of every chunking of samples and rows and every order, the same numbers to 1e-10."""
        oracle = LinearGaussian.random(F, 2, seed=1)
        x, head = oracle.sample(9), self.head(2).double()
        vae = VAE(nn.Sequential(head), oracle.vae().decoder, oracle.vae().prior).eval()
        whole = score_rows(vae, Store.from_tensor(x), 50)
        for chunk in (1, 7, 49):
            parts = score_rows(vae, Store.from_tensor(x), 50, chunk)
            torch.testing.assert_close(parts.log_likelihood, whole.log_likelihood, atol=1e-10, rtol=0)
            torch.testing.assert_close(parts.elbo, whole.elbo, atol=1e-10, rtol=0)
        order = torch.randperm(9)
        for rows in (order, order[:4], order[8:]):
            scores = score_rows(vae, Store.from_tensor(x[rows]), 50)
            torch.testing.assert_close(scores.log_likelihood, whole.log_likelihood[rows], atol=1e-10, rtol=0)
        assert not torch.equal(score_rows(vae, Store.from_tensor(x), 50, seed=1).log_likelihood, whole.log_likelihood)
