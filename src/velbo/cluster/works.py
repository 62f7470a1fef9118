"""What verbs ask of a block of rows, in any process: each is called with the block and can be pickled.

MapRows      a function of its rows
Labelled     a function, and which of its rows score low
Rewritten    rows in which some cells are new, and all others are as they were, bit by bit
Drawn        new rows, which belong to the number of the block
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ..formats.base import ROWS_PER_BATCH
from ..formats.merging import differences, merged, type_to_write
from ..formats.typed import cast
from ..rows.results import as_table, labelled
from ..runtime.generators import stream_seed
from .arrow_function import ModelOf
from .blocks import Block

Map = Callable[[pa.Table], pa.Table]


@dataclass(frozen=True)
class MapRows:
    """A function of the rows of a block.

    Attributes:
        rows: of a block.
        f: of rows.
    """

    rows: Callable[[Block], pa.Table]
    f: Map

    def __call__(self, block: Block) -> pa.Table:
        return self.f(self.rows(block))


@dataclass(frozen=True)
class Labelled:
    """A function, and which rows are anomalous.

    Attributes:
        f: gives a column of scores.
        column: its name.
        threshold: rows that score lower are anomalous.
    """

    f: Map
    column: str
    threshold: float

    def __call__(self, rows: pa.Table) -> pa.Table:
        return labelled(self.f(rows), self.column, self.threshold)


@dataclass(frozen=True)
class Rewritten:
    """Rows with new cells where a function says another value; types as the rows have them."""

    f: Map

    def __call__(self, rows: pa.Table) -> pa.Table:
        new = self.f(rows)
        table = merged(rows, new, differences(rows, new))
        kinds = {name: type_to_write(rows[name].type, new[name].type) for name in rows.column_names}
        return pa.table({name: cast(table[name], kind) for name, kind in kinds.items()})


def as_they_are(rows: pa.Table) -> pa.Table:
    """No change."""
    return rows


@dataclass(frozen=True)
class Drawn:
    """New rows.

    Attributes:
        of: a trained model.
        seed: of the draw.
        options: of `velbo.TrainedModel.sample`.
    """

    of: ModelOf
    seed: int
    options: dict[str, Any]

    def __call__(self, block: Block) -> pa.Table:
        seed = stream_seed(self.seed, f"rows from {block.start}") if block.start else self.seed
        return as_table(self.of.model.sample(block.n_rows, seed, **self.options))


def blocks_to_draw(n: int) -> list[Block]:
    """The blocks of n new rows."""
    starts = range(0, n, ROWS_PER_BATCH)
    return [Block(i, start, min(ROWS_PER_BATCH, n - start)) for i, start in enumerate(starts)]
