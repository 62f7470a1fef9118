"""Damaged and hostile .vlb files: each ends in one line or in the rows that were written, and never in others.

    PYTHONPATH=src:tests python -m benchmarks.compression_damage [--cases 2000]

    bytes      bits flipped, bytes cut off, added, left out, overwritten
    resealed   the same inside the head or a block, with checksums that are right again: what a hostile writer can do

A case fails if rows differ from those that were written (resealed files may hold other rows: that is what they say), if
anything but an error of velbo's is raised, if it takes over 20 seconds, or if memory grows by over 512 MiB.
"""

from __future__ import annotations

import argparse
import lzma
import random
import resource
import signal
import struct
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import velbo
from benchmarks.faults.mutations import EXTREMES, of_bytes
from contracts.compressed import model_of, table
from velbo.compress import compress
from velbo.compress.container import CHECK, HEAD, LENGTHS, MAGIC, PRESS, checksum
from velbo.compress.reading import Reader
from velbo.errors import VelboError
from velbo.rows import infer

SECONDS, MEMORY = 20, 512 * 2**20
VALUES = (b"0", b"9", b"-1", b"null", b'"', b"[]", b"1e999", b"99999999999")


class TooLongError(Exception):
    """A case that does not end."""


def resealed(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Numbers changed in the head or in a block, and the checksums made right again."""
    start = len(MAGIC) + LENGTHS.size
    size, _, n_model = LENGTHS.unpack(data[len(MAGIC) : start])
    first = start + size + n_model + CHECK
    if rng.random() < 0.4:
        text = bytearray(lzma.decompress(data[start : start + size], **PRESS))
        at = rng.randrange(len(text))
        new = rng.choice(
            [b"0", b"9", b"-1", b"null", b'"', b"[]", b"1e999", b"99999999999", bytes([rng.randrange(256)])]
        )
        text[at : at + rng.choice((1, 1, len(new)))] = new
        model = bytearray(data[start + size : start + size + n_model])
        if model and rng.random() < 0.5:
            model[rng.randrange(len(model))] ^= 1 << rng.randrange(8)
        pressed = lzma.compress(bytes(text), **PRESS)
        head = MAGIC + LENGTHS.pack(len(pressed), len(text), len(model)) + pressed + bytes(model)
        # places in the index move, so that it is not found, and blocks are read one after another
        return f"head, {new!r} at {at}", head + checksum(head) + data[first:]
    block = bytearray(data[first:])
    where = rng.choice(("sizes", "sizes", "body", "body", "aside"))
    fields = list(HEAD.unpack_from(block))
    if where == "sizes":
        which = rng.randrange(1, 9)
        fields[which] = rng.choice((0, 1, 2, 7, 255, 2**16, 2**20, 2**27, 2**31, 2**32 - 1, max(0, fields[which] - 1)))
        HEAD.pack_into(block, 0, *fields)
    body = HEAD.size + 2 * CHECK
    runs, lanes, words, pressed = (fields[i] for i in (2, 3, 4, 6))
    end = min(len(block), body + 8 * runs + 8 * lanes + 4 * words + pressed)
    at = rng.randrange(body, max(end, body + 1))
    if where == "body":
        block[at : at + 4] = rng.choice((*EXTREMES, struct.pack("<I", rng.randrange(2**32))))
    if where == "aside" and pressed and where != "sizes":
        begin = end - pressed
        aside = bytearray(lzma.decompress(bytes(block[begin:end]), **PRESS))
        aside[rng.randrange(min(len(aside), 4000))] = rng.choice((0, 1, 255, rng.randrange(256)))
        again = lzma.compress(bytes(aside), **PRESS)
        fields[6], fields[7] = len(again), len(aside)
        HEAD.pack_into(block, 0, *fields)
        block[begin:end] = again
        end = begin + len(again)
    head, rest = bytes(block[: HEAD.size]), bytes(block[body:end])
    block[HEAD.size : body] = checksum(head) + checksum(head, rest)
    return f"{where}, {fields[1:9]}", data[:first] + bytes(block)


def read(path: Path, trained: Any) -> list[bytes]:
    """The rows, block by block, as bytes."""
    with path.open("rb") as file:
        reader = Reader(file, path.name, trained)
        if reader.header.text is not None:
            return list(reader.texts())
        found = list(reader.tables())
        return [repr(pa.concat_tables(found).to_pylist()).encode()] if found else []


def outcome(path: Path, trained: Any, known: list[bytes], may_differ: bool) -> str:
    """What became of a file, in a word; those in capitals are failures."""

    def stop(*_: Any) -> None:
        raise TooLongError

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        found = read(path, trained)
        word = "the rows" if found == known else "other rows, as it says" if may_differ else "OTHER ROWS"
    except VelboError as error:
        word = "a line" if "\n" not in str(error) and str(error) else "NO LINE"
    except TooLongError:
        word = "NO END"
    except MemoryError:
        word = "NO MEMORY"
    except Exception as error:
        word = f"AN ERROR OF PYTHON'S: {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return f"MUCH MEMORY ({grown / 2**20:.0f} MiB)" if grown > MEMORY else word


def files(folder: Path) -> list[tuple[Path, Any]]:
    """(file, the model it needs) of each sort: a table, rows in any order with the model inside, an array, a text."""
    rows = table(60, seed=3).drop_columns(["time", "single"])
    of_table = model_of(infer(table(200).select(rows.column_names), {"text": "drop"}), hidden=(6,))
    images = np.random.default_rng(0).integers(0, 4, (50, 3, 3), dtype=np.uint8)
    of_images = model_of(infer(images, kind="byte", levels=4), hidden=(6,))
    lines = "\n".join(
        f"{x:.2f},{n}" for x, n in zip(np.random.default_rng(1).normal(size=70), "abcdefg" * 10, strict=True)
    )
    (folder / "x.csv").write_text(f"x,name\n{lines}\n")
    of_text = model_of(infer(velbo.open_source(folder / "x.csv").read()), hidden=(6,))
    sorts = [
        ("table", rows, of_table, {}),
        ("inside", rows.select(["real", "name", "gaps"]), None, {"any_order": True, "self_contained": True}),
        ("array", images, of_images, {}),
        ("text", folder / "x.csv", of_text, {}),
    ]
    found = []
    for name, what, trained, options in sorts:
        own = trained or model_of(infer(table(200).select(what.column_names)), hidden=(6,))
        compress(own, what, folder / f"{name}.vlb", **options)
        found.append((folder / f"{name}.vlb", trained))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, counts, n_failed = random.Random(options.seed), Counter[str](), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sorts = [(path, trained, read(path, trained), path.read_bytes()) for path, trained in files(folder)]
        for case in range(options.cases):
            path, trained, known, data = sorts[case % len(sorts)]
            is_sealed = rng.random() < 0.5
            what, damaged = (resealed if is_sealed else of_bytes)(data, rng)
            target = folder / "damaged.vlb"
            target.write_bytes(damaged)
            word = outcome(target, trained, known, may_differ=is_sealed)
            counts[f"{'resealed' if is_sealed else 'bytes'}: {word.partition(':')[0]}"] += 1
            if word[:2].isupper():
                n_failed += 1
                print(f"case {case}, {path.stem}, {what}: {word}", flush=True)
    for word, n in counts.most_common():
        print(f"{n:6d}  {word}")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
