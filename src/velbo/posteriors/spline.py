"""Monotone rational-quadratic splines on [-5, 5] that are inverted without loss, and flows that are made of them.

In a bin from (x0, y0) to (x1, y1), with slopes d0 and d1 at its ends, s = (y1 - y0) / (x1 - x0) and z = (x - x0) /
(x1 - x0),

    (y - y0) / (y1 - y0) = r = ( s z^2 + d0 z (1 - z) ) / ( s + t z (1 - z) ),    t = d0 + d1 - 2 s
    a z^2 + b z - r s = 0,   a = s - d0 + r t,   b = d0 - r t

zuko takes z = 2 r s / (b + sqrt(b^2 + 4 a r s)). Where the slope at the bin's upper end is small, that root is a
difference of numbers that are nearly equal, and below 0 by rounding, which makes NaN. So z is counted from the nearer
end of the bin, where the root is the slope at that end or near it, and taken in the form whose terms have one sign.

Source: Neural spline flows, Durkan et al., 2019, https://arxiv.org/abs/1906.04032 (eqs. 4, 6 to 8).
"""

from __future__ import annotations

from typing import Any, cast

import torch
import zuko
from torch import LongTensor, Tensor
from zuko.transforms import MonotonicRQSTransform

BINS = 8


class RationalQuadraticSpline(MonotonicRQSTransform):
    """zuko's, with an inverse of its own."""

    def _inverse(self, y: Tensor) -> Tensor:
        place = cast(LongTensor, self.searchsorted(self.vertical, y) - 1)
        inside, x0, x1, y0, y1, d0, d1, s = self.bin(place)
        is_lower = y - y0 < y1 - y
        r = inside * torch.where(is_lower, y - y0, y1 - y) / (y1 - y0)
        d, t = torch.where(is_lower, d0, d1), d0 + d1 - 2 * s
        a, b = s - d + r * t, d - r * t
        # the root of 0 has no gradient
        root = (b.square() + 4 * a * r * s).clamp_min(torch.finfo(y.dtype).tiny).sqrt()
        # a + b = s, so a > 0 where b < 0
        down, up = 2 * r * s / (b.clamp_min(0) + root), (root - b) / (2 * torch.where(b < 0, a, 1.0))
        step = torch.where(b < 0, up, down).clamp(0, 1) * (x1 - x0)
        return torch.where(inside, torch.where(is_lower, x0 + step, x1 - step), y)


def spline_flow(n_latents: int, context: int = 0, **more: Any) -> zuko.flows.MAF:
    """A lazy flow over Z numbers; ``more`` as of `zuko.flows.MAF`."""
    shapes = [(BINS,), (BINS,), (BINS - 1,)]
    return zuko.flows.MAF(n_latents, context, univariate=RationalQuadraticSpline, shapes=shapes, **more)
