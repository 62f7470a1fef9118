"""p(x|z) whose cells depend on each other: one after another, each by the likelihood of its field.

    log p(x|z) = sum over observed cells d of log p(x_o(d) | x_o(<d), z)

o is an order of the cells. One pass of a masked network (nets/masked.py) gives the parameters of all D laws at a row x,
so log p(x|z) costs one pass, and a draw of x one pass a cell. Where cells of x are missing, the others are conditioned
on those before them that are observed, and the network is told which.

Without z it is an autoregressive model, whose log p(x) is exact. With z the laws of two cells given z are no longer
independent, so a law of one cell given z alone, which the cells of `MixedCells` have, is not known: what is asked of
missing cells given others is answered by draws of the missing ones, `completed`, which observed cells behind them weigh
(evaluation/cells/ordered.py).

Sources: MADE: masked autoencoder for distribution estimation, Germain, Gregor, Murray and Larochelle, 2015,
https://arxiv.org/abs/1502.03509; Variational lossy autoencoder, Chen et al., 2016, https://arxiv.org/abs/1611.02731
(autoregressive decoders below latents).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..errors import ConfigError, MissingMethodError
from ..nets import CertainValues, FieldFeatures, MaskedLinear, MaskedResidualMLP
from ..rows import Field
from ..runtime.devices import may_look_at
from ..runtime.shapes import broadcast_shapes
from .base import Factorised, Likelihood
from .cell import Cell
from .mixed import InEveryPart, Mixed, MixedCells, Part

Laws = Callable[[Tensor, Tensor], Factorised | MixedCells]


class OrderedCells(Distribution):
    """D cells, each given those before it and z, missing ones left out: event shape (D,).

    Args:
        laws: (z, x) -> the law of every cell given z and the cells of x before it.
        z: (..., Z), what all may see.
        order: cells, first to last, each with the number of its part in the laws and its place there; one that is not
            named has no likelihood: its log-probability is 0, samples are NaN.
        n_cells: D.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore

    def __init__(self, laws: Laws, z: Tensor, order: Sequence[tuple[int, int, int]], n_cells: int) -> None:
        self.laws, self.z, self.order = laws, z, tuple(order)
        super().__init__(z.shape[:-1], torch.Size((n_cells,)), validate_args=False)

    def conditionals(self, x: Tensor) -> Factorised | MixedCells:
        """p(x_d|z, observed cells before d) of every cell along rows x (..., D)."""
        return self.laws(self.z, x)

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats, (...,) for x of shape (..., D); NaN cells add exactly 0."""
        return self.conditionals(value).log_prob(value)

    def log_prob_cells(self, value: Tensor) -> Tensor:
        """log p(x_d|z, observed cells before d), (..., D); exactly 0 for NaN cells."""
        return self.conditionals(value).log_prob_cells(value)

    @property
    def parts(self) -> tuple[Part, ...]:
        """As of `MixedCells`, of the laws of cells of which none of the others is observed."""
        return self.conditionals(self.z.new_full((*self.batch_shape, *self.event_shape), math.nan)).parts

    @property
    def support(self) -> Any:
        return InEveryPart(self.parts)

    def completed(self, x: Tensor, value_of: Callable[[Cell], Tensor] = lambda cell: cell.sample()) -> Tensor:
        """Rows (..., D) whose missing cells are drawn one after another, each given z and all cells before it.

        Args:
            x: rows, which broadcast against z; observed cells stay.
            value_of: what a cell is given by its law; a draw, if not said.
        """
        lead = broadcast_shapes(x.shape[:-1], self.batch_shape)
        x = x.expand(*lead, *self.event_shape)
        missing, places = x.isnan(), torch.arange(self.event_shape[0], device=x.device).unsqueeze(-1)
        for d, part, place in self.order:
            if not may_look_at(missing) or missing[..., d].any():
                cell = self.laws(self.z, x).parts[part][1].cell.at(torch.tensor([place], device=x.device))
                value = value_of(cell).squeeze(-1).to(x.dtype)
                x = x.index_copy(-1, places[d], torch.where(missing[..., d], value, x[..., d]).unsqueeze(-1))
        return x

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self.completed(self.z.new_full((*sample_shape, *self.batch_shape, *self.event_shape), math.nan))

    def point(self) -> Tensor:
        """Each cell's mean, or the mode of names of categories, given z and the same of the cells before it."""
        return self.completed(
            self.z.new_full((*self.batch_shape, *self.event_shape), math.nan),
            lambda cell: cell.mode if cell.is_coded else cell.mean,
        )

    def expand(self, batch_shape: Any, _instance: Any = None) -> OrderedCells:
        return OrderedCells(self.laws, self.z.expand(*batch_shape, self.z.shape[-1]), self.order, self.event_shape[0])

    @property
    def mean(self) -> Tensor:
        raise MissingMethodError(
            "cells that depend on each other have no mean in closed form; average draws, p.sample((1000,)).mean(0), or "
            "take the point estimate, p.point()"
        )


