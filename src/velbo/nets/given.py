"""A part of a model for rows of which something is given: what is given goes into the part beside its own input."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..runtime.shapes import broadcast_shapes


class Given(nn.Module):
    """input (..., B, n) -> module((input, c), *sizes) for rows whose c is fixed.

    Args:
        module: of (input, c) in one tensor (..., B, n + F), and ``sizes``.
        c: (B, F).
        sizes: what else is given, (B, ...) each: the library size and its counts, or nothing.
    """

    def __init__(self, module: nn.Module, c: Tensor, sizes: Sequence[Tensor] = ()) -> None:
        super().__init__()
        self.module, self.c, self.sizes = module, c, tuple(sizes)

    def forward(self, inputs: Tensor) -> Tensor | Distribution:
        lead = broadcast_shapes(inputs.shape[:-1], self.c.shape[:-1])
        parts = (t.expand(*lead, t.shape[-1]) for t in (inputs, self.c.to(inputs.dtype)))
        return self.module(torch.cat(tuple(parts), -1), *self.sizes)
