"""Refusals before the first step: a likelihood is one on its support only."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .errors import DataError
from .terms import Model, n_latents, view_of


@torch.no_grad()
def check_support(model: Model, x: Tensor) -> None:
    """
    Raises:
        DataError: if an observed cell of x (B, D) lies outside the support of its p(x_d|z).
    """
    view = view_of(model, x)
    p = view.decode(x.new_zeros(len(x), n_latents(view)))
    whole = ((torch.arange(x.shape[-1]), p),)
    for positions, part in getattr(p, "parts", whole):
        cells: Any = getattr(part, "cell", part)
        values = x.index_select(-1, positions.to(x.device))
        filled = values.masked_fill(values.isnan(), getattr(part, "inside", 0.0))
        if not bool(cells.support.check(filled).all()):
            raise DataError(
                f"the data lie outside the support of the likelihood, {cells.support}; encode them first, or "
                "choose a likelihood for such values"
            )
