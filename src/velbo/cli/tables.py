"""Rows in from files, results out to files."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DataError
from .app import say
from .options import Kinds

ROWS_PER_BATCH = 65_536


def pick_rows(x: Any, n: int | None, seed: int) -> Any:
    """A seeded random subset of n rows, in their order; all rows if n is None.

    Raises:
        ConfigError: if n is less than 1 or more than there are.
    """
    if n is None:
        return x
    if hasattr(x, "batches"):
        raise ConfigError("--rows picks from rows in memory; leave --stream out, or give a smaller table")
    if not 1 <= n <= len(x):
        raise ConfigError(f"--rows must be between 1 and {len(x)}, the number of rows there are, not {n}")
    import numpy as np

    from ..data import take

    return take(x, np.sort(np.random.default_rng(seed).choice(len(x), n, replace=False)))


def load_rows(
    source: str, kinds: Kinds, likelihood: str = "auto", stream: bool = False, labelled: bool = False
) -> tuple[Any, Sequence[str]]:
    """(rows, names of the columns): a table, or an array where one kind or likelihood is asked for all of it, with its
    labels if they are wanted. A table that is to be streamed, or would take much of the memory, stays on disk.
    """
    from ..data import KINDS, load
    from ..data.table_files import TableSource, is_table_source

    one_for_all = kinds.kind in KINDS or kinds.levels is not None or likelihood not in ("auto", "mixed")
    if is_table_source(source) and not one_for_all:
        table = TableSource(source)
        if stream or (not table.is_text and too_large(table)):
            return table, table.names
        return table.read(), table.names
    if stream:
        raise ConfigError(f"{source}: only tables are streamed, with a kind for each column; leave --stream out")
    data = load(source)
    return (data if labelled and data.labels is not None else data.rows), data.names


def n_rows(x: Any) -> int:
    """Of rows in memory or of a table on disk."""
    return x.n_rows if hasattr(x, "batches") else len(x)


def too_large(table: Any) -> bool:
    """Whether the numbers of a table would take more than a quarter of the memory."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else math.inf
    return 8 * (table.n_rows or 0) * len(table.names) > memory / 4


def understand_rows(rows: Any, names: Sequence[str], kinds: Kinds) -> Any:
    """The schema of rows that were loaded."""
    import numpy as np

    from ..data import as_frame, is_frame, understand
    from ..data.frames import parse_overrides

    overrides = parse_overrides(kinds.column)
    if overrides and isinstance(rows, np.ndarray) and rows.ndim == 2:
        rows = as_frame(rows, names)
    if is_frame(rows) or hasattr(rows, "batches"):
        return understand(rows, kinds.kind, kinds.levels, overrides)
    return understand(rows, kinds.kind, kinds.levels, overrides, names=names)


def read_rows(fitted: Any, source: str, n: int | None = None, seed: int = 0) -> Any:
    """Rows for a trained model, their names held against its schema."""
    from ..data import read

    return pick_rows(read(source, fitted.schema), n, seed)


def absolute(source: str) -> str:
    from ..data import EMBEDDED

    if source in EMBEDDED:
        return source
    path, separator, key = source.partition(".npz:")
    return str(Path(path).resolve()) + separator + key


def check_output(path: Path) -> None:
    """Raise DataError for a file of no known kind; to be called before work that would be lost."""
    from ..data.table_writing import WRITABLE

    if path.suffix not in (*WRITABLE, ".npy"):
        raise DataError(f"cannot write '{path}': name a .npy, {', '.join(WRITABLE)} file")


