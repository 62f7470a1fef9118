"""How many rows and samples are computed at a time, so that memory does not grow with either.

    rows * samples * m <= 4,000,000          m: numbers of the widest tensor that one z of one row takes on its way

m is seen, not known: p(x|z) and p(z) are computed for 2 and for 3 z, and what each operation makes is counted. The
difference is what a z takes; tensors that no z is in, such as weights, have none.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ...priors import Estimated
from ...rows import Store
from ...terms import Model, View, device_of_model, n_latents, view_of

CELLS_PER_CHUNK = 4_000_000


def chunk_sizes(n_samples: int, n_numbers: int, chunk: int | None) -> tuple[int, int]:
    """(rows, samples) of a chunk: ``chunk`` samples at a time if given, else what keeps p(x|z) within some 16 MB."""
    samples = min(n_samples, chunk or 100)
    return max(1, CELLS_PER_CHUNK // (samples * n_numbers)), samples


@torch.no_grad()
def numbers_per_row(model: Model, data: Store) -> int:
    """m: D at least, and more where layers are wide, a cell is described by many numbers, or p(z) by a path."""
    if not len(data):
        return data.n_dims
    x = data.subset(torch.arange(1)).fixed(0).to(device_of_model(model))
    view = view_of(model, x)
    prior = view.prior()
    of_prior = prior.numbers if isinstance(prior, Estimated) else 0
    # the row may have no cell that is missing, and masks that are modelled take most where one is
    parts: Any = getattr(view.decode(x.new_zeros(1, n_latents(view))), "parts", ())
    of_cells = sum(len(at) * part.numbers_per_cell for at, part in parts)
    few, more = (_sizes(view, x, n) for n in (2, 3))
    of_layers = max((b - a for a, b in zip(few, more, strict=False)), default=0)
    return max(data.n_dims, of_prior, of_cells, of_layers)


class _Sizes(TorchDispatchMode):
    """Numbers of every tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.found = list[int]()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # what torch asks of a mode; where it is so, the compiler is loaded, which takes a second
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.found.extend(t.numel() for t in tree_leaves(made) if isinstance(t, Tensor))
        return made


def _sizes(view: View, x: Tensor, n: int) -> list[int]:
    """Of log p(x|z) and log p(z) for n of z, operation by operation."""
    z, prior = x.new_zeros(n, 1, n_latents(view)), view.prior()
    with _Sizes() as sizes:
        p = view.decode(z)
        # what has no density is refused where it is asked for one
        with suppress(NotImplementedError):
            p.log_prob(x)
        with suppress(NotImplementedError):
            if not isinstance(prior, Estimated):
                prior.log_prob(z)
    return sizes.found
