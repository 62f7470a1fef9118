"""Rows in from files, results out to files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DataError
from .app import say


def pick_rows(x: Any, n: int | None, seed: int) -> Any:
    """A seeded random subset of n rows, in their order; all rows if n is None.

    Raises:
        ConfigError: if n is less than 1 or more than there are.
    """
    if n is None:
        return x
    if not 1 <= n <= len(x):
        raise ConfigError(f"--rows must be between 1 and {len(x)}, the number of rows there are, not {n}")
    import numpy as np

    return x[np.sort(np.random.default_rng(seed).choice(len(x), n, replace=False))]


def read_rows(fitted: Any, source: str, n: int | None = None, seed: int = 0) -> Any:
    """Rows for a trained model, their names held against its schema."""
    from ..data import load

    data = load(source)
    fitted.schema.check_names(data.names, source)
    return pick_rows(data.rows, n, seed)


def absolute(source: str) -> str:
    from ..data import EMBEDDED

    if source in EMBEDDED:
        return source
    path, separator, key = source.partition(".npz:")
    return str(Path(path).resolve()) + separator + key


def check_output(path: Path) -> None:
    """Raise DataError for a file of no known kind; to be called before work that would be lost."""
    if path.suffix not in (".csv", ".npy"):
        raise DataError(f"cannot write '{path}': name a .npy or .csv file")


def write_rows(path: Path, values: Any, prefix: str, names: Sequence[str] = ()) -> None:
    import numpy as np

    from ..files import write_atomically

    def as_csv(target: Path) -> None:
        table = values.reshape(len(values), -1)
        width = table.shape[1]
        single = [prefix] if values.ndim == 1 else [f"{prefix}{i}" for i in range(width)]
        header = ",".join(_quoted(n) for n in (names if len(names) == width else single))
        np.savetxt(target, table, delimiter=",", header=header, comments="", fmt="%.9g")

    def as_npy(target: Path) -> None:
        with target.open("wb") as file:
            np.save(file, values, allow_pickle=False)

    check_output(path)
    write_atomically(path, as_csv if path.suffix == ".csv" else as_npy)
    say(f"wrote {values.shape[0]} rows to {path}")


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
