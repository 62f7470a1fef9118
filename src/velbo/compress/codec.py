"""Rows into a file and back: `compress` and `decompress`.

    rows -> blocks -> v (N, D) and what is kept beside -> bits-back -> container

A file holds what it takes to tell that it is read by the model that it was written by, or the model itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from ..build import Plan
from ..errors import ConfigError, DataError, RunError
from ..files import as_json, from_json, whole_or_absent
from ..formats import Source, open_source, writers
from ..formats.base import as_array, as_tensor_column
from ..formats.encoding import suffixes_of, written
from ..formats.registry import format_by_suffix
from ..formats.text import CSV, Lines
from ..hierarchy import Hierarchy
from ..runtime import fixed_point as fixed
from ..runtime.fixed_point import Floats, Ints
from ..trained_model import TrainedModel
from .aside import joined, parted
from .coder import EndOfWordsError
from .container import Block, BlockFile, BlockReader, Damaged
from .groups import WholeHierarchy
from .model import WholeModel
from .multiset import pop_any, push_any
from .patterns import Patterns
from .quantised import MOST_WEIGHT_BITS, Packed, pressed_model, unpressed_model
from .rows import RowCoder, joined_rows, pop_rows, push_rows
from .tables import Columns, Parts, TableForm, require_columns
from .texts import TextColumns, TextForm, form_of, part_of

VERSION = 1
MOST_CELLS = 1 << 23
MOST_ROWS = 1 << 16
TEXT_BLOCK = 1 << 24
MASKS = "masks"
SAMPLE = 1024


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        version: of the format.
        tables: checksum of the tables of runtime/fixed_point.py.
        model: hash of the model.
        any_order: whether the rows came in another order.
        table: the columns, of a table or an array.
        text: the columns, of a text.
        plan: of the model, where it is inside.
    """

    version: int
    tables: str
    model: str
    any_order: bool = False
    table: TableForm | None = None
    text: TextForm | None = None
    plan: dict[str, Any] | None = None


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


