"""What is kept beside the model's code: named bytes, texts, whole numbers and columns.

which cells the model does not code; cells that differ from what the model's value says; columns without a model
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ..errors import DataError
from ..runtime.fixed_point import Ints

MOST_PARTS = 1 << 20


def joined(parts: dict[str, bytes]) -> bytes:
    """Named bytes as bytes; nothing for none."""
    if not parts:
        return b""
    found = [struct.pack("<I", len(parts))]
    for name, data in parts.items():
        key = name.encode()
        found += [struct.pack("<HI", len(key), len(data)), key, data]
    return b"".join(found)


def parted(data: bytes) -> dict[str, bytes]:
    """The inverse.

    Raises:
        DataError: if they are none.
    """
    if not data:
        return {}
    try:
        (n,), at, found = struct.unpack_from("<I", data), 4, dict[str, bytes]()
        for _ in range(min(n, MOST_PARTS)):
            n_key, n_data = struct.unpack_from("<HI", data, at)
            at += 6 + n_key + n_data
            if at > len(data):
                break
            found[data[at - n_key - n_data : at - n_data].decode()] = data[at - n_data : at]
    except (struct.error, UnicodeDecodeError) as error:
        raise DataError("what is kept beside the model is damaged") from error
    if at != len(data) or len(found) != n:
        raise DataError("what is kept beside the model is damaged")
    return found


def texts_to_bytes(texts: Sequence[bytes]) -> bytes:
    """Texts one after another, their lengths before them."""
    lengths = np.array([len(text) for text in texts], "<u4")
    # lengths byte by byte: the upper ones are all 0
    return struct.pack("<I", len(texts)) + lengths.view(np.uint8).reshape(-1, 4).T.tobytes() + b"".join(texts)


def texts_from_bytes(data: bytes) -> list[bytes]:
    """The inverse.

    Raises:
        DataError: if they are none.
    """
    n = int.from_bytes(data[:4], "little")
    if len(data) < 4 + 4 * n:
        raise DataError("texts beside the model are damaged")
    lengths = np.ascontiguousarray(np.frombuffer(data, np.uint8, 4 * n, 4).reshape(4, n).T).view("<u4").reshape(-1)
    ends = 4 + 4 * n + np.cumsum(lengths, dtype=np.int64)
    if (int(ends[-1]) if n else 4) != len(data):
        raise DataError("texts beside the model are damaged")
    return [data[end - length : end] for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)]


def places_to_bytes(places: Ints) -> bytes:
    """Rising whole numbers as steps."""
    steps = np.diff(places, prepend=0).astype("<u4")
    return steps.view(np.uint8).reshape(-1, 4).T.tobytes()


def places_from_bytes(data: bytes, most: int) -> Ints:
    """The inverse.

    Raises:
        DataError: if they are none, or not below ``most``.
    """
    if len(data) % 4:
        raise DataError("rows beside the model are damaged")
    steps = np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(4, -1).T).view("<u4").reshape(-1)
    places = np.cumsum(steps, dtype=np.int64)
    if len(places) and (places[-1] >= most or (np.diff(places) < 1).any()):
        raise DataError("rows beside the model are damaged")
    return places


def column_to_bytes(column: pa.Array) -> bytes:
    """An Arrow column."""
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([column], names=["x"])
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def column_from_bytes(data: bytes, kind: pa.DataType, n: int) -> pa.Array:
    """The inverse.

    Raises:
        DataError: if they are none, or of another type or length.
    """
    try:
        with pa.ipc.open_stream(data) as reader:
            table = reader.read_all()
        table.validate(full=True)
        column = table.column(0).combine_chunks()
    except (pa.ArrowException, OSError, IndexError) as error:
        raise DataError("columns beside the model are damaged") from error
    if column.type != kind or len(column) != n:
        raise DataError("columns beside the model are damaged")
    return column
