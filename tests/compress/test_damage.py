"""Damaged files: a share of the campaign, and what the container says of each sort of damage."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from contracts.compressed import model_of
from velbo.compress.aside import (
    column_from_bytes,
    column_to_bytes,
    joined,
    parted,
    places_from_bytes,
    places_to_bytes,
    texts_from_bytes,
    texts_to_bytes,
)
from velbo.compress.codec import codec_of
from velbo.compress.coder import Coder, fresh_heads
from velbo.compress.container import Block, BlockFile, BlockReader, Damaged
from velbo.compress.patterns import Patterns
from velbo.compress.rows import Stack
from velbo.errors import DataError
from velbo.rows import infer

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="benchmarks are not part of this copy")
def test_every_damaged_file_ends_in_one_line_or_in_its_rows():
    """60 of the campaign's cases, in a process of their own, where memory and time are limited."""
    path = os.pathsep.join(str(ROOT / name) for name in ("src", "tests", "."))
    command = [sys.executable, "-m", "benchmarks.compression_damage", "--cases", "60", "--seed", "1"]
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def a_file(n_blocks: int = 3) -> bytes:
    file = io.BytesIO()
    out = BlockFile(file, {"a": 1}, b"model")
    for i in range(n_blocks):
        stack = Stack(fresh_heads(4), np.arange(5, dtype=np.uint32), (1, 2, 4, 4), 2)
        out.write(Block(11, stack, bytes([i]) * 9, bytes(8)))
    out.close()
    return file.getvalue()


def blocks_of(data: bytes) -> list[tuple[int, Block | None]]:
    return list(BlockReader(io.BytesIO(data), "x.vlb").blocks())


def test_blocks_come_back_with_all_that_they_hold():
    reader = BlockReader(io.BytesIO(a_file()), "x.vlb")
    assert (reader.header, reader.model) == ({"a": 1}, b"model")
    found = list(reader.blocks())
    assert [first for first, _ in found] == [0, 11, 22]
    for i, (_, block) in enumerate(found):
        assert block is not None
        assert (block.n_rows, block.aside, block.stack.sizes) == (11, bytes([i]) * 9, (1, 2, 4, 4))
        assert (block.stack.words == np.arange(5)).all()


def test_every_single_byte_matters():
    """Each byte of a file changed: the head is refused, or a block is lost and named, or the index is done without."""
    data = a_file()
    whole = [(first, block.aside) for first, block in blocks_of(data) if block]
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 0x20
        try:
            found = blocks_of(bytes(changed))
        except DataError:
            continue
        lost = [i for i, (_, block) in enumerate(found) if block is None]
        left = [(first, block.aside) for first, block in found if block]
        assert len(lost) <= 1
        assert all(pair in whole for pair in left), at


def test_a_file_without_its_end_gives_its_blocks_and_then_says_so():
    data = a_file()
    third = data.rindex(b"BLCK")
    blocks = BlockReader(io.BytesIO(data[: third + 30]), "x.vlb").blocks()
    for first in (0, 11):
        number, block = next(blocks)
        assert (number, block is not None) == (first, True)
    with pytest.raises(Damaged, match=r"x.vlb: the file ends, or is damaged, behind row 21 \(block 2\)"):
        next(blocks)


def test_what_stands_beside_the_model_comes_back_or_is_refused():
    parts = {"a": b"1", "b.c": bytes(1000), "": b""}
    assert parted(joined(parts)) == parts
    assert parted(joined({})) == {}
    texts = [b"", b"x" * 300, "é".encode(), b"\n"]
    assert texts_from_bytes(texts_to_bytes(texts)) == texts
    assert texts_from_bytes(texts_to_bytes([])) == []
    places = np.array([0, 5, 6, 10**6])
    assert places_from_bytes(places_to_bytes(places), 10**6 + 1).tolist() == places.tolist()
    column = pa.array(["a", None, "b"])
    assert column_from_bytes(column_to_bytes(column), pa.string(), 3).equals(column)
    for refused in (
        lambda: parted(joined(parts)[:-1]),
        lambda: parted(b"\xff" * 20),
        lambda: texts_from_bytes(texts_to_bytes(texts)[:-1]),
        lambda: places_from_bytes(places_to_bytes(places), 10**6),
        lambda: places_from_bytes(places_to_bytes(places)[:-1], 10**7),
        lambda: places_from_bytes(places_to_bytes(np.array([3, 3])), 10**7),
        lambda: column_from_bytes(column_to_bytes(column), pa.int64(), 3),
        lambda: column_from_bytes(column_to_bytes(column), pa.string(), 2),
        lambda: column_from_bytes(b"nothing", pa.string(), 2),
    ):
        with pytest.raises(DataError):
            refused()


def test_masks_few_and_many():
    r = np.random.default_rng(0)
    few, many = np.ones((500, 9), bool), r.random((500, 30)) < 0.5
    few[::7, 3] = False
    for masks, is_counted in ((np.ones((500, 9), bool), True), (few, True), (many, False)):
        patterns, ids = Patterns.of(masks)
        assert (patterns.counts is not None) == is_counted
        again = Patterns.from_bytes(patterns.to_bytes(), *masks.shape)
        if is_counted:
            assert (again.masks[ids] == masks).all()
        else:
            assert (again.masks == masks).all()
    with pytest.raises(DataError, match="missing cells is damaged"):
        Patterns.from_bytes(Patterns.of(few)[0].to_bytes()[:-1], 500, 9)
    with pytest.raises(DataError, match="missing cells is damaged"):
        Patterns.from_bytes(Patterns.of(few)[0].to_bytes(), 501, 9)


def test_a_code_of_no_value_is_refused():
    """Tables of names are as wide as the widest column; what a hostile stack says of the padding is no name."""
    rows = pa.table({"a": list("abcdefgh") * 5, "b": list("xy") * 20, "c": list("xyz") * 13 + ["x"]})
    codec = codec_of(model_of(infer(rows, {"a": "categorical", "b": "categorical", "c": "categorical"})))
    r, n_refused = np.random.default_rng(0), 0
    patterns = Patterns(np.ones((1, 3), bool), np.array([4]))
    for _ in range(30):
        heads = np.uint64(1 << 40) + r.integers(0, 1 << 40, 4).astype(np.uint64)
        # the last interval of a table is that of the padding: all bits of a head set
        coder = Coder.of(heads | np.uint64((1 << 20) - 1), r.integers(0, 1 << 32, 4000, dtype=np.uint32), 0)
        coder._words[:] = 0xFFFFFFFF
        try:
            codec.pop(coder, 4, patterns, 0)
        except DataError:
            n_refused += 1
    assert n_refused > 0
