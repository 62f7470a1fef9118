"""A table of any number of rows in Parquet files, made a row group of 100,000 rows at a time: 24 numbers that are
linear in 6 factors plus noise, 3 categories (which of four linear functions of the factors is greatest, as text) and 3
Poisson counts.

    python benchmarks/factor_table.py FOLDER ROWS
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

GROUP, GROUPS_A_FILE = 100_000, 10
NUMBERS, CATEGORIES, COUNTS, FACTORS = 24, 3, 3, 6
LEVELS = ("north", "east", "south", "west")
WIDTH = NUMBERS + CATEGORIES + COUNTS


def group(number: int, rows: int) -> pa.Table:
    """One row group."""
    maps, rng = np.random.default_rng(0), np.random.default_rng(number + 1)
    factors = rng.standard_normal((rows, FACTORS), np.float32)
    numbers = factors @ maps.standard_normal((FACTORS, NUMBERS)).astype(np.float32)
    numbers += 0.3 * rng.standard_normal(numbers.shape, np.float32)
    columns = {f"number {i}": pa.array(column) for i, column in enumerate(numbers.T)}
    for i in range(CATEGORIES):
        codes = (factors @ maps.standard_normal((FACTORS, len(LEVELS)))).argmax(1).astype(np.int32)
        columns[f"category {i}"] = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(LEVELS)).cast(pa.string())
    for i in range(COUNTS):
        rates = np.exp(0.5 * factors @ maps.standard_normal(FACTORS) / FACTORS**0.5)
        columns[f"count {i}"] = pa.array(rng.poisson(rates).astype(np.int32))
    return pa.table(columns)


def make(folder: Path, rows: int) -> None:
    """Files of ten row groups each, unless they are there."""
    if folder.exists():
        return
    unfinished = folder.with_suffix(".unfinished")
    unfinished.mkdir(parents=True, exist_ok=True)
    starts = range(0, rows, GROUP)
    for first in range(0, len(starts), GROUPS_A_FILE):
        writer = None
        for number in range(first, min(first + GROUPS_A_FILE, len(starts))):
            table = group(number, min(GROUP, rows - starts[number]))
            writer = writer or pq.ParquetWriter(unfinished / f"part-{first:06d}.parquet", table.schema)
            writer.write_table(table)
        assert writer is not None
        writer.close()
    unfinished.rename(folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
