"""Rows into a file: `compress`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import ConfigError, DataError
from ..files import as_json, whole_or_absent
from ..formats import Source, open_source
from ..formats.base import as_tensor_column
from ..formats.text import Lines
from ..runtime import fixed_point as fixed
from ..runtime.fixed_point import Floats
from ..trained_model import TrainedModel
from .codec import MOST_CELLS, VERSION, Header, Piece, block_of, codec_of, model_hash
from .container import BlockFile
from .patterns import Patterns
from .quantised import MOST_WEIGHT_BITS, Packed, pressed_model
from .rows import push_rows
from .tables import Columns, TableForm, require_columns
from .texts import TextColumns, TextForm, form_of, part_of

MOST_ROWS = 1 << 16
MOST_IN_ANY_ORDER = 1 << 18
"""More, for a block saves log2 n! bits of its own n rows and not of those beside it."""
TEXT_BLOCK = 1 << 24
SAMPLE = 1024


@dataclass(frozen=True)
class Compressed:
    """What a file took.

    Attributes:
        n_rows: rows.
        n_bytes: of the file.
        n_head: of them, what the head takes, and the model where it is inside.
        n_stack: of them, what the rows' codes take.
        n_aside: of them, what is kept beside the model.
    """

    n_rows: int
    n_bytes: int
    n_head: int
    n_stack: int
    n_aside: int


def compress(
    trained: TrainedModel,
    rows: Any,
    path: str | Path,
    *,
    any_order: bool = False,
    self_contained: bool = False,
) -> Compressed:
    """Rows into a file, from which they come back bit for bit, a text byte for byte.

    Args:
        trained: a model of such rows; the better it is, the smaller the file.
        rows: an Arrow table, an array (N, *shape), a source, or the name of what holds rows.
        path: of the file.
        any_order: the rows come back in another order, which saves log2 n! bits.
        self_contained: put the model inside, with weights of few bits, so that nothing else is needed to read the file.

    Raises:
        ConfigError: if a part of the model has no form in whole numbers, or its weights were to be too large.
        DataError: if there are no rows.
    """
    codec = codec_of(trained)
    most = max(1, min(MOST_IN_ANY_ORDER if any_order else MOST_ROWS, MOST_CELLS // codec.n_dims))
    form, pieces = _opened(trained, rows, most)
    first = next(pieces, None)
    if first is None:
        raise DataError("there are no rows to compress")
    packed = _smallest(trained, first.v) if self_contained else None
    trained, codec = (packed.trained, codec_of(packed.trained)) if packed else (trained, codec)
    form = form() if callable(form) else form
    header = Header(
        VERSION,
        fixed.checksum(),
        model_hash(trained),
        any_order,
        form if isinstance(form, TableForm) else None,
        form if isinstance(form, TextForm) else None,
        packed.plan if packed else None,
    )
    with whole_or_absent(Path(path)) as (place,), place.open("wb") as file:
        out = BlockFile(file, as_json(header), packed.weights if packed else b"")
        n_head, n_rows, n_aside = out.place, 0, 0
        piece: Piece | None = first
        while piece is not None:
            block = block_of(codec, piece, any_order)
            n_before, n_rows = out.place, n_rows + block.n_rows
            out.write(block)
            n_aside += out.place - n_before - 4 * len(block.stack.words) - 8 * len(block.stack.heads)
            piece = next(pieces, None)
        out.close()
        return Compressed(n_rows, out.place, n_head, out.place - n_head - n_aside, n_aside)


def _smallest(trained: TrainedModel, v: Floats) -> Packed:
    """The model with weights of so few bits that model and rows v (N, D) are smallest together, by some of the rows."""
    some, best, least = v[: min(len(v), SAMPLE)], None, np.inf
    for bits in range(MOST_WEIGHT_BITS, 1, -1):
        packed = pressed_model(trained, bits)
        codec = codec_of(packed.trained)
        placed = codec.placed(some)
        size = len(packed.weights) + 4 * len(push_rows(codec, placed, *Patterns.of(placed.coded)).words) * len(v) / len(
            some
        )
        if size >= least:
            break
        best, least = packed, size
    assert best is not None
    return best


def _opened(trained: TrainedModel, rows: Any, n: int) -> tuple[Any, Iterator[Piece]]:
    """(the form, or what gives it when the first piece is known; pieces of n rows at most)."""
    if isinstance(rows, np.ndarray):
        return _of_tables(trained, [array_table(rows)], n, rows.dtype.str)
    if isinstance(rows, pa.Table):
        return _of_tables(trained, [rows], n)
    if isinstance(rows, str | Path):
        rows = open_source(rows, trained.plan.data.reading.of_columns())
    if not isinstance(rows, Source):
        raise ConfigError(
            f"a {type(rows).__name__} cannot be compressed as it is; give an Arrow table, which "
            "pa.Table.from_pandas(frame) makes, an array, or the name of a file"
        )
    part = part_of(rows)
    if part is None:
        return _of_tables(trained, rows.batches(n), n, schema=rows.schema)
    schema, readings = rows.schema, rows.reading().columns
    lines = part.in_blocks(TEXT_BLOCK).lines(schema, n)
    return _of_lines(TextColumns(trained.schema, form_of(part)), lines, readings)


def array_table(array: np.ndarray) -> pa.Table:
    """An array as a table of one column.

    Raises:
        DataError: if it is not of numbers.
    """
    if array.dtype.kind not in "buif" or array.ndim < 1:
        raise DataError(f"an array of {array.dtype} is no rows of numbers")
    return pa.table({"x": as_tensor_column(array)})


def _of_tables(
    trained: TrainedModel, tables: Any, n: int, dtype: str = "", schema: pa.Schema | None = None
) -> tuple[TableForm, Iterator[Piece]]:
    if schema is None:
        schema = tables[0].schema
    require_columns(schema)
    columns = Columns(trained.schema, schema)

    def pieces() -> Iterator[Piece]:
        for table in tables:
            for start in range(0, len(table), n):
                some = table.slice(start, n).unify_dictionaries().combine_chunks()
                yield Piece(
                    columns.numbers(some),
                    lambda v, order, some=some: columns.aside(some, v, order),
                    lambda v, parts, order, some=some: columns.are(some, v, parts, order),
                )

    return TableForm.of(schema, dtype), pieces()


def _of_lines(
    columns: TextColumns, lines: Iterator[Lines], readings: dict[str, Any]
) -> tuple[Callable[[], TextForm], Iterator[Piece]]:
    def pieces() -> Iterator[Piece]:
        is_first = True
        for some in lines:
            if not len(some.table):
                continue
            v = columns.numbers(some.table)
            if is_first:
                columns.form, is_first = columns.spelled(some, v, readings), False
            yield Piece(
                v,
                lambda v, order, some=some: columns.aside(some, v, order),
                lambda v, parts, order, some=some: columns.are(some, v, parts, order),
            )

    return lambda: columns.form, pieces()
