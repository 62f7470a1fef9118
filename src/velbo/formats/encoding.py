"""Bytes of a text file as UTF-8 and back: what compresses it is seen from its first bytes, and so is its encoding.

    file --decompress--> mark + encoded text --decode--> UTF-8

A mark is the byte order mark that Windows writes; text without one is UTF-8. Files are written as their suffix says.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import DataError

COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
"""Suffix -> what pyarrow calls the compression."""

MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # begins as that of UTF-16 does
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


@dataclass(frozen=True)
class Encoding:
    """How the characters of a file are bytes.

    Attributes:
        codec: that Python knows.
        mark: first bytes of the file, which say so; empty for plain UTF-8.
    """

    codec: str = "utf-8"
    mark: bytes = b""

    def encode(self, text: bytes) -> bytes:
        """UTF-8 in this encoding, without the mark."""
        return text if self.codec == "utf-8" else text.decode().encode(self.codec)


def encoding_of(path: Path) -> Encoding:
    """The encoding that the mark of a file tells."""
    with _opened(path) as file:
        start = _read(file, path, 4)
    return next((Encoding(codec, mark) for mark, codec in MARKS.items() if start.startswith(mark)), Encoding())


def pieces(path: Path, size: int) -> Iterator[bytes]:
    """The text of a file in UTF-8, in pieces of about so many bytes, without its mark.

    Raises:
        DataError: if it cannot be decompressed or decoded.
    """
    encoding = encoding_of(path)
    decoder = codecs.getincrementaldecoder(encoding.codec)()
    with _opened(path) as file:
        _read(file, path, len(encoding.mark))
        while piece := _read(file, path, size):
            yield piece if encoding.codec == "utf-8" else _decoded(decoder, piece, path, encoding.codec)
        if encoding.codec != "utf-8":
            yield _decoded(decoder, b"", path, encoding.codec, final=True)


def _decoded(decoder: Any, piece: bytes, path: Path, codec: str, final: bool = False) -> bytes:
    try:
        return decoder.decode(piece, final).encode()
    except UnicodeError as error:
        raise DataError(
            f"{path}: begins as a text in {codec.upper()} does, and is none further on ({error}); save it as UTF-8"
        ) from error


def _opened(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            start = file.read(4)
        compression = next((name for magic, name in MAGIC.items() if start.startswith(magic)), None)
        return pa.input_stream(str(path), compression=compression)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def _read(file: Any, path: Path, size: int) -> bytes:
    try:
        return file.read(size)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be decompressed ({error}); is it a whole file?") from error


def suffixes_of(path: Path) -> tuple[str, str]:
    """(suffix of the text, suffix of the compression or ""), in lower case; those of a temporary name do not count."""
    found = [suffix.lower() for suffix in path.suffixes]
    while len(found) > 1 and (found[-1] == ".tmp" or found[-1][1:].isdigit()):
        found.pop()
    compression = found.pop() if found and found[-1] in COMPRESSED else ""
    return (found[-1] if found else ""), compression


def written(path: Path) -> Any:
    """A stream of bytes into a file, compressed if its suffix says so."""
    return pa.output_stream(str(path), compression=COMPRESSED.get(suffixes_of(path)[1]))
