"""Compressed files: bits against the bound, and beside other compressors, on the same bytes.

    python benchmarks/compression.py RUN DATA [--rows 10000] [--ways order,any,inside,any+inside] [-o results.json]

    order         rows as they came, the model apart
    any           in any order
    inside        as they came, the model inside
    any+inside    in any order, the model inside

The bound is that of one sample a row by `velbo evaluate`, in bits, for masses on the grid of each column; columns of
free floats have no such number. What is missing has no law in the bound and takes bits in the file. Peers get the text
as it is, numbers as raw bytes (zeros and ones also eight to a byte), images as one picture; Parquet gets the rows, and
the rows sorted. JPEG XL needs `pip install imagecodecs`. Rates are of CPU seconds, so that a busy machine tells them as
well: in, which for velbo has the reading again in it that every block is checked by, and out.
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
from typing import Any, NamedTuple

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

Pair = tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]
PEERS: dict[str, Pair] = {
    "gzip -9": (lambda data: gzip.compress(data, 9), gzip.decompress),
    "bzip2 -9": (lambda data: bz2.compress(data, 9), bz2.decompress),
    "xz -9e": (lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME), lzma.decompress),
}
WAYS = ("order", "any", "inside", "any+inside")
COLUMNS = 100
"""Images beside each other."""
LARGEST_WEBP = 16_000


class Size(NamedTuple):
    """Of one compressor: bytes, and CPU seconds in and out."""

    n_bytes: float
    seconds_in: float = math.nan
    seconds_out: float = math.nan


def timed(pair: tuple[Callable[[Any], Any], Callable[[Any], Any]], what: Any) -> Size:
    """How large something becomes, and that it comes back.

    Raises:
        SystemExit: if it does not.
    """
    times = [time.process_time()]
    small = pair[0](what)
    times.append(time.process_time())
    again = pair[1](small)
    times.append(time.process_time())
    if not (np.array_equal(again, what) if isinstance(what, np.ndarray) else again == what):
        raise SystemExit("a peer gives other bytes back")
    return Size(len(small), times[1] - times[0], times[2] - times[1])


def of_arrow(name: str, level: int, data: bytes) -> Size:
    codec = pa.Codec(name, compression_level=level)
    back = codec.decompress
    return timed((lambda x: codec.compress(x, asbytes=True), lambda x: back(x, len(data), asbytes=True)), data)


def of_bytes(data: bytes) -> dict[str, Size]:
    """All peers that take any bytes."""
    found = {name: timed(pair, data) for name, pair in PEERS.items()}
    return found | {"zstd -19": of_arrow("zstd", 19, data), "brotli -11": of_arrow("brotli", 11, data)}


def parquet(table: pa.Table) -> Size:
    def written(rows: pa.Table) -> bytes:
        sink = io.BytesIO()
        pq.write_table(rows, sink, compression="zstd", compression_level=19)
        return sink.getvalue()

    return timed((written, lambda data: pq.read_table(io.BytesIO(data), partitioning=None)), table)


def pictures(images: np.ndarray) -> dict[str, Size]:
    """8-bit or bilevel images (N, H, W) as one picture of 100 columns."""
    n, h, w = images.shape
    rows = math.ceil(n / COLUMNS)
    padded = np.concatenate((images, np.zeros((rows * COLUMNS - n, h, w), images.dtype)))
    whole = padded.reshape(rows, COLUMNS, h, w).transpose(0, 2, 1, 3).reshape(rows * h, COLUMNS * w)
    gray = np.ascontiguousarray(whole * np.uint8(255 if whole.dtype == bool else 1))
    found = dict[str, Size]()
    try:
        from PIL import Image
    except ImportError:
        return found

    def codec(name: str, **options: object) -> tuple[Callable[[np.ndarray], bytes], Callable[[bytes], np.ndarray]]:
        def encoded(picture: np.ndarray) -> bytes:
            sink = io.BytesIO()
            Image.fromarray(picture).save(sink, name, **options)
            return sink.getvalue()

        def decoded(data: bytes) -> np.ndarray:
            picture = np.asarray(Image.open(io.BytesIO(data)))
            return picture if picture.ndim == 2 else picture[..., 0]

        return encoded, decoded

    found["PNG"] = timed(codec("PNG", optimize=True), whole)
    if max(whole.shape) <= LARGEST_WEBP:
        found["WebP"] = timed(codec("WebP", lossless=True, quality=100, method=6), gray)
    try:
        import imagecodecs
    except ImportError:
        return found
    encode, decode = imagecodecs.jpegxl_encode, imagecodecs.jpegxl_decode
    found["JPEG XL, effort 9"] = timed((lambda x: encode(x, lossless=True, effort=9, numthreads=1), decode), gray)
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


def peers(source: Any, table: pa.Table, is_table: bool, rows: int | None) -> tuple[int, dict[str, Size]]:
    """(bytes as they are, what all peers make of them)."""
    data = plain(source, table, rows)
    found = of_bytes(data)
    arrays = [as_array(column) for column in table.columns if is_tensor(column.type)]
    if len(arrays) == len(table.columns) and all(array.dtype == bool for array in arrays):
        bits = b"".join(np.packbits(array.reshape(len(array), -1), axis=1).tobytes() for array in arrays)
        found |= {f"{name}, 8 to a byte": size for name, size in of_bytes(bits).items()}
    found["Parquet + zstd -19"] = parquet(table)
    if is_table:
        by = [(name, "ascending") for name in table.column_names]
        found["the same, rows sorted"] = parquet(table.sort_by(by))
    for array in arrays:
        if array.ndim == 3 and array.dtype in (np.uint8, bool):
            found |= pictures(array)
    return len(data), found


def of_velbo(trained: TrainedModel, rows: Any, suffix: str, way: str) -> dict[str, Size]:
    """One way to compress."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.vlb"
        times = [time.process_time()]
        done = compress(trained, rows, path, any_order="any" in way, self_contained="inside" in way)
        times.append(time.process_time())
        decompress(path, Path(folder) / f"x{suffix}", trained=None if "inside" in way else trained)
        times.append(time.process_time())
    whole = Size(done.n_bytes, times[1] - times[0], times[2] - times[1])
    found = {f"velbo, {way}": whole}
    return found if "inside" in way else found | {f"velbo, {way}, no head": Size(done.n_bytes - done.n_head)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data")
    parser.add_argument("--rows", type=int, help="the first rows alone")
    parser.add_argument("--ways", default=",".join(WAYS), help="separated by commas")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    if not set(options.ways.split(",")) <= set(WAYS):
        parser.error(f"--ways is made of {', '.join(WAYS)}")
    trained = TrainedModel.load(options.run)
    source = velbo.open_source(options.data, trained.plan.data.reading.of_columns())
    table = source.read()
    table = table if options.rows is None else table.slice(0, options.rows)
    n, cells = len(table), len(table) * trained.schema.n_dims
    n_data, others = peers(source, table, trained.schema.is_table, options.rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        least, gaps = bound(trained, table), missing(trained, table)
    print(f"{n} rows, {cells} cells, {n_data} bytes as they are; {machine.processor()}")
    print("behind the sizes, by CPU seconds: rows/s and MB/s in, rows/s and MB/s out")
    suffix = ".csv" if options.rows is None and source.format.name == "csv" else ".parquet"
    rows = source if options.rows is None else table
    sizes = {"the bound": Size(least / 8), "and which cells are missing": Size((least + gaps) / 8)} | others
    shown = 0
    for way in ("", *options.ways.split(",")):
        sizes |= of_velbo(trained, rows, suffix, way) if way else {}
        for name in list(sizes)[shown:]:
            size, *seconds = sizes[name]
            rates = (f"{n / max(t, 1e-6):9.0f} {n_data / max(t, 1e-6) / 1e6:9.3f}" for t in seconds if t >= 0)
            bits = f"{8 * size / n:10.2f} bits a row {8 * size / cells:8.3f} bits a cell"
            print(f"{name:28s} {size:12.0f} bytes {bits}  {'  '.join(rates)}".rstrip(), flush=True)
        shown = len(sizes)
    if (coded := sizes.get("velbo, order, no head")) is not None:
        over = coded.n_bytes - (least + gaps) / 8
        print(f"velbo, order, without its head: {over:.0f} bytes, {800 * over / (least + gaps):.2f} % over both")
    if options.output:
        record = {
            "machine": machine.describe(),
            "rows": n,
            "sizes": {name: size._asdict() for name, size in sizes.items()},
        }
        options.output.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
