"""What cases begin with: data in every format, and a trained run on an array and one on a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .children import SMALL, velbo


@dataclass(frozen=True)
class Material:
    """Files and folders that no case may change.

    Attributes:
        array: .npy file, 60 rows of 3 numbers.
        table: .csv file, 200 rows of numbers and text, a tenth of its cells missing.
        parquet: the same table.
        run_of_array: trained on the array.
        run_of_table: trained on the table.
    """

    array: Path
    table: Path
    parquet: Path
    run_of_array: Path
    run_of_table: Path


def make(folder: Path) -> Material:
    """All of it, in half a second."""
    made = Material(*(folder / name for name in ("array.npy", "table.csv", "table.parquet", "A", "B")))
    np.save(made.array, np.random.default_rng(0).normal(size=(60, 3)))
    made.table.write_text(_table())
    for command in (
        ("convert", made.table, made.parquet),
        ("fit", made.array, "--run", made.run_of_array, *SMALL),
        ("fit", made.table, "--run", made.run_of_table, *SMALL),
    ):
        ended = velbo(*command)
        assert ended.code == 0, ended.err
    return made


def _table() -> str:
    rng, lines = np.random.default_rng(0), ["age,income,job,city"]
    for _ in range(200):
        cells = [
            str(rng.integers(18, 90)),
            f"{rng.lognormal(10, 1):.2f}",
            rng.choice(list("abc")),
            rng.choice(["x", "y"]),
        ]
        lines.append(",".join("" if rng.random() < 0.1 else str(cell) for cell in cells))
    return "\n".join(lines) + "\n"