def write_rows(path: Path, values: Any, prefix: str, names: Sequence[str] = ()) -> None:
    """An array or a data frame into a file; labels into another beside it."""
    import numpy as np

    from ..data import Data, is_frame
    from ..data.sources import LABEL
    from ..data.table_writing import write_table
    from ..files import write_atomically

    def as_csv(target: Path) -> None:
        rows = values.reshape(len(values), -1)
        header = ",".join(_quoted(n) for n in _names(values, prefix, names))
        np.savetxt(target, rows, delimiter=",", header=header, comments="", fmt="%.9g")

    def as_npy(target: Path) -> None:
        with target.open("wb") as file:
            np.save(file, values, allow_pickle=False)

    check_output(path)
    if isinstance(values, Data):
        import pyarrow as pa

        write_rows(path, values.rows, prefix, names)
        labels = values.labels if path.suffix == ".npy" else pa.table({LABEL: values.labels})
        write_rows(path.with_name(f"{path.stem}-{LABEL}{path.suffix}"), labels, LABEL)
        return
    if is_frame(values) and path.suffix == ".npy":
        raise DataError(f"{path}: an array has no columns of several types; name a .csv or .parquet file")
    if path.suffix == ".npy":
        write_atomically(path, as_npy)
    elif path.suffix == ".csv" and not is_frame(values):
        write_atomically(path, as_csv)
    else:
        write_table(_as_table(values, prefix, names), path)
    say(f"wrote {len(values)} rows to {path}")


def map_rows(
    fitted: Any, source: str, path: Path, f: Callable[[Any], Any], prefix: str, names: Sequence[str] = ()
) -> None:
    """f of all rows into a file; of a table batch by batch, so that neither it nor the result need fit into memory."""
    map_rows_to_many(fitted, source, [path], lambda rows: [f(rows)], prefix, names)


def map_rows_to_many(
    fitted: Any,
    source: str,
    paths: Sequence[Path],
    f: Callable[[Any], Sequence[Any]],
    prefix: str,
    names: Sequence[str] = (),
) -> None:
    """The same for an f that gives a result for each of several files."""
    from ..data.table_files import TableSource, is_table_source

    check_output(paths[0])
    if not fitted.schema.columns or not is_table_source(source) or paths[0].suffix == ".npy":
        for path, values in zip(paths, f(read_rows(fitted, source)), strict=True):
            write_rows(path, values, prefix, names)
        return
    batches = TableSource(source).batches(ROWS_PER_BATCH)
    write_parts(paths, ([_as_table(values, prefix, names) for values in f(batch)] for batch in batches))


def write_parts(paths: Sequence[Path], parts: Iterable[Sequence[Any]]) -> None:
    """Data frames one after another into files: a part has one frame for each."""
    from ..data.table_writing import Writer

    n = 0
    with ExitStack() as stack:
        writers = [stack.enter_context(Writer(path)) for path in paths]
        for part in parts:
            for writer, frame in zip(writers, part, strict=True):
                writer.write(frame)
            n += len(part[0])
    for path in paths:
        say(f"wrote {n} rows to {path}")


def _as_table(values: Any, prefix: str, names: Sequence[str]) -> Any:
    from ..data import as_frame, is_frame

    return values if is_frame(values) else as_frame(values.reshape(len(values), -1), _names(values, prefix, names))


def _names(values: Any, prefix: str, names: Sequence[str]) -> Sequence[str]:
    """Those given if there is one for each column, else made from the prefix."""
    width = values.reshape(len(values), -1).shape[1]
    return names if len(names) == width else [prefix] if values.ndim == 1 else [f"{prefix}{i}" for i in range(width)]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"\n') else name


def print_table(records: Sequence[dict[str, Any]]) -> None:
    """Records as aligned columns on stdout; numbers with 6 digits at most."""
    names = list(dict.fromkeys(name for record in records for name in record))
    lines = [names] + [[_cell(record.get(name)) for name in names] for record in records]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def print_record(record: dict[str, Any], as_json: bool) -> None:
    """One result on stdout: a name and a value a line, or one JSON object."""
    if as_json:
        import json

        print(json.dumps(record))
        return
    for name, value in record.items():
        text = " ".join(f"{v:.2f}" for v in value) if isinstance(value, list | tuple) else _cell(value)
        print(f"{name:24s} {text}")
