"""Delimited texts byte by byte: tokens as the columns' values say they are written, and what differs.

    line       t_0 delimiter t_1 delimiter ... t_n end
    token      as the column spells its value                         spelling.py
    kept       tokens and lines that are none of that

A column that no spelling tells is kept as it is.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DataError
from ..formats.encoding import Encoding
from ..formats.reading import ColumnReading
from ..formats.source import Source
from ..formats.text import Lines, TextPart
from ..rows import Field, Schema
from ..runtime.fixed_point import Floats, Ints
from .aside import (
    places_from_bytes,
    places_to_bytes,
    texts_from_bytes,
    texts_to_bytes,
)
from .columns import back, kept, lenient, taken, whole_column
from .spelling import BINARY, Spelling, candidates, n_others

Parts = dict[str, bytes]
CODECS = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


@dataclass(frozen=True)
class TextForm:
    """What a file says of a text.

    Attributes:
        names: of the columns.
        delimiter: between tokens.
        line_end: behind a line.
        head: all before the first row, in base64.
        codec: of the file.
        mark: its first bytes, in base64.
        spellings: of the columns.
    """

    names: tuple[str, ...]
    delimiter: str
    line_end: str
    head: str
    codec: str
    mark: str
    spellings: tuple[Spelling, ...] = ()

    def encoding(self) -> Encoding:
        """Of the file.

        Raises:
            DataError: for one that is none of velbo's.
        """
        if self.codec not in CODECS:
            raise DataError(f"the file names an encoding {self.codec!r} that there is not")
        return Encoding(self.codec, base64.b64decode(self.mark))

    def start(self) -> bytes:
        """All before the first row, in UTF-8."""
        return base64.b64decode(self.head)


def part_of(source: Source) -> TextPart | None:
    """The text that a source is; None if it is of another format.

    Raises:
        DataError: for several texts.
    """
    if not all(isinstance(part, TextPart) for part in source.parts):
        return None
    if len(source.parts) > 1:
        raise DataError(f"{source.path}: a folder of texts; compress one file after another")
    part = source.parts[0]
    assert isinstance(part, TextPart)
    return part


def form_of(part: TextPart) -> TextForm:
    """Of a text, without spellings."""
    head, mark = (base64.b64encode(data).decode() for data in (part.head, part.encoding.mark))
    return TextForm(tuple(part.names), part.delimiter, part.line_end.decode(), head, part.encoding.codec, mark)


class TextColumns:
    """The columns of a text beside a model's.

    Args:
        model: the fields that the model knows.
        form: of the text.
    """

    def __init__(self, model: Schema, form: TextForm) -> None:
        self.model, self.form = model, form
        self.by_name = {f.name: f for f in model.fields if f.kind != "drop" and not f.shape}

    def numbers(self, table: pa.Table) -> Floats:
        """v (N, D) of rows, NaN where the model cannot have a cell."""
        known = set(table.column_names)
        nothing = {f.name: np.full((len(table), f.size), np.nan) for f in self.model.modelled if f.name not in known}
        parts = [
            nothing[f.name] if f.name in nothing else lenient(whole_column(table[f.name]), f)
            for f in self.model.modelled
        ]
        return np.concatenate(parts, 1)

    def _values(self, f: Field, v: Floats) -> Floats:
        return v[:, self.model.places[f.name]] if f.name in self.model.places else v[:, :0]

    def spelled(self, lines: Lines, v: Floats, readings: dict[str, ColumnReading]) -> TextForm:
        """The form with the spellings that these rows show."""
        found = []
        for i, name in enumerate(self.form.names):
            f = self.by_name.get(name)
            tokens = lines.block.tokens(i)
            if f is None:
                found.append(Spelling())
                continue
            kind, reading = str(lines.table[name].type), readings.get(name, ColumnReading())
            tried = candidates(tokens, self._values(f, v), f, kind, reading)
            known = tokens.cast(BINARY)
            errors = [n_others(s.tokens(self._values(f, v), f, self.form.delimiter), known) for s in tried]
            best = int(np.argmin(errors))
            found.append(tried[best] if errors[best] < len(known) // 2 else Spelling())
        return replace(self.form, spellings=tuple(found))

    def aside(self, lines: Lines, v: Floats, order: Ints | None = None) -> Parts:
        """What is kept of rows whose values the model codes as v (N, D), in an order, if one is given."""
        found, tokens = Parts(), []
        for i, (name, spelling) in enumerate(zip(self.form.names, self.form.spellings, strict=True)):
            cells = lines.block.tokens(i).cast(BINARY)
            tokens.append(cells)
            f, cells = self.by_name.get(name), taken(cells, order)
            if f is None or not spelling.how:
                found[f"{i}.all"] = texts_to_bytes(cells.to_pylist())
                continue
            for key, data in kept(cells, spelling.tokens(self._values(f, v), f, self.form.delimiter)).items():
                found[f"{i}.{key}"] = data
        texts = _texts_of(lines)
        made = _lines_of(tokens, self.form)
        other = [i for i, (a, b) in enumerate(zip(texts, made, strict=True)) if a != b]
        if other:
            rank = np.arange(len(texts)) if order is None else np.argsort(order)
            ranked = sorted(other, key=lambda i: rank[i])
            found["lines.at"] = places_to_bytes(np.array([rank[i] for i in ranked]))
            found["lines.texts"] = texts_to_bytes([texts[i] for i in ranked])
        return found

    def text(self, v: Floats, parts: Parts) -> bytes:
        """The lines again, in UTF-8.

        Raises:
            DataError: if what was kept is damaged.
        """
        columns = []
        for i, (name, spelling) in enumerate(zip(self.form.names, self.form.spellings, strict=True)):
            if f"{i}.all" in parts:
                texts = texts_from_bytes(parts[f"{i}.all"])
                if len(texts) != len(v):
                    raise DataError("a column of texts is damaged")
                columns.append(pa.array(texts, BINARY))
                continue
            f = self.by_name.get(name)
            if f is None:
                raise DataError("a column is not in the file")
            own = {key.partition(".")[2]: data for key, data in parts.items() if key.startswith(f"{i}.")}
            columns.append(back(spelling.tokens(self._values(f, v), f, self.form.delimiter), own))
        made = _lines_of(columns, self.form)
        if "lines.at" in parts:
            at = places_from_bytes(parts["lines.at"], len(made)).tolist()
            texts = texts_from_bytes(parts.get("lines.texts", b""))
            if len(at) != len(texts):
                raise DataError("lines beside the model are damaged")
            for i, text in zip(at, texts, strict=True):
                made[i] = text
        return b"".join(made)

    def are(self, lines: Lines, v: Floats, parts: Parts, order: Ints | None) -> bool:
        """Whether lines come back, in an order, of values and of what is kept."""
        return self.text(v, parts) == b"".join(_in_order(_texts_of(lines), order))


def _in_order(texts: list[bytes], order: Ints | None) -> list[bytes]:
    return texts if order is None else [texts[i] for i in order.tolist()]


def _texts_of(lines: Lines) -> list[bytes]:
    """Of every row, with all up to the next one."""
    bounds = [lines.start, *lines.block.starts[1:, 0].tolist(), lines.end]
    return [lines.block.data[a:b] for a, b in pairwise(bounds)]


def _lines_of(tokens: Sequence[pa.Array], form: TextForm) -> list[bytes]:
    joined = pc.binary_join_element_wise(*tokens, pa.scalar(form.delimiter.encode(), BINARY), null_handling="replace")
    end = form.line_end.encode()
    return [line + end for line in joined.to_pylist()]