def model_hash(trained: TrainedModel) -> str:
    """Of all that rows are coded by."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps([as_json(trained.schema), as_json(trained.recipe)], sort_keys=True).encode())
    for name, tensor in sorted(trained.model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Piece:
    """Some rows to be coded.

    Attributes:
        v: their values (N, D).
        aside: (values that are coded, their order) -> what is kept beside.
        is_made_of: (values that are coded, what is kept beside, their order) -> whether these rows are made of that.
    """

    v: Floats
    aside: Callable[[Floats, Ints | None], Parts]
    is_made_of: Callable[[Floats, Parts, Ints | None], bool]


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
    form, pieces = _opened(trained, rows, codec.n_dims)
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
        piece: _Piece | None = first
        while piece is not None:
            block = _coded(codec, piece, any_order)
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


def codec_of(trained: TrainedModel) -> RowCoder:
    """What codes rows by a model."""
    model = trained.model
    return RowCoder(WholeHierarchy(model) if isinstance(model, Hierarchy) else WholeModel(model), trained.plan)


def _coded(codec: RowCoder, piece: _Piece, any_order: bool) -> Block:
    placed = codec.placed(piece.v)
    patterns, ids = Patterns.of(placed.coded)
    order: Ints | None = None
    if any_order:
        stack, order = push_any(codec, placed, patterns, ids)
        placed = placed[order]
        patterns = patterns if patterns.counts is not None else Patterns(patterns.masks[order], None)
    else:
        stack = push_rows(codec, placed, patterns, ids)
    parts = piece.aside(placed.v, order)
    masks = patterns.to_bytes()
    block = Block(len(placed), stack, joined(parts | ({MASKS: masks} if masks else {})), placed.digest())
    _require_readable(codec, block, any_order, piece, order)
    return block


def _require_readable(codec: RowCoder, block: Block, any_order: bool, piece: _Piece, order: Ints | None) -> None:
    """Read a block again before its rows are taken for kept.

    Raises:
        DataError: if other rows come back, which is a fault of velbo's.
    """
    try:
        is_same = piece.is_made_of(*rows_of_block(codec, block, any_order), order)
    except (DataError, EndOfWordsError):
        is_same = False
    if not is_same:
        raise DataError(
            "these rows do not come back as they are, which is a fault of velbo's: nothing is written; compress them "
            "otherwise, and report them, please"
        )


def rows_of_block(codec: RowCoder, block: Block, any_order: bool) -> tuple[Floats, Parts]:
    """(v, what is kept beside) of a block.

    Raises:
        DataError: if it is damaged.
        EndOfWordsError: likewise.
    """
    parts = parted(block.aside)
    patterns = Patterns.from_bytes(parts.pop(MASKS, b""), block.n_rows, codec.n_dims)
    if block.n_rows * codec.n_dims > 2 * MOST_CELLS or not block.n_rows:
        raise Damaged("it says that it has too many rows")
    pop = pop_any if any_order else pop_rows
    coder, chunks = pop(codec, block.stack, patterns)
    rows = joined_rows(chunks)
    if rows.digest() != block.digest or not coder.is_as_begun(block.stack.n_borrowed):
        raise Damaged("its rows are not what they were")
    return rows.v, parts


# what rows come in


def _opened(trained: TrainedModel, rows: Any, n_dims: int) -> tuple[Any, Iterator[_Piece]]:
    """(the form, or what gives it when the first piece is known; pieces)."""
    n = max(1, min(MOST_ROWS, MOST_CELLS // n_dims))
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
) -> tuple[TableForm, Iterator[_Piece]]:
    if schema is None:
        schema = tables[0].schema
    require_columns(schema)
    columns = Columns(trained.schema, schema)

    def pieces() -> Iterator[_Piece]:
        for table in tables:
            for start in range(0, len(table), n):
                some = table.slice(start, n).unify_dictionaries().combine_chunks()
                yield _Piece(
                    columns.numbers(some),
                    lambda v, order, some=some: columns.aside(some, v, order),
                    lambda v, parts, order, some=some: columns.are(some, v, parts, order),
                )

    return TableForm.of(schema, dtype), pieces()


def _of_lines(
    columns: TextColumns, lines: Iterator[Lines], readings: dict[str, Any]
) -> tuple[Callable[[], TextForm], Iterator[_Piece]]:
    def pieces() -> Iterator[_Piece]:
        is_first = True
        for some in lines:
            if not len(some.table):
                continue
            v = columns.numbers(some.table)
            if is_first:
                columns.form, is_first = columns.spelled(some, v, readings), False
            yield _Piece(
                v,
                lambda v, order, some=some: columns.aside(some, v, order),
                lambda v, parts, order, some=some: columns.are(some, v, parts, order),
            )

    return lambda: columns.form, pieces()


# and back


@dataclass(frozen=True)
class Lost:
    """A damaged block.

    Attributes:
        number: of the block.
        first: number of its first row.
    """

    number: int
    first: int


class Reader:
    """A compressed file that is being read.

    Args:
        file: open for reading.
        name: in messages.
        trained: the model that it was written by; not needed where the file has it inside.
        skip_damaged: pass over damaged blocks, whose numbers are in ``lost``, instead of refusing the file.

    Raises:
        DataError: if it is no such file, or damaged.
        RunError: if the model is missing, or another one.
    """

    def __init__(
        self, file: BinaryIO, name: str, trained: TrainedModel | None = None, skip_damaged: bool = False
    ) -> None:
        self.name, self.skip_damaged, self.lost = name, skip_damaged, list[Lost]()
        self.reader = BlockReader(file, name)
        try:
            self.header = from_json(Header, self.reader.header, name)
        except ConfigError as error:
            raise Damaged(str(error)) from error
        if self.header.version != VERSION:
            raise DataError(f"{name}: format {self.header.version} is not known to this velbo; take a newer one")
        if self.header.tables != fixed.checksum():
            raise DataError(
                f"{name}: its numbers were made by other tables than this velbo's; take the velbo that wrote it"
            )
        self.trained = self._model(trained)
        self.codec = codec_of(self.trained)

    def _model(self, trained: TrainedModel | None) -> TrainedModel:
        header = self.header
        if header.plan is not None:
            trained = unpressed_model(header.plan, self.reader.model, self.name)
        elif trained is None:
            raise RunError(f"{self.name}: the model is not inside; name the run that it was written by: --run RUN")
        if model_hash(trained) != header.model:
            raise RunError(f"{self.name}: it was written by another model; name the run that it was written by")
        return trained

    def pieces(self) -> Iterator[tuple[Floats, Parts]]:
        """(v, what is kept beside) of every block.

        Raises:
            DataError: naming a block that is damaged.
        """
        for number, (first, block) in enumerate(self.reader.blocks()):
            try:
                if block is None:
                    raise Damaged("its bytes are not what they were")
                yield rows_of_block(self.codec, block, self.header.any_order)
            except (DataError, EndOfWordsError) as error:
                self.lost.append(Lost(number, first))
                if not self.skip_damaged:
                    why = "its code ends early" if isinstance(error, EndOfWordsError) else str(error)
                    raise Damaged(
                        f"{self.name}: block {number}, which begins at row {first}, is damaged: {why}; "
                        "--skip-damaged gives the other blocks"
                    ) from error

    def tables(self) -> Iterator[pa.Table]:
        """The rows as Arrow tables, block by block.

        Raises:
            DataError: if they are a text.
        """
        if self.header.table is None:
            raise DataError(f"{self.name}: it holds a text; name a file to write it to")
        schema = self.header.table.arrow()
        columns = Columns(self.trained.schema, schema)
        for v, parts in self.pieces():
            yield columns.table(v, parts)

    def texts(self) -> Iterator[bytes]:
        """The bytes of a text, block by block, without its head."""
        assert self.header.text is not None
        columns = TextColumns(self.trained.schema, self.header.text)
        for v, parts in self.pieces():
            yield columns.text(v, parts)


def decompress(
    path: str | Path,
    output: str | Path | None = None,
    *,
    trained: TrainedModel | None = None,
    skip_damaged: bool = False,
) -> Any:
    """The rows of a compressed file, bit for bit.

    Args:
        path: of the file.
        output: a file to write them to, in a stream; an Arrow table or the array is returned if it is not given.
        trained: the model that it was written by; not needed where the file has it inside.
        skip_damaged: pass over damaged blocks instead of refusing the file; needs ``output``, and gives their numbers.

    Raises:
        DataError: if it is no such file, or damaged.
        RunError: if the model is missing, or another one.
    """
    with Path(path).open("rb") as file:
        reader = Reader(file, str(path), trained, skip_damaged)
        if output is None:
            return _in_memory(reader)
        if reader.header.text is not None:
            _write_text(reader, reader.header.text, Path(output))
        else:
            _write_tables(reader, Path(output))
        return reader.lost


def _in_memory(reader: Reader) -> Any:
    tables = list(reader.tables())
    form = reader.header.table
    assert form is not None
    table = pa.concat_tables([form.arrow().empty_table(), *tables])
    return as_array(table["x"]).astype(np.dtype(form.dtype)) if form.dtype else table


def _write_tables(reader: Reader, path: Path) -> None:
    form = reader.header.table
    assert form is not None
    with writers([path], [form.arrow()]) as (writer,):
        for table in reader.tables():
            writer.write(table)


def _write_text(reader: Reader, form: TextForm, path: Path) -> None:
    kind = format_by_suffix(path)
    if kind is not None and kind is not CSV:
        raise DataError(f"{path}: the file holds a text; name a .csv file, and convert it: velbo convert")
    encoding = form.encoding()
    with whole_or_absent(path) as (place,), _bytes_into(place, path) as file:
        file.write(encoding.mark)
        file.write(encoding.encode(form.start()))
        for text in reader.texts():
            file.write(encoding.encode(text))


@contextmanager
def _bytes_into(place: Path, path: Path) -> Iterator[Any]:
    """A stream into a file that is to have another name, whose suffix tells the compression."""
    _, compression = suffixes_of(path)
    stream = written(path.with_name(f"{place.name}{compression}")) if compression else place.open("wb")
    with stream as file:
        yield file
    if compression:
        path.with_name(f"{place.name}{compression}").replace(place)


__all__ = ["Compressed", "Header", "Plan", "Reader", "compress", "decompress"]
