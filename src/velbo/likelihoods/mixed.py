"""p(x|z) of a table: every column has the likelihood of its kind, and all are one sum in nats.

    log p(x|z) = sum over observed cells d of log p_d(x_d | z)

The columns of one likelihood share a head, so there are as many small computations as likelihoods, whatever the number
of columns. No column has a weight: what one bit is worth is the same in all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints

from ..data.columns import Column
from ..errors import ConfigError
from .base import Factorised, at_positions
from .by_kind import CELLS, cell_of
from .counts import CountLikelihood

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
        return " and ".join(str(cast(Any, part.cell).support) for _, part in self.parts)


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

    def _joined(self, values: Sequence[Tensor], fill: float = math.nan) -> Tensor:
        return at_positions([at for at, _ in self.parts], values, self.event_shape[0], fill)

    def _of_parts(self, value: Callable[[Factorised], Tensor]) -> Tensor:
        return self._joined([value(part) for _, part in self.parts])

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self._of_parts(lambda part: part.sample(sample_shape))

    def expand(self, batch_shape: Any, _instance: Any = None) -> MixedCells:
        return MixedCells([(at, part.expand(batch_shape)) for at, part in self.parts], self.event_shape[0])

    @property
    def given_missing(self) -> Distribution:
        """p(x_d|z, cell d is missing): the same, where cells are missing at random."""
        return self

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


class BesideGiven(nn.Module):
    """p(x|z) of D cells as that of D + 1, the last of which is given and has no likelihood.

    Args:
        head: features -> distribution of D independent cells.
        n_dims: D.
    """

    def __init__(self, head: nn.Module, n_dims: int) -> None:
        super().__init__()
        self.head, self.n_dims = head, n_dims
        self.register_buffer("positions", torch.arange(n_dims), persistent=False)

    def forward(self, features: Tensor) -> MixedCells:
        return MixedCells([(cast(Tensor, self.positions), self.head(features))], self.n_dims + 1)


class Mixed(nn.Module):
    """Features (..., F) -> p(x|z) of a table's rows.

    Args:
        n_in: width F of the features.
        columns: one for each of the D dimensions of x.
        given: positions of columns that have no likelihood.
        library: whether the means of the counts are shares of a library size, which then goes into ``forward``.

    Raises:
        ConfigError: if a likelihood is unknown or does not suit its column, if every column is given, or if counts that
            share a library size have several likelihoods or one that takes none.
    """

    def __init__(self, n_in: int, columns: Sequence[Column], given: Sequence[int] = (), library: bool = False) -> None:
        super().__init__()
        self.n_cells = len(columns)
        names = {d: cell_of(column) for d, column in enumerate(columns) if d not in set(given)}
        if not names:
            raise ConfigError("every column is given, and none is left to have a likelihood; give fewer")
        self.names = tuple(name for name in CELLS if name in names.values())
        groups = {name: [d for d in names if names[d] == name] for name in self.names}
        self.heads = nn.ModuleDict({n: CELLS[n].build(n_in, [columns[d] for d in at]) for n, at in groups.items()})
        for i, name in enumerate(self.names):
            self.register_buffer(f"positions{i}", torch.tensor(groups[name]), persistent=False)
        if library:
            self._check_library({names[d] for d in names if columns[d].kind == "count"})

    def _check_library(self, counts: set[str]) -> None:
        if len(counts) != 1 or not isinstance(self.heads[min(counts)], CountLikelihood):
            raise ConfigError(
                "with a library size the means of all counts are shares of one sum, so all count columns need one "
                f"likelihood of their own sort, and these have {', '.join(sorted(counts)) or 'none'}; give all "
                "count columns negative-binomial, zero-inflated-negative-binomial or poisson"
            )

    def forward(self, features: Tensor, library: Tensor | None = None) -> MixedCells:
        """p(x|z) with event shape (D,).

        Args:
            features: (..., F).
            library: (..., 1), what the means of the counts sum to.
        """
        parts: list[Part] = []
        for i, head in enumerate(self.heads.values()):
            takes = library is not None and isinstance(head, CountLikelihood)
            parts.append((getattr(self, f"positions{i}"), head(features, library) if takes else head(features)))
        return MixedCells(parts, self.n_cells)
