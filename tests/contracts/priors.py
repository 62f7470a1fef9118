"""What every p(z) owes. Random tests state their false-alarm rate over seeds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from velbo.runtime.precision import products

from .elsewhere import ELSEWHERE, there, watched


class PriorContract:
    """A member gives `prior(n_latents)`: () -> p(z); ``exact_mass`` is how well trapezoids integrate it, ``far_mass``
    how well in two dimensions and far from its initial values.
    """

    exact_mass = 1e-6
    far_mass = 1e-4

    def prior(self, n_latents: int) -> nn.Module:
        raise NotImplementedError

    def spread(self, prior: nn.Module, by: float = 0.05) -> nn.Module:
        """Away from its initial values, so that what is tested is not a standard Normal."""
        with torch.no_grad():
            for p in prior.parameters():
                p.add_(by * torch.randn_like(p))
        return prior

    def test_a_pass_computes_where_the_prior_is_and_waits_for_nothing(self):
        """So that a GPU is given a whole step at once."""
        prior, z = there(self.prior(3)), torch.zeros(5, 3, device=ELSEWHERE, requires_grad=True)
        with watched():
            prior().log_prob(z).sum().backward()

    def test_density_integrates_to_one(self):
        z = torch.linspace(-20, 20, 40001, dtype=torch.float64)
        p = self.spread(self.prior(1).double())()
        mass = torch.trapezoid(p.log_prob(z[:, None]).exp(), z, dim=0)
        assert float(mass.detach()) == pytest.approx(1, abs=self.exact_mass)

    def test_samples_match_the_density(self):
        """Kolmogorov-Smirnov against the integrated density; false alarm 1e-4 over seeds."""
        from scipy.stats import kstest

        p = self.spread(self.prior(1).double())()
        z = torch.linspace(-20, 20, 40001, dtype=torch.float64)
        cdf = torch.cumulative_trapezoid(p.log_prob(z[:, None]).detach().exp(), z).numpy()
        draws = p.sample(torch.Size((5000,)))[:, 0].numpy()
        assert kstest(draws, lambda v: np.interp(v, z[1:].numpy(), cdf)).pvalue > 1e-4

    def test_two_dimensions_integrate_to_one(self):
        """Trapezoids on a grid of 401 x 401 points, [-10, 10] each way."""
        side = torch.linspace(-10, 10, 401, dtype=torch.float64)
        p = self.spread(self.prior(2).double())()
        density = p.log_prob(torch.cartesian_prod(side, side)).detach().exp().view(401, 401)
        mass = torch.trapezoid(torch.trapezoid(density, side), side)
        assert float(mass.detach()) == pytest.approx(1, abs=1e-4)

    def test_two_dimensions_integrate_to_one_far_from_the_initial_values_too(self):
        """Sums over equal steps of u, z = sinh u, with tails up to 80,000 either way."""
        u = torch.linspace(-12, 12, 401, dtype=torch.float64)
        p = self.spread(self.prior(2).double(), 0.2)()
        weights = u.cosh() * (u[1] - u[0])
        with torch.no_grad():
            density = p.log_prob(torch.cartesian_prod(u.sinh(), u.sinh())).exp().view(401, 401)
        assert float(weights @ density @ weights) == pytest.approx(1, abs=self.far_mass)

    def test_samples_of_two_dimensions_match_the_density(self):
        """Chi-squared over 16 cells of [-10, 10]^2 by the density's own mass; false alarm 1e-4 over seeds."""
        from scipy.stats import chi2

        side = torch.linspace(-10, 10, 401, dtype=torch.float64)
        p = self.spread(self.prior(2).double())()
        points = torch.cartesian_prod(side, side)
        mass = p.log_prob(points).detach().exp()
        mass = mass / mass.sum()
        draws = p.sample(torch.Size((4000,)))
        edges = torch.tensor([-0.7, 0.0, 0.7], dtype=torch.float64)

        def cell(z: Tensor) -> Tensor:
            i, j = torch.bucketize(z.contiguous(), edges).unbind(-1)
            return 4 * i + j

        expected = 4000 * torch.zeros(16, dtype=torch.float64).index_add(0, cell(points), mass)
        counts = torch.bincount(cell(draws), minlength=16)
        kept = expected > 5
        statistic = ((counts - expected)[kept] ** 2 / expected[kept]).sum()
        assert float(statistic) < chi2.ppf(1 - 1e-4, int(kept.sum()) - 1)

    def test_shapes(self):
        p = self.prior(3)()
        assert p.event_shape == (3,)
        assert p.batch_shape == ()
        assert p.sample(torch.Size((4, 2))).shape == (4, 2, 3)
        assert p.log_prob(torch.randn(5, 4, 3)).shape == (5, 4)

    def test_density_is_computed_in_full(self):
        """Under autocast it is what it is outside: parameters of a distribution are not rounded."""
        p, z = self.prior(3)(), torch.randn(50, 3)
        with torch.autocast("cpu", torch.bfloat16), products("bf16-products"):
            inside = p.log_prob(z)
        assert torch.equal(inside, p.log_prob(z))

    def test_every_parameter_learns(self):
        prior, z = self.prior(3), torch.randn(50, 3)
        prior().log_prob(z).sum().backward()
        for name, parameter in prior.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
