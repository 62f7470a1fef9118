"""Rules whose nodes stand close where a mask turns: exact for steep masks too, against dense sums in float64."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import integrate, special, stats
from torch import Tensor
from torch.nn.functional import logsigmoid

from velbo.likelihoods.beta import BetaCell
from velbo.likelihoods.cell import Cell
from velbo.likelihoods.gamma import GammaCell
from velbo.likelihoods.laplace import LaplaceCell
from velbo.likelihoods.log_normal import LogNormalCell
from velbo.likelihoods.logit_normal import LogitNormalCell
from velbo.likelihoods.masked_cells import CellsAndMask
from velbo.likelihoods.mixture import NormalMixtureCell
from velbo.likelihoods.negative_binomial import NegativeBinomialCell, ZeroInflatedCell
from velbo.likelihoods.normal import NormalCell
from velbo.likelihoods.poisson import PoissonCell
from velbo.likelihoods.student_t import StudentTCell
from velbo.likelihoods.turning import Turn, around_turn

NODES = 49


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


V = torch.linspace(-1, 1, 40_001, dtype=torch.float64)
COUNTS = (torch.arange(100_000).double(), torch.zeros(100_000).double())


def of_logits(v: Tensor) -> tuple[Tensor, Tensor]:
    return torch.sigmoid(v), logsigmoid(v) + logsigmoid(-v)


# a cell; points x over all of its mass, in steps of a number in which it is smooth; log dx of the steps
CASES: dict[str, tuple[Cell, tuple[Tensor, Tensor]]] = {
    "normal": (NormalCell(numbers(0.3), numbers(1)), (0.3 + 15 * V, 0 * V)),
    "wide normal": (NormalCell(numbers(0.3), numbers(5)), (0.3 + 75 * V, 0 * V)),
    "student-t": (
        StudentTCell(numbers(4), numbers(0.3), numbers(2)),
        (0.3 + 2 * torch.sinh(25 * V), torch.cosh(25 * V).log()),
    ),
    "laplace": (LaplaceCell(numbers(0.3), numbers(2)), (0.3 + 120 * V**3, 2 * V.abs().clamp_min(1e-300).log())),
    "log-normal": (LogNormalCell(numbers(0.3), numbers(2)), (torch.exp(0.3 + 30 * V), 0.3 + 30 * V)),
    "gamma": (GammaCell(numbers(0.3), numbers(0.5)), (torch.exp(40 * V - 35), 40 * V - 35)),
    "beta": (BetaCell(numbers(0.4), numbers(2)), of_logits(35 * V)),
    "logit-normal": (LogitNormalCell(numbers(0.4), numbers(1.5)), of_logits(20 * V)),
    "mixture": (
        NormalMixtureCell(numbers(0.2, 0.5, 0.3).log()[None], numbers(-3, 0, 2)[None], numbers(0.2, 5, 1)[None]),
        (80 * V, 0 * V),
    ),
    "counts": (NegativeBinomialCell(numbers(3), numbers(0.7)), COUNTS),
    "many counts": (NegativeBinomialCell(numbers(6.9), numbers(0.7)), COUNTS),
    "zero-inflated": (ZeroInflatedCell(numbers(4), numbers(-0.7), numbers(-1)), COUNTS),
    "poisson": (PoissonCell(numbers(6.9)), COUNTS),
}
MOST = {"counts": 1e-3, "many counts": 3e-3, "zero-inflated": 1e-3, "student-t": 1e-4}


def dense(cell: Cell, x: Tensor, log_dx: Tensor) -> Tensor:
    """Log-masses of the steps, which sum to one."""
    return (cell.log_prob(x[:, None])[:, 0] + log_dx).nan_to_num(-math.inf).log_softmax(0)


@pytest.mark.parametrize("name", CASES)
def test_steep_masks_are_exact(name):
    """Slopes from 0.3 to 9.9 either way, turns at quantiles from 1e-5 to 1 - 1e-5, 49 nodes. log p(missing) is right to
    1e-5, and for counts to 3e-3: with equal steps it was wrong by up to 0.7.
    """
    cell, (x, log_dx) = CASES[name]
    log_p, c = dense(cell, x, log_dx), cell.coordinate(x)
    up_to = log_p.exp().cumsum(0)
    for quantile in (1e-5, 1e-3, 0.1, 0.5, 0.9, 0.999, 1 - 1e-5):
        turn = c[int((up_to < quantile).sum())]
        for slope in (0.3, 1.0, 3.0, 9.9, -1.0, -9.9):
            found = CellsAndMask(cell, lambda x, b=slope, t=turn: b * (cell.coordinate(x) - t), NODES).missing.log_total
            expected = torch.logsumexp(log_p + logsigmoid(slope * (c - turn)), 0)
            assert float(found) == pytest.approx(float(expected), abs=MOST.get(name, 1e-5)), (quantile, slope)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0, 5.0])
def test_float32_is_as_good_as_float32_can_be(scale):
    """Normals against scipy's adaptive quadrature in float64."""
    for slope in (1.0, 10.0):
        for sigmas in (0, 2, 5):
            offset = -slope * sigmas * scale

            def f(x: float, scale=scale, a=offset, b=slope) -> float:
                return stats.norm.pdf(x, 0, scale) * special.expit(a + b * x)

            ends = (-14 * scale, 14 * scale)
            mass = integrate.quad(f, *ends, points=[sigmas * scale], epsabs=0, epsrel=1e-10, limit=300)[0]
            cell = NormalCell(torch.zeros(1), torch.full((1,), scale))
            found = CellsAndMask(cell, lambda x, a=offset, b=slope: a + b * x, NODES).missing.log_total
            assert float(found) == pytest.approx(math.log(mass), abs=2e-5)


