"""Ways to damage a file: its bytes, the numbers in its header, the values of a JSON document. Each is a function of a
seeded generator, and gives what was done in a few words beside the damaged bytes.
"""

from __future__ import annotations

import copy
import json
import struct
import zlib
from collections.abc import Iterator
from random import Random
from typing import Any

EXTREMES = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\n\n\n\n", b'",",')
SIZES = (0, 1, 7, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1)
NESTED: Any = json.loads("[" * 100 + "]" * 100)
VALUES: tuple[Any, ...] = (
    None, "", "x", "x" * 100_000, "a\0b", "\ud800", "../../etc/passwd", "/", True, 0, 1, -1, 7, 10**5, 10**12, 10**30,
    0.5, -1.5, 1e300, float("nan"), float("inf"), [], [1, 2], ["a"], [None], [[]], [10**12] * 3, {}, {"a": 1}, NESTED,
)  # fmt: skip
"""What takes the place of a value in JSON."""

Damaged = tuple[str, bytes]


def of_bytes(data: bytes, rng: Random) -> Damaged:
    """Bits that are flipped, bytes that are cut off, added, left out or overwritten."""
    changed, way, at = bytearray(data), rng.randrange(5), rng.randrange(len(data))
    if rng.random() < 0.5:  # headers stand at both ends
        at = min(rng.randrange(200), len(data) - 1)
        at = at if rng.random() < 0.5 else len(data) - 1 - at
    if way == 0:
        n = rng.choice((1, 1, 5, 50))
        for place in (at, *(rng.randrange(len(data)) for _ in range(n - 1))):
            changed[place] ^= 1 << rng.randrange(8)
        return f"{n} bits flipped, the first in byte {at}", bytes(changed)
    if way == 1:
        return f"cut off at byte {at}", data[:at]
    if way == 2:
        n = rng.choice((1, 8, 100))
        changed[at:at] = rng.randbytes(n)
        return f"{n} bytes added at {at}", bytes(changed)
    if way == 3:
        n = rng.choice((1, 4, 50))
        del changed[at : at + n]
        return f"{n} bytes left out at {at}", bytes(changed)
    new = rng.choice(EXTREMES)
    changed[at : at + 4] = new
    return f"{new!r} at byte {at}", bytes(changed)


def of_json(document: Any, rng: Random) -> Damaged:
    """One value replaced, one key left out, added or called otherwise."""
    changed = copy.deepcopy(document)
    path = rng.choice(list(_paths(changed)))
    parent: Any = changed
    for key in path[:-1]:
        parent = parent[key]
    what = ".".join(map(str, path))
    way = rng.randrange(10)
    if way == 0:
        del parent[path[-1]]
        return f"{what} left out", _dumped(changed)
    if way == 1 and isinstance(parent, dict):
        parent[f"{path[-1]}2"] = parent[path[-1]]
        return f"{what}2 added", _dumped(changed)
    parent[path[-1]] = value = rng.choice(VALUES)
    return f"{what} = {value!r:.40}", _dumped(changed)


def _dumped(document: Any) -> bytes:
    return json.dumps(document).encode()


def _paths(document: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of every value; of a list, the first two."""
    items = document.items() if isinstance(document, dict) else enumerate(document[:2])
    for key, value in items:
        yield (*before, key)
        if isinstance(value, dict | list):
            yield from _paths(value, (*before, key))


# headers


def npy(descr: str, shape: str, cells: bytes = b"", order: str = "False", version: int = 1) -> bytes:
    """A .npy file that says what it is told to say."""
    said = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes((version, 0)) + struct.pack("<H" if version == 1 else "<I", len(said)) + said + cells


def of_npy(_: bytes, rng: Random) -> Damaged:
    """An array of no such shape or type."""
    descr = rng.choice(("'<f8'", "'<f4'", "'|u1'", "'|b1'", "'|O'", "'<U4'", "'<U1000000000'", "'|S0'", "'<M8[ns]'",
                        "'<c16'", "'|V8'", "'<f16'", "[('a', '<f8'), ('b', '|O')]", "[('a', '<f8', (2, 2))]",
                        "[('a', '<f8'), ('a', '<i4')]", "5", "None", "'>f8'"))  # fmt: skip
    size = [rng.choice((1, 2, 3, 4, -1, *SIZES)) for _ in range(rng.randrange(4))]
    shape = rng.choice((f"({', '.join(map(str, size))}{',' * (len(size) == 1)})", "(2, 4)", "(4,)", "5", "'x'", "None"))
    order, version = rng.choice(("True", "False", "3")), rng.choice((1, 1, 2, 3, 9))
    return f"{descr} {shape} {order} {version}", npy(descr, shape, rng.randbytes(64), order, version)


def of_zip(data: bytes, rng: Random) -> Damaged:
    """A number in the directory of an archive: sizes, offsets, flags, ways of packing."""
    changed = bytearray(data)
    headers = [at for mark in (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06") for at in _places(data, mark)]
    at, width = rng.choice(headers) + rng.randrange(4, 46), rng.choice((2, 4))
    new = rng.choice((0, 1, 99, 2 ** (8 * width - 1), 2 ** (8 * width) - 1))
    changed[at : at + width] = new.to_bytes(width, "little")
    return f"{new} at byte {at}", bytes(changed)


def _places(data: bytes, mark: bytes) -> list[int]:
    found, at = [], data.find(mark)
    while at >= 0:
        found.append(at)
        at = data.find(mark, at + 1)
    return found


def of_png(data: bytes, rng: Random) -> Damaged:
    """A header of a PNG with another size, depth or colour, and a checksum that is right."""
    fields = list(struct.unpack(">IIBBBBB", data[16:29]))
    which = rng.randrange(7)
    fields[which] = rng.choice((0, 1, 9, 255, 20_000, 2**31 - 1) if which < 2 else (0, 1, 2, 3, 4, 6, 7, 8, 16, 255))
    chunk = b"IHDR" + struct.pack(">IIBBBBB", *fields)
    return f"header {fields}", data[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]


def safetensors_header(data: bytes) -> tuple[dict[str, Any], bytes]:
    """(header, cells)."""
    n = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + n]), data[8 + n :]


def of_safetensors(data: bytes, rng: Random) -> Damaged:
    """A header that says of a tensor what is not so, or a length of the header that is another."""
    header, cells = safetensors_header(data)
    if rng.random() < 0.2:
        length = rng.choice(SIZES)
        return f"header of {length} bytes", length.to_bytes(8, "little") + data[8:]
    what, said = of_json(header, rng)
    if rng.random() < 0.5:
        name = rng.choice([name for name in header if name != "__metadata__"])
        key = rng.choice(("dtype", "shape", "data_offsets"))
        numbers = [rng.choice((-1, 0, 1, 4, *SIZES)) for _ in range(2)]
        new = rng.choice(("F64", "I32", "BF16", "BOOL", "F8_E4M3", "x")) if key == "dtype" else numbers
        header[name][key] = new
        what, said = f"{name} {key} {new}", _dumped(header)
    return what, len(said).to_bytes(8, "little") + said + cells
