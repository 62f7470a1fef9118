"""Splines that are inverted: against bisection of the spline itself, and against zuko's in float64."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import Tensor
from zuko.transforms import MonotonicRQSTransform

from velbo.posteriors.spline import BINS, RationalQuadraticSpline

N = 5000


def spline(steepness: float, kind: type[MonotonicRQSTransform] = RationalQuadraticSpline) -> MonotonicRQSTransform:
    """N of them, in float32."""
    return kind(*(steepness * torch.randn(N, BINS - i // 2) for i in range(3)))


def back(f: MonotonicRQSTransform, y: Tensor) -> Tensor:
    """x of y."""
    return cast(Tensor, f.inv(y))


def bisected(f: MonotonicRQSTransform, y: Tensor) -> tuple[Tensor, Tensor]:
    """x in float64 with f(x) = y for the same knots, and |dx/dy| there."""
    exact = spline(1.0)
    exact.horizontal, exact.vertical, exact.derivatives = (
        t.double() for t in (f.horizontal, f.vertical, f.derivatives)
    )
    low, high = torch.full_like(y, -5).double(), torch.full_like(y, 5).double()
    for _ in range(80):
        middle = (low + high) / 2
        is_below = cast(Tensor, exact(middle)) < y
        low, high = torch.where(is_below, middle, low), torch.where(is_below, high, middle)
    return low, exact.call_and_ladj(low)[1].neg().exp()


@pytest.mark.parametrize("steepness", [1.0, 5.0, 50.0])
def test_the_inverse_in_float32_is_as_exact_as_y(steepness: float):
    """To 60 units in the last place of x, and what as many in that of y change; up to where a slope is 1e-8."""
    f, x = spline(steepness), 10 * torch.rand(N) - 5
    y = cast(Tensor, f(x))
    exact, slope = bisected(f, y)
    units = (1 + exact.abs() + y.abs() * slope) * torch.finfo(torch.float32).eps
    found = back(f, y)
    assert found.isfinite().all()
    assert ((found - exact).abs() <= 60 * units).all()


def test_the_inverse_is_zukos_where_nothing_is_steep():
    torch.manual_seed(0)
    ours = spline(0.5)
    torch.manual_seed(0)
    theirs, y = spline(0.5, MonotonicRQSTransform), 16 * torch.rand(N) - 8
    torch.testing.assert_close(back(ours, y), back(theirs, y), atol=1e-5, rtol=0)
    assert torch.equal(back(ours, y)[y.abs() > 5], y[y.abs() > 5])


def test_gradients_of_the_inverse_are_finite_at_knots_and_between():
    f = spline(50.0)
    for y in (10 * torch.rand(N) - 5, f.vertical[:, 3].clone(), torch.full((N,), 5.0)):
        y.requires_grad_()
        (g,) = torch.autograd.grad(back(f, y).sum(), y)
        assert g.isfinite().all()