def test_gradients_of_steep_masks_are_exact():
    """Of log p(missing) by the mean, the scale, the offset and the slope of the mask: those of the dense sum."""
    start = (0.3, 5.0, -20.0, 9.0)

    def log_missing(nodes: bool, *p: Tensor) -> Tensor:
        loc, scale, a, b = p
        if nodes:
            return CellsAndMask(NormalCell(loc, scale), lambda x: a + b * x, NODES).missing.log_total.sum()
        x = 75 * V[:, None]
        return torch.logsumexp(NormalCell(loc, scale).log_prob(x) + logsigmoid(a + b * x), 0).sum()

    found, expected = (
        torch.autograd.grad(log_missing(nodes, *p), p)
        for nodes in (True, False)
        for p in [[numbers(v).requires_grad_() for v in start]]
    )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_a_flat_mask_leaves_equal_steps():
    places = around_turn(CASES["normal"][0], lambda x: 0.7 + 1e-9 * x, NODES)
    torch.testing.assert_close(places.at[:, 0], torch.linspace(0, 1, NODES).double(), atol=5e-3, rtol=0)
    torch.testing.assert_close(places.log_slope.std(), numbers(0)[0], atol=1e-2, rtol=0)


@pytest.mark.parametrize("at", [-1.0, -0.01, 0.0, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("delta", [1e-5, 1e-2, 0.3, 10.0])
def test_places_are_in_order_and_their_slope_is_the_derivative(at, delta):
    """From end to end, no step larger than twice an equal one, and d at / ds by finite differences of many places."""
    for nodes in (NODES, 4001):
        places = Turn(numbers(at), numbers(delta)).places(nodes)
        t = places.at[:, 0]
        assert t[0] == pytest.approx(0, abs=1e-9)
        assert t[-1] == pytest.approx(1, abs=1e-9)
        assert (t.diff() > 0).all()
        assert float(t.diff().max()) < 2.1 / (nodes - 1)
    slope = places.log_slope[1:-1, 0].exp()
    by_difference = (t[2:] - t[:-2]) / 2
    ratio = by_difference / slope
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), rtol=2e-3, atol=0)
