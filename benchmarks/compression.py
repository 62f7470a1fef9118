"""Compressed files: bits against the bound, and beside other compressors, on the same bytes.

    python benchmarks/compression.py RUN DATA [--rows 10000] [--any-order] [--self-contained] [-o results.json]

The bound is that of one sample a row by `velbo evaluate`, in bits, for masses on the grid of each column; columns of
free floats have no such number. What is missing has no law in the bound and takes bits in the file. Peers get the text
as it is, numbers as raw bytes, images as one picture; Parquet gets the rows, and the rows sorted.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import io
import json
import lzma
import math
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import machine
import velbo
from velbo import TrainedModel
from velbo.compress import compress, decompress
from velbo.compress.codec import codec_of
from velbo.compress.grids import Lattice
from velbo.formats import write_table
from velbo.formats.base import as_array, is_tensor
from velbo.rows import kind_of

PEERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip -9": lambda data: gzip.compress(data, 9),
    "bzip2 -9": lambda data: bz2.compress(data, 9),
    "xz -9e": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
    "zstd -19": lambda data: pa.Codec("zstd", compression_level=19).compress(data, asbytes=True),
    "brotli -11": lambda data: pa.Codec("brotli", compression_level=11).compress(data, asbytes=True),
}


def parquet(table: pa.Table) -> int:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", compression_level=19)
    return sink.getbuffer().nbytes


def pictures(images: np.ndarray) -> dict[str, int]:
    """8-bit images (N, H, W) as one picture of 100 columns."""
    try:
        from PIL import Image
    except ImportError:
        return {}
    n, h, w = images.shape
    rows = math.ceil(n / 100)
    padded = np.concatenate((images, np.zeros((rows * 100 - n, h, w), np.uint8)))
    whole = padded.reshape(rows, 100, h, w).transpose(0, 2, 1, 3).reshape(rows * h, 100 * w)
    found = {}
    for name, options in {"PNG": {"optimize": True}, "WebP": {"lossless": True, "quality": 100, "method": 6}}.items():
        if max(whole.shape) <= (16_000 if name == "WebP" else 2**31):
            sink = io.BytesIO()
            Image.fromarray(whole).save(sink, name, **options)
            found[name] = sink.getbuffer().nbytes
    return found


def bound(trained: TrainedModel, table: pa.Table) -> float:
    """Bits of all rows by the bound of one sample; NaN where a column's floats are free."""
    bits = -trained.evaluate(table, samples=1).elbo * len(table) / math.log(2)
    codec = codec_of(trained)
    placed = codec.placed(np.asarray(trained.schema.numbers(table), np.float64))
    for d, (cell, grid) in enumerate(zip(trained.schema.cells, codec.grids, strict=True)):
        if kind_of(cell).is_density:
            step = grid.times / grid.over if isinstance(grid, Lattice) else math.nan
            bits -= math.log2(step) * placed.coded[:, d].sum()
    return bits


def missing(trained: TrainedModel, table: pa.Table) -> float:
    """Bits of which cells the model does not code, by how often each pattern is: the bound has no law of it."""
    codec = codec_of(trained)
    coded = codec.placed(np.asarray(trained.schema.numbers(table), np.float64)).coded
    counts = np.unique(np.packbits(coded, axis=1), axis=0, return_counts=True)[1]
    return float(-(counts * np.log2(counts / counts.sum())).sum())


def plain(source: Any, table: pa.Table, rows: int | None) -> bytes:
    """What peers get."""
    if rows is None and source.format.name == "csv":
        return source.path.read_bytes()
    if all(is_tensor(kind) for kind in table.schema.types):
        return b"".join(as_array(column).tobytes() for column in table.columns)
    with tempfile.TemporaryDirectory() as folder:
        write_table(table, Path(folder) / "x.csv")
        return (Path(folder) / "x.csv").read_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data")
    parser.add_argument("--rows", type=int, help="the first rows alone")
    parser.add_argument("--any-order", action="store_true")
    parser.add_argument("--self-contained", action="store_true")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    trained = TrainedModel.load(options.run)
    source = velbo.open_source(options.data, trained.plan.data.reading.of_columns())
    table = source.read()
    table = table if options.rows is None else table.slice(0, options.rows)
    n, data = len(table), plain(source, table, options.rows)
    cells = n * trained.schema.n_dims
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        least, gaps = bound(trained, table), missing(trained, table)
    sizes: dict[str, float] = {"the bound": least / 8, "and which cells are missing": (least + gaps) / 8}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.vlb"
        start = time.perf_counter()
        flags = {"any_order": options.any_order, "self_contained": options.self_contained}
        done = compress(trained, source if options.rows is None else table, path, **flags)
        middle = time.perf_counter()
        target = Path(folder) / ("x.csv" if options.rows is None and source.format.name == "csv" else "x.parquet")
        decompress(path, target, trained=None if options.self_contained else trained)
        end = time.perf_counter()
    sizes["velbo"] = done.n_bytes
    sizes["velbo, without its head"] = done.n_bytes - done.n_head
    sizes |= {name: len(f(data)) for name, f in PEERS.items()}
    sizes["Parquet + zstd -19"] = parquet(table)
    if trained.schema.is_table:
        by = [(name, "ascending") for name in table.column_names]
        sizes["the same, rows sorted"] = parquet(table.sort_by(by))
    for column in table.columns:
        if is_tensor(column.type) and len(column.type.shape) == 2 and column.type.value_type == pa.uint8():
            sizes |= pictures(as_array(column))
    print(f"{n} rows, {cells} cells, {len(data)} bytes as they are; {machine.processor()}")
    for name, size in sizes.items():
        print(f"{name:28s} {size:12.0f} bytes {8 * size / n:10.2f} bits a row {8 * size / cells:8.3f} bits a cell")
    over = (done.n_bytes - done.n_head) / ((least + gaps) / 8) - 1
    print(f"over both: {100 * over:.2f} %")
    for what, seconds in {"into the file, read again once": middle - start, "and back": end - middle}.items():
        print(f"{what}: {n / seconds:.0f} rows/s, {len(data) / seconds / 1e6:.3f} MB/s")
    if options.output:
        record = {"machine": machine.describe(), "bytes": sizes, "rows": n}
        options.output.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