def cell_at(p: Factorised | MixedCells | OrderedCells, d: int) -> Cell:
    """The law of cell d, batch shape (..., 1).

    Raises:
        ConfigError: if it has no likelihood.
    """
    for at, part in p.parts:
        place = (at == d).nonzero().flatten()
        if len(place):
            return part.cell.at(place.to(part.cell.device))
    raise ConfigError(f"cell {d} has no likelihood: it is given to the model, or there is no such cell")


class Autoregressive(nn.Module):
    """z -> p(x|z), cell by cell.

    Args:
        n_free: numbers that go in: of z, and of what is given.
        cells: what each of the D numbers of x is.
        order: cells that have a likelihood, first to last.
        hidden: width of each masked residual block.
        dropout: share of the inner units of blocks dropped in training.
        mask: tell the network which cells are observed.

    Raises:
        ConfigError: as of `Mixed`, or for a likelihood that does not tell which cell an output of its layer is of.

    Example:
        >>> decoder = Autoregressive(16, schema.cells, range(len(schema.cells)), (256, 256))
        >>> model = VAE(encoder, decoder, StandardNormal(16))
    """

    def __init__(
        self,
        n_free: int,
        cells: Sequence[Field],
        order: Sequence[int],
        hidden: Sequence[int],
        dropout: float = 0.0,
        mask: bool = False,
    ) -> None:
        super().__init__()
        rank = {d: i + 1 for i, d in enumerate(order)}
        given = sorted(set(range(len(cells))) - set(rank))
        seen = sorted(rank)
        self.front, self.values = FieldFeatures(cells, mask, seen), CertainValues(cells, seen)
        owners = (*self.front.owners, *(seen if mask else ()), *self.values.owners)
        ranks = [rank[d] for d in owners]
        self.trunk = MaskedResidualMLP(n_free, ranks, len(rank), hidden, dropout)
        self.head = Mixed(self.trunk.n_features, cells, given)
        parts = [getattr(self.head, f"positions{i}").tolist() for i in range(len(self.head.heads))]
        for head, at in zip(self.head.heads.values(), parts, strict=True):
            _mask(head, [rank[d] for d in at], self.trunk.degrees)
        where = {d: (d, i, place) for i, at in enumerate(parts) for place, d in enumerate(at)}
        self.order = tuple(where[d] for d in order)

    def laws(self, z: Tensor, x: Tensor) -> Factorised | MixedCells:
        """p(x_d | z, observed cells before d) of every cell along rows x."""
        return self.head(self.trunk(z, torch.cat((self.front(x), self.values(x)), -1)))

    def forward(self, z: Tensor) -> OrderedCells:
        """p(x|z) with event shape (D,)."""
        return OrderedCells(self.laws, z, self.order, self.head.n_cells)


def _mask(head: nn.Module, ranks: Sequence[int], degrees: Tensor) -> None:
    """Let parameters of the cell of rank r see features of degrees below r alone.

    Args:
        head: of some cells.
        ranks: of these.
        degrees: of its features.
    """
    for name, layer in list(head.named_modules()):
        if not isinstance(layer, nn.Linear):
            continue
        owners = head.owners if name == "linear" and isinstance(head, Likelihood) else list(range(len(ranks)))
        if len(owners) != layer.out_features:
            raise ConfigError(
                f"a {type(head).__name__} does not tell which cell each output of its layer '{name}' is of, so it can "
                "be no part of an autoregressive decoder; write `owners` in its class, or take another likelihood"
            )
        of_outputs = torch.tensor([ranks[cell] for cell in owners])
        *path, last = name.split(".")
        setattr(head.get_submodule(".".join(path)), last, MaskedLinear.of(layer, degrees < of_outputs[:, None]))
