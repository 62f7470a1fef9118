"""p(x|z) of a row: every number has the likelihood of its kind, and all are one sum in nats.

    log p(x|z) = sum over observed cells d of log p_d(x_d | z)

The cells of one likelihood share a head, so there are as many small computations as likelihoods, whatever the number
of columns. No column has a weight: what one bit is worth is the same in all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints

from ..errors import ConfigError
from ..rows import Field
from .base import Factorised, at_positions
from .counts import CountLikelihood
from .registry import LIKELIHOODS, likelihood_of

Part = tuple[Tensor, Factorised]


class InEveryPart(constraints.Constraint):
    """Rows (..., D) whose cells lie in the supports of their columns; cells without a likelihood may hold anything."""

    event_dim = 1

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        super().__init__()

    def check(self, value: Tensor) -> Tensor:
        checks = [part.support.check(value.index_select(-1, positions)) for positions, part in self.parts]
        return torch.stack(torch.broadcast_tensors(*checks)).all(0)

    def __repr__(self) -> str:
        return " and ".join(str(part.cell.support) for _, part in self.parts)


class MixedCells(Distribution):
    """D independent cells of several sorts, missing ones left out: event shape (D,).

    Args:
        parts: (positions of its cells, their distribution) of every sort; batch shapes are equal.
        n_cells: D; a cell in no part has no likelihood: its log-probability is 0, its samples and moments are NaN.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore

    def __init__(self, parts: Sequence[Part], n_cells: int) -> None:
        self.parts = tuple(parts)
        super().__init__(parts[0][1].batch_shape, torch.Size((n_cells,)), validate_args=False)

    @property
    def support(self) -> Any:
        return InEveryPart(self.parts)

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats, (...,) for x of shape (..., D); NaN cells add exactly 0."""
        return torch.stack([part.log_prob(value.index_select(-1, at)) for at, part in self.parts]).sum(0)

    def log_prob_cells(self, value: Tensor) -> Tensor:
        """log p(x_d|z) of every cell, (..., D); exactly 0 for NaN cells."""
        cells = [part.log_prob_cells(value.index_select(-1, at)) for at, part in self.parts]
        return self._joined(cells, 0.0)

    def conditionals(self, x: Tensor) -> MixedCells:
        """p(x_d|z, cells before d) of every cell along rows x: the same, as cells are independent given z."""
        return self

    def _joined(self, values: Sequence[Tensor], fill: float = math.nan) -> Tensor:
        return at_positions([at for at, _ in self.parts], values, self.event_shape[0], fill)

    def _of_parts(self, value: Callable[[Factorised], Tensor]) -> Tensor:
        return self._joined([value(part) for _, part in self.parts])

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self._of_parts(lambda part: part.sample(sample_shape))

    def expand(self, batch_shape: Any, _instance: Any = None) -> MixedCells:
        return MixedCells([(at, part.expand(batch_shape)) for at, part in self.parts], self.event_shape[0])

    def _each(self, law: Callable[[Factorised], Factorised]) -> MixedCells:
        return MixedCells([(at, law(part)) for at, part in self.parts], self.event_shape[0])

    @property
    def given_missing(self) -> MixedCells:
        """p(x_d|z, cell d is missing): the same, where cells are missing at random."""
        return self._each(lambda part: part.given_missing)

    @property
    def given_observed(self) -> MixedCells:
        """p(x_d|z, cell d is observed), likewise."""
        return self._each(lambda part: part.given_observed)

    @property
    def log_observed(self) -> Tensor:
        """log p(cell d is observed|z), (..., D): 0 where the mask is not modelled."""
        return self._joined([part.log_observed for _, part in self.parts], 0.0)

    def masked(self, x: Tensor, u: Tensor) -> Tensor:
        """x (..., D) with NaN where u, uniform on [0, 1), is below the probability that the cell is missing.

        A cell without a likelihood is NaN as in `sample`, and one whose mask is not modelled is as it was.
        """
        parts = [part.masked(x.index_select(-1, at), u.index_select(-1, at)) for at, part in self.parts]
        return self._joined(parts)

    @property
    def mean(self) -> Tensor:
        """E[x|z], (..., D); of the codes, for categories."""
        return self._of_parts(lambda part: part.mean)

    @property
    def mode(self) -> Tensor:
        return self._of_parts(lambda part: part.mode)

    @property
    def variance(self) -> Tensor:
        return self._of_parts(lambda part: part.variance)


def row_and_mask(p: Distribution) -> Tensor:
    """A draw of x and of which cells are missing: x (..., D), with NaN where the mask is modelled."""
    x = p.sample()
    return p.masked(x, torch.rand_like(x)) if isinstance(p, Factorised | MixedCells) else x


class Mixed(nn.Module):
    """Features -> p(x|z) of rows of D numbers, each with the likelihood that its column names.

    Cells of one likelihood (and group, `Likelihood.group`) share a head. Where that is all of them, its distribution is
    given as it is.

    Args:
        n_in: width F of the features.
        cells: what each of the D numbers of x is.
        given: positions of those that have no likelihood.
        library: whether the means of the counts are shares of a library size, which then goes into ``forward``.
        positions: rows of features per observation, for features (..., P, F): the cells that are not given are those of
            one position after the other, the same at each.

    Raises:
        ConfigError: if a likelihood is unknown or does not suit its column, if every column is given, or if counts that
            share a library size have several likelihoods or one that takes none.
    """

    def __init__(
        self,
        n_in: int,
        cells: Sequence[Field],
        given: Sequence[int] = (),
        library: bool = False,
        positions: int = 1,
    ) -> None:
        super().__init__()
        self.n_cells, self.positions = len(cells), positions
        modelled = sorted(set(range(len(cells))) - set(given))
        n_out = len(modelled) // positions
        if not modelled:
            raise ConfigError("every column is given, and none is left to have a likelihood; give fewer")
        if n_out * positions != len(modelled):
            raise ConfigError(f"{len(modelled)} cells cannot be dealt out evenly among {positions} positions")
        of_one = [cells[d] for d in modelled[:n_out]]
        groups = _groups(of_one)
        self.heads, counts = nn.ModuleDict(), set[str]()
        for i, ((name, _), places) in enumerate(groups.items()):
            at = [modelled[p * n_out + c] for p in range(positions) for c in places]
            key = name if name not in self.heads else f"{name}-{i}"
            self.heads[key] = LIKELIHOODS[name].of(n_in, [cells[d] for d in at], positions)
            self.register_buffer(f"positions{i}", torch.tensor(at), persistent=False)
            counts |= {key for c in places if of_one[c].kind == "count"}
        self.is_of_one = len(groups) == 1 and len(modelled) == len(cells)
        if library:
            self._check_library(counts)

    def _check_library(self, counts: set[str]) -> None:
        if len(counts) != 1 or not isinstance(self.heads[min(counts)], CountLikelihood):
            raise ConfigError(
                "with a library size the means of all counts are shares of one sum, so all count columns need one "
                f"likelihood of their own sort, and these have {', '.join(sorted(counts)) or 'none'}; give all "
                "count columns negative-binomial, zero-inflated-negative-binomial or poisson"
            )

    def forward(
        self, features: Tensor, library: Tensor | None = None, observed: Tensor | None = None
    ) -> Factorised | MixedCells:
        """p(x|z) with event shape (D,).

        Args:
            features: (..., F).
            library: (..., 1), what the means of the counts sum to ...
            observed: ... over these counts, (..., n); over all, if not given.
        """
        found: list[Factorised] = []
        for head in self.heads.values():
            takes = library is not None and isinstance(head, CountLikelihood)
            found.append(head(features, library, observed) if takes else head(features))
        if self.is_of_one:
            return found[0]
        return MixedCells([(getattr(self, f"positions{i}"), p) for i, p in enumerate(found)], self.n_cells)


def _groups(cells: Sequence[Field]) -> dict[tuple[str, Hashable], list[int]]:
    """(likelihood, group) -> places of its cells, in the order of the registry."""
    groups: dict[tuple[str, Hashable], list[int]] = {}
    for place, cell in enumerate(cells):
        name = likelihood_of(cell)
        groups.setdefault((name, LIKELIHOODS[name].group(cell)), []).append(place)
    order = list(LIKELIHOODS)
    return dict(sorted(groups.items(), key=lambda item: order.index(item[0][0])))


class SideBySide(nn.Module):
    """z -> p(x|z) whose cells come from several decoders; a cell that none of them has is given, without a likelihood.

    Args:
        decoders: (where its cells stand in x, z -> distribution of these cells), one or more.
        n_cells: D.
    """

    def __init__(self, decoders: Sequence[tuple[Sequence[int], nn.Module]], n_cells: int) -> None:
        super().__init__()
        self.decoders, self.n_cells = nn.ModuleList(decoder for _, decoder in decoders), n_cells
        for i, (places, _) in enumerate(decoders):
            self.register_buffer(f"places{i}", torch.tensor(list(places)), persistent=False)

    def forward(self, z: Tensor) -> MixedCells:
        """p(x|z) with event shape (D,)."""
        parts: list[Part] = []
        for i, decoder in enumerate(self.decoders):
            places = getattr(self, f"places{i}")
            parts += [(places[at.to(places.device)], part) for at, part in decoder(z).parts]
        return MixedCells(parts, self.n_cells)
