"""Is anything left behind? fit, an interrupt, resume, score, impute and sample, round after round in one process.

    python benchmarks/soak.py --minutes 30

After every round: resident memory, open descriptors, threads, and files that are no result. A leak is a slope: the
table shows the median of each tenth of the rounds, and the last line how much a round adds by least squares over the
second half (in the first one memory pools fill).
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import load_wine

from velbo.cli import main

HEADINGS = "memory (MiB)", "descriptors", "threads", "left files"


@dataclass(frozen=True)
class Reading:
    """What the process holds after a round."""

    memory: float
    descriptors: int
    threads: int
    left_files: int

    @classmethod
    def now(cls, folder: Path) -> Reading:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        temporary = [p for p in folder.rglob("*") if ".tmp" in p.name or p.name == "error.txt"]
        return cls(
            pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
            len(os.listdir("/proc/self/fd")),
            threading.active_count(),
            len(temporary),
        )


def data(folder: Path) -> Path:
    """Wine as a table, some cells empty."""
    frame = load_wine(as_frame=True).frame
    frame.loc[::7, "ash"] = None
    path = folder / "wine.csv"
    frame.to_csv(path, index=False)
    return path


def called(wanted: int, *arguments: object) -> None:
    """One command.

    Raises:
        SystemExit: if it ends otherwise than it should.
    """
    code = main([str(a) for a in arguments])
    if code != wanted:
        raise SystemExit(f"{' '.join(map(str, arguments))}: exit code {code}, not {wanted}")


def interrupt(begun: Path) -> None:
    """This process, once a run has its first line of metrics."""
    while not begun.exists():
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)


def one_round(number: int, folder: Path, table: Path) -> None:
    """All verbs on one run, whose folder is used again in the next round."""
    run, out = folder / "run", folder / "out"
    for path in sorted([*run.rglob("*"), *out.rglob("*")], reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with suppress(FileNotFoundError):
        run.rmdir()
    out.mkdir(exist_ok=True)
    later = threading.Thread(target=interrupt, args=(run / "metrics.jsonl",))
    later.start()
    called(130, "fit", table, "--run", run, "--epochs", 100, "--hidden", 32, "--seed", number, "--threads", 1)
    later.join()
    called(0, "resume", run)
    called(0, "score", run, table, "--samples", 10, "-o", out / "scores.csv")
    called(0, "impute", run, table, "--samples", 10, "-n", 2, "-o", out / "full.csv")
    called(0, "sample", run, "-n", 100, "-o", out / "new.parquet")
    called(0, "evaluate", run, table, "--samples", 10)


def show(readings: list[Reading]) -> None:
    """The table, and the slopes."""
    table = np.array([astuple(r) for r in readings])
    print(f"{len(readings)} rounds\n| share of the rounds | {' | '.join(HEADINGS)} |\n|---|---|---|---|---|")
    for i, part in enumerate(np.array_split(table, min(10, len(table)))):
        print(f"| {i + 1} of 10 | {' | '.join(f'{v:.0f}' for v in np.median(part, 0))} |")
    half = table[len(table) // 2 :]
    slopes = np.polyfit(np.arange(len(half)), half, 1)[0] if len(half) > 1 else np.zeros(len(HEADINGS))
    print("a round adds: " + ", ".join(f"{s:+.4f} {name}" for s, name in zip(slopes, HEADINGS, strict=True)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, readings = Path(name), list[Reading]()
        table, end = data(folder), time.monotonic() + 60 * options.minutes
        called(0, "fit", table, "--run", folder / "first", "--epochs", 1)  # an interrupt shall not meet an import
        while time.monotonic() < end:
            one_round(len(readings), folder, table)
            readings.append(Reading.now(folder))
        show(readings)
