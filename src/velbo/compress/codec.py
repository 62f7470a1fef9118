"""Blocks of a file: rows v (N, D) and what is kept beside them, coded by a model, and read again.

    rows -> v and what is kept beside -> bits-back -> block -> container

A file holds what it takes to tell that it is read by the model that it was written by, or the model itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from ..errors import DataError
from ..hierarchy import Hierarchy
from ..runtime.fixed_point import Floats, Ints
from ..trained_model import TrainedModel
from .aside import joined, parted
from .coder import EndOfWordsError
from .container import Block, Damaged
from .groups import WholeHierarchy
from .model import WholeModel
from .multiset import pop_any, push_any
from .patterns import Patterns
from .rows import RowCoder, joined_rows, pop_rows, push_rows
from .tables import Parts, TableForm
from .texts import TextForm

VERSION = 3
MOST_CELLS = 1 << 23
MASKS = "masks"


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


def model_hash(trained: TrainedModel) -> str:
    """Of all that rows are coded by."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps([_stated(trained.schema), _stated(trained.recipe)], sort_keys=True).encode())
    for name, tensor in sorted(trained.model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _stated(of: Any) -> Any:
    """What is not the default: a later velbo may add to fields and recipes, and reads the same files."""
    if isinstance(of, tuple):
        return [_stated(one) for one in of]
    if not is_dataclass(of):
        return of
    pairs = ((f, getattr(of, f.name)) for f in fields(of))
    return {f.name: _stated(value) for f, value in pairs if value != f.default}


@dataclass(frozen=True)
class Piece:
    """Some rows to be coded.

    Attributes:
        v: their values (N, D).
        aside: (values that are coded, their order) -> what is kept beside.
        is_made_of: (values that are coded, what is kept beside, their order) -> whether these rows are made of that.
    """

    v: Floats
    aside: Callable[[Floats, Ints | None], Parts]
    is_made_of: Callable[[Floats, Parts, Ints | None], bool]


def codec_of(trained: TrainedModel) -> RowCoder:
    """What codes rows by a model."""
    model = trained.model
    return RowCoder(WholeHierarchy(model) if isinstance(model, Hierarchy) else WholeModel(model), trained.plan)


def block_of(codec: RowCoder, piece: Piece, any_order: bool) -> Block:
    """The block of some rows, read again once.

    Raises:
        DataError: if other rows come back, which is a fault of velbo's.
    """
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


def _require_readable(codec: RowCoder, block: Block, any_order: bool, piece: Piece, order: Ints | None) -> None:
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
