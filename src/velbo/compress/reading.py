"""A file into rows: `decompress`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from ..errors import ConfigError, DataError, RunError
from ..files import from_json, shown, whole_or_absent
from ..formats import writers
from ..formats.base import as_array
from ..formats.encoding import suffixes_of, written
from ..formats.registry import format_by_suffix
from ..formats.remote import read_from
from ..formats.text import CSV
from ..runtime import fixed_point as fixed
from ..runtime.fixed_point import Floats
from ..trained_model import TrainedModel
from .codec import VERSION, Header, codec_of, model_hash, rows_of_block
from .coder import EndOfWordsError
from .container import BlockReader, Damaged
from .quantised import unpressed_model
from .tables import Columns, Parts
from .texts import TextColumns, TextForm


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
            raise DataError(
                f"{name}: it is of format {self.header.version}, and this velbo reads format {VERSION}; take the velbo "
                "that wrote it"
            )
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
        path: of the file, or its URL.
        output: a file to write them to, in a stream; an Arrow table or the array is returned if it is not given.
        trained: the model that it was written by; not needed where the file has it inside.
        skip_damaged: pass over damaged blocks instead of refusing the file; needs ``output``, and gives their numbers.

    Raises:
        DataError: if it is no such file, or damaged.
        RunError: if the model is missing, or another one.
    """
    with read_from(path) as here, here.open("rb") as file:
        reader = Reader(file, shown(path), trained, skip_damaged)
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
    packed = place.with_name(f"{place.name}{compression}")
    stream = written(packed) if compression else place.open("wb")
    with stream as file:
        yield file
    if compression:
        packed.replace(place)
