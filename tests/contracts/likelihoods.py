"""What every p(x|z) owes, and points to integrate it on. Random tests state their false-alarm rate over seeds."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from .sizes import D, F


def levels(n: int) -> tuple[Tensor, Tensor]:
    return torch.arange(n, dtype=torch.float64) / (n - 1), torch.ones(n, dtype=torch.float64)


def gauss_legendre(low: float, high: float, n: int, pieces: int = 1) -> tuple[Tensor, Tensor]:
    points, weights = np.polynomial.legendre.leggauss(n)
    width = (high - low) / pieces
    starts = low + width * np.arange(pieces)
    x = (starts[:, None] + width * (points + 1) / 2).ravel()
    return torch.from_numpy(x), torch.from_numpy(np.tile(weights * width / 2, pieces))


class LikelihoodContract:
    """A member gives `head(positions)` with D cells a position and `total(cell)`, the integral or sum of the first
    cell's density; `values(n)` are n rows of valid data with D cells.
    """

    exact_mass = 1e-9

    def head(self, positions: int = 1) -> nn.Module:
        raise NotImplementedError

    def values(self, n: int, n_cells: int = D) -> Tensor:
        raise NotImplementedError

    def grid(self) -> tuple[Tensor, Tensor]:
        """Points and weights whose weighted sum is the integral over one cell's support."""
        raise NotImplementedError

    def p(self, *lead: int, spread: float = 2.0) -> Distribution:
        return self.head().double()(spread * torch.randn(*lead, F, dtype=torch.float64))

    def test_every_cell_integrates_or_sums_to_one(self):
        points, weights = self.grid()
        x = points.unsqueeze(-1).unsqueeze(-1).expand(-1, 20, D)
        p = self.p(20)
        for d in range(D):
            others = torch.full_like(x, math.nan)
            others[..., d] = x[..., d]
            mass = (weights[:, None] * p.log_prob(others).exp()).sum(0)
            torch.testing.assert_close(mass, torch.ones_like(mass), atol=self.exact_mass, rtol=0)

    def test_missing_cells_contribute_exactly_zero(self):
        p, x = self.p(4), self.values(4)
        holes = x.clone()
        holes[:, 1] = math.nan
        alone = torch.full_like(x, math.nan)
        alone[:, 1] = x[:, 1]
        torch.testing.assert_close(p.log_prob(holes) + p.log_prob(alone), p.log_prob(x))
        assert (p.log_prob(torch.full_like(x, math.nan)) == 0).all()

    def test_missing_cells_have_exactly_zero_gradient(self):
        head, h = self.head(), torch.randn(4, F)
        x = self.values(4).float()
        x[:, 1] = math.nan
        h.requires_grad_()
        head(h).log_prob(x).sum().backward()
        assert h.grad is not None
        assert h.grad.isfinite().all()
        all_missing = torch.full_like(x, math.nan)
        gradient = torch.autograd.grad(head(h).log_prob(all_missing).sum(), h)[0]
        assert (gradient == 0).all()

    def test_leading_dimensions_are_free(self):
        head = self.head()
        h, x = torch.randn(2, 7, 4, F), self.values(4).float()
        whole = head(h).log_prob(x)
        assert whole.shape == (2, 7, 4)
        torch.testing.assert_close(whole[1, 3], head(h[1, 3]).log_prob(x))

    def test_positions_fold_into_cells(self):
        head = self.head(positions=6)
        p = head(torch.randn(2, 6, F))
        assert p.event_shape == (6 * D,)
        assert head.n_cells == 6 * D
        assert p.log_prob(self.values(2, 6 * D).float()).shape == (2,)

    def test_samples_lie_in_the_support_and_have_the_mean(self):
        """False alarm below 1e-5 over seeds: 5 standard errors for 3 cells."""
        p = self.p(1, spread=0.5)
        x = p.sample(torch.Size((4000,)))
        assert x.shape == (4000, 1, D)
        assert p.support is not None
        assert bool(p.support.check(x).all())
        if not isinstance(p.cell, torch.distributions.Categorical):  # type: ignore[attr-defined]
            error = x.std(0) / math.sqrt(4000)
            assert ((x.mean(0) - p.mean).abs() < 5 * error + 1e-6).all()

    def test_half_precision_features_give_float32_parameters(self):
        head = self.head()
        with torch.autocast("cpu", torch.bfloat16):
            log_p = head(torch.randn(4, F)).log_prob(self.values(4).float())
        assert log_p.dtype == torch.float32

    def test_expand(self):
        p = self.p(1)
        assert p.expand(torch.Size((4,))).log_prob(self.values(4)).shape == (4,)
