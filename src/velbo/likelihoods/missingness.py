"""Cells that are missing not at random: the mask is modelled too, and p(x, mask | z) still factorises over cells.

    m_d(x_d, z) = sigmoid( a_d + b_d c(x_d) + f_d(z) )                   probability that cell d is missing

b = 0 is missingness by the latents alone, f = 0 self-masking alone, both 0 missing completely at random. Codes have a
logit a_dc for every category. Numbers have one slope b_d, within +-STEEPEST, on the cell's own coordinate c.
masked_cells.py tells what a row and its mask are worth.

Source: not-MIWAE: Deep generative modelling with missing not at random data, Ipsen, Mattei and Frellsen, 2021,
https://arxiv.org/abs/2006.12871 (there the expectation over a missing cell is one more Monte Carlo sum).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..errors import ConfigError, MissingMethodError
from ..nets import FullPrecisionLinear
from .base import Factorised
from .cell import Cell
from .coded import CodedCell
from .masked_cells import CellsAndMask, Mask
from .mixed import MixedCells, Part
from .ranges import inverse_limited, limited

STEEPEST = 10.0
"""Of a slope b. A steeper mask is a step, and has no gradient anywhere else."""
FEWEST = 15
"""Nodes: steps of one standard deviation or two, for Normals."""


class MissingNotAtRandom(nn.Module):
    """Features (..., F) -> p(x, mask | z), by a head for x and a mechanism for the mask.

    The library's rule that a NaN cell counts 0 is replaced on purpose: in a column of ``missing`` it counts
    log p(missing|z), and an observed one log p(x_d|z) + log(1 - m_d). Log-likelihoods are those of row and mask, not to
    be compared with a model of the row alone. In all other columns nothing changes; NaN there is missing at random.

    NaN must mean missing, then. Who hides a cell for a purpose of his own (a held-out cell, log p of a cell given the
    rest) must not put NaN for it here, or that counts as evidence on what it holds: leave its column out of
    ``log_prob_cells`` instead.

    A slope is told from a shift of p(x_d|z) by the shape of p(x_d|z) alone: another likelihood finds another mechanism
    in the same data. Compare fits, and what they fill in; no data can prove that cells are missing at random.

    Args:
        head: features -> distribution with ``parts``, such as `Mixed`, `Normal` or any other `Likelihood`.
        n_in: F.
        missing: positions of the columns that have missing cells; those that the head gives no likelihood are ignored.
        names: of all D columns, for messages.
        depends_on_latents: whether f is learned, a linear layer of the features, or 0: self-masking alone.
        slope: where slopes begin, one number or one for each of ``missing`` (codes have none). Around 0 the likelihood
            is nearly flat, as a shift of p(x_d|z) makes up for a slope, and training may stay there: begin at 1 if it
            is known that large values are missing more often, at -1 for small ones, or try both and compare.
        nodes: of the rules, for every component of a mixture. They stand close where the mask turns.

    Raises:
        ConfigError: if a position is none, no column is left, a column's cells have no rule, or a slope is too steep.
    """

    def __init__(
        self,
        head: nn.Module,
        n_in: int,
        missing: Sequence[int],
        names: Sequence[str] = (),
        depends_on_latents: bool = True,
        slope: float | Sequence[float] = 0.0,
        nodes: int = 49,
    ) -> None:
        super().__init__()
        if nodes < FEWEST:
            raise ConfigError(f"a rule of {nodes} nodes is wrong for any mask; take some 50, and {FEWEST} at least")
        if getattr(head, "positions", 1) != 1:
            raise ConfigError("the mask is modelled for rows of cells, not for positions after a convolution")
        self.head, self.n_nodes = head, nodes
        with torch.no_grad():
            p: Any = head(next(head.parameters()).new_zeros(1, n_in))
        slopes = _slopes(missing, slope, p.event_shape[0])
        self.effects, self.sizes = nn.ParameterList(), []
        for i, (at, part) in enumerate(p.parts):
            is_missing = torch.tensor([int(d) in slopes for d in at])
            self.register_buffer(f"with{i}", is_missing.nonzero().squeeze(-1), persistent=False)
            self.register_buffer(f"without{i}", (~is_missing).nonzero().squeeze(-1), persistent=False)
            chosen = [int(d) for d in at[is_missing]]
            self.sizes.append(len(chosen))
            if chosen:
                labels = [names[d] if names else str(d) for d in chosen]
                places = is_missing.nonzero().squeeze(-1)
                self.effects.append(_effects(part.cell, places, labels, [slopes[d] for d in chosen]))
        if not sum(self.sizes):
            raise ConfigError("no column that is modelled has missing cells, so no mechanism is needed; leave it out")
        self.intercept = nn.Parameter(torch.zeros(sum(self.sizes)))
        self.latents = FullPrecisionLinear(n_in, sum(self.sizes), bias=False) if depends_on_latents else None
        if self.latents is not None:
            nn.init.zeros_(self.latents.weight)

    def forward(self, features: Tensor, *sizes: Tensor) -> MixedCells:
        """p(x, mask | z) with event shape (D,).

        Args:
            features: (..., F).
            sizes: for a head that takes them, such as the library size and its counts.
        """
        p: Any = self.head(features, *sizes)
        offsets = self.intercept if self.latents is None else self.intercept + self.latents(features)
        parts: list[Part] = []
        effects = iter(self.effects)
        for i, ((at, part), offset) in enumerate(zip(p.parts, offsets.split(self.sizes, -1), strict=True)):
            with_mask, without = getattr(self, f"with{i}"), getattr(self, f"without{i}")
            if not len(with_mask):
                parts.append((at, part))
                continue
            at = at.to(with_mask.device)
            if len(without):
                parts.append((at[without], Factorised(part.cell.at(without))))
            cell = part.cell.at(with_mask) if len(without) else part.cell
            mask = _mask(cell, offset, cast(Tensor, next(effects)))
            parts.append((at[with_mask], CellsAndMask(cell, mask, self.n_nodes)))
        return MixedCells(parts, p.event_shape[0])


def _slopes(missing: Sequence[int], slope: float | Sequence[float], n_cells: int) -> dict[int, float]:
    """Position of a column -> where its slope begins."""
    if not set(missing) <= set(range(n_cells)):
        raise ConfigError(f"columns with missing cells are places from 0 to {n_cells - 1}, not {list(missing)}")
    slopes = list(slope) if isinstance(slope, Sequence) else [slope] * len(missing)
    if len(slopes) != len(missing) or not all(abs(b) < STEEPEST for b in slopes):
        raise ConfigError(
            f"slopes begin at one number for all, or at one for each of the {len(missing)} columns with missing cells, "
            f"between -{STEEPEST:g} and {STEEPEST:g}, not at {slope}"
        )
    return {int(d): b for d, b in zip(missing, slopes, strict=True)}


def _effects(cell: Cell, places: Tensor, names: Sequence[str], slopes: Sequence[float]) -> nn.Parameter:
    """What begins at 0 for every category, (n, C), or at a slope, (n,), of the cells at these places."""
    try:
        chosen = cell if len(places) == cell.batch_shape[-1] else cell.at(places)
        points, _ = chosen.rule(2)
    except MissingMethodError as error:
        raise ConfigError(f"column {', '.join(names)}: the mask cannot be modelled, because {error}") from error
    if cell.is_coded:
        return nn.Parameter(torch.zeros(len(names), len(points)))
    return nn.Parameter(torch.tensor([inverse_limited(b, STEEPEST) for b in slopes]))


def _mask(cell: Cell, offset: Tensor, effects: Tensor) -> Mask:
    if isinstance(cell, CodedCell) and cell.is_coded:
        places = torch.arange(len(effects), device=effects.device)
        return lambda x: offset + effects[places, cell.codes(x)]
    slope = limited(effects, STEEPEST)
    return lambda x: offset + slope * cell.coordinate(x)
