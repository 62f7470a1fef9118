"""The file: blocks that stand by themselves, each with checksums of its bytes and of its rows, and an index at the end.

    file      magic | lengths, header as JSON, bytes of a model, checksum | block ... | index | its place, end
    block     "BLCK" | numbers of bytes and rows | checksum of rows | checksum of all that | sizes, heads, words, aside
    index     "INDX" | number of blocks | (place, rows) ... | checksum

Whatever is read is bounded before memory is asked for, and checked before it is used. A block that is damaged says
nothing of the others: the index tells where they are, and without an index each block tells where the next one is.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from ..errors import DataError
from .rows import Stack

MAGIC = b"\x89velbo\r\n\x1a\x01"
BLOCK, INDEX, END = b"BLCK", b"INDX", b"velbo.\r\n"
HEAD = struct.Struct("<4sIIIIIIII8s")
"""tag, rows, runs of sizes, heads, words, borrowed words, bytes aside, the same before they were pressed, spare; rows'
checksum"""
LENGTHS = struct.Struct("<III")
TRAILER = struct.Struct("<Q8s")
ENTRY = np.dtype([("place", "<u8"), ("rows", "<u4")])
CHECK = 8

MOST_HEADER = 1 << 26
MOST_ROWS = 1 << 22
MOST_LANES = 1 << 10
MOST_WORDS = 1 << 27
MOST_ASIDE = 1 << 29
MOST_BLOCKS = 1 << 24
PRESS = {"format": lzma.FORMAT_RAW, "filters": [{"id": lzma.FILTER_LZMA2, "preset": 6}]}


def checksum(*parts: bytes) -> bytes:
    """Of bytes, one part after another."""
    digest = hashlib.blake2b(digest_size=CHECK)
    for part in parts:
        digest.update(part)
    return digest.digest()


@dataclass(frozen=True)
class Block:
    """Some rows.

    Attributes:
        n_rows: how many.
        stack: of the coder.
        aside: what is kept beside it; see aside.py.
        digest: of the rows as whole numbers.
    """

    n_rows: int
    stack: Stack
    aside: bytes
    digest: bytes


class Damaged(DataError):
    """Bytes that are not what they were."""


class BlockFile:
    """Writes a file.

    Args:
        file: to write to.
        header: what it says of itself.
        model: bytes of the model, if it is inside.
    """

    def __init__(self, file: BinaryIO, header: dict[str, Any], model: bytes = b"") -> None:
        self.file, self.entries, self.place = file, list[tuple[int, int]](), 0
        text = json.dumps(header, separators=(",", ":")).encode()
        if max(len(text), len(model)) > MOST_HEADER:
            raise DataError("what is to be said of these columns does not fit into the head of a .vlb file")
        pressed = lzma.compress(text, **PRESS)
        head = MAGIC + LENGTHS.pack(len(pressed), len(text), len(model)) + pressed + model
        self._write(head + checksum(head))

    def _write(self, data: bytes) -> None:
        self.file.write(data)
        self.place += len(data)

    def write(self, block: Block) -> None:
        """Add a block."""
        stack = block.stack
        self.entries.append((self.place, block.n_rows))
        runs = _runs(stack.sizes)
        pressed = lzma.compress(block.aside, **PRESS) if block.aside else b""
        head = HEAD.pack(
            BLOCK, block.n_rows, len(runs), len(stack.heads), len(stack.words), stack.n_borrowed, len(pressed),
            len(block.aside), 0, block.digest,
        )  # fmt: skip
        body = b"".join(
            (runs.astype("<u4").tobytes(), stack.heads.astype("<u8").tobytes(), stack.words.astype("<u4").tobytes())
        )
        self._write(head + checksum(head) + checksum(head, body, pressed) + body + pressed)

    def close(self) -> None:
        """The index and the end."""
        place, entries = self.place, np.array(self.entries, ENTRY).tobytes()
        index = INDEX + struct.pack("<I", len(self.entries)) + entries
        self._write(index + checksum(index) + TRAILER.pack(place, END))


def _runs(sizes: tuple[int, ...]) -> np.ndarray:
    """Chunk sizes as (size, how often), for they repeat."""
    edges = np.flatnonzero(np.diff(np.array(sizes), prepend=-1))
    counts = np.diff(np.append(edges, len(sizes)))
    return np.stack((np.array(sizes)[edges], counts), -1)


class BlockReader:
    """Reads a file.

    Args:
        file: that can be sought in.
        name: in messages.

    Raises:
        DataError: if it is none of velbo's, or its header is damaged.

    Attributes:
        header: what it says of itself.
        model: bytes of the model, if it is inside.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file, self.name = file, name
        start = file.read(len(MAGIC) + LENGTHS.size)
        if not start.startswith(MAGIC):
            raise DataError(f"{name}: this is no .vlb file; velbo compress makes one")
        size, n, n_model = LENGTHS.unpack(start[len(MAGIC) :].ljust(LENGTHS.size, b"\0"))
        if max(size, n, n_model) > MOST_HEADER:
            raise Damaged(f"{name}: the head of the file is damaged; take a copy")
        pressed, self.model, check = file.read(size), file.read(n_model), file.read(CHECK)
        if checksum(start, pressed, self.model) != check:
            raise Damaged(f"{name}: the head of the file is damaged; take a copy")
        self.header = _parsed(unpressed(pressed, n), name)
        self._first = file.tell()

    def blocks(self) -> Iterator[tuple[int, Block | None]]:
        """(number of the first row, block) in order; None for a block that is damaged.

        Raises:
            DataError: if the end of the file is missing, or blocks that cannot be found.
        """
        entries, first, place, at = self._index(), 0, self._first, 0
        if entries is not None:
            for entry in entries:
                block, _ = self._read(int(entry["place"]))
                yield first, block
                first += int(entry["rows"])
            return
        while True:
            block, after = self._read(place)
            if block is None and after is None:
                raise Damaged(f"{self.name}: the file ends, or is damaged, behind row {first - 1} (block {at})")
            yield first, block
            first, place, at = first + (block.n_rows if block else 0), after or 0, at + 1

    def _index(self) -> np.ndarray | None:
        """The index, if it can be found and is as it was."""
        end = self.file.seek(0, 2)
        if end < TRAILER.size + self._first:
            return None
        self.file.seek(end - TRAILER.size)
        place, mark = TRAILER.unpack(self.file.read(TRAILER.size))
        if mark != END or not self._first <= place <= end - TRAILER.size - 8 - CHECK:
            return None
        self.file.seek(place)
        index = self.file.read(end - TRAILER.size - place)
        n = int.from_bytes(index[4:8], "little")
        body = 8 + n * ENTRY.itemsize
        if index[:4] != INDEX or n > MOST_BLOCKS or len(index) != body + CHECK:
            return None
        if checksum(index[:body]) != index[body:]:
            return None
        return np.frombuffer(index, ENTRY, n, 8)

    def _read(self, place: int) -> tuple[Block | None, int | None]:
        """(the block at a place, or None if it is damaged; where the next one begins, or None if that is not known)"""
        self.file.seek(place)
        head = self.file.read(HEAD.size + 2 * CHECK)
        if len(head) < HEAD.size + 2 * CHECK or checksum(head[: HEAD.size]) != head[HEAD.size : HEAD.size + CHECK]:
            return None, None
        tag, n_rows, n_runs, n_lanes, n_words, n_borrowed, n_pressed, n_aside, _, digest = HEAD.unpack_from(head)
        if tag != BLOCK or n_rows > MOST_ROWS or n_runs > MOST_ROWS or n_lanes > MOST_LANES or n_words > MOST_WORDS:
            return None, None
        if n_pressed > MOST_ASIDE or n_aside > MOST_ASIDE or n_borrowed > n_words:
            return None, None
        sizes = 8 * n_runs, 8 * n_lanes, 4 * n_words, n_pressed
        after = place + len(head) + sum(sizes)
        if after > self.file.seek(0, 2):
            return None, None
        self.file.seek(place + len(head))
        runs, heads, words, pressed = (self.file.read(size) for size in sizes)
        if checksum(head[: HEAD.size], runs + heads + words, pressed) != head[HEAD.size + CHECK :]:
            return None, after
        try:
            aside = unpressed(pressed, n_aside) if n_aside else b""
            of_chunks = _sizes(np.frombuffer(runs, "<u4").reshape(-1, 2), n_rows)
        except Damaged:
            return None, after
        states = np.frombuffer(heads, "<u8").astype(np.uint64)
        if ((states < 1 << 31) | (states >= 1 << 63)).any():
            return None, after
        stack = Stack(states, np.frombuffer(words, "<u4"), of_chunks, n_borrowed)
        return Block(n_rows, stack, aside, digest), after


def _parsed(text: bytes, name: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{name}: the head of the file is no JSON") from error
    if not isinstance(found, dict):
        raise Damaged(f"{name}: the head of the file is no JSON object")
    return found


def _sizes(runs: np.ndarray, n_rows: int) -> tuple[int, ...]:
    sizes, counts = runs.astype(np.int64).T
    if (sizes < 1).any() or (counts > n_rows).any() or (sizes * counts).sum() != n_rows:
        raise Damaged("chunks do not make the rows")
    return tuple(np.repeat(sizes, counts).tolist())


def unpressed(data: bytes, size: int) -> bytes:
    """The bytes that were pressed, of a known number.

    Raises:
        Damaged: if they are another number, or none.
    """
    try:
        found = lzma.LZMADecompressor(PRESS["format"], filters=PRESS["filters"]).decompress(data, size + 1)
    except lzma.LZMAError as error:
        raise Damaged("pressed bytes are damaged") from error
    if len(found) != size:
        raise Damaged("pressed bytes are damaged")
    return found
