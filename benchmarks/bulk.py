"""Many rows scored by workers of Ray, beside one process: rows a second, memory over time, and the same file in the end
after a worker was killed in the middle: no row is lost, and none is there twice.

    python benchmarks/bulk.py --folder DIR [--rows 10000000 --samples 5 --workers 2]

The rows, six columns, are made in the folder, once. Seconds are those of the whole command, the start of Ray with it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kill_and_resume_by_ray import workers_of
from velbo.files import TEMPORARY
from velbo.formats import open_source

ROWS_AT_ONCE = 2**20
WORKER = b"ray::Worker"
POLL_SECONDS = 0.5
LOADINGS = {"a": (2, 0), "b": (0, 1), "c": (1, 1)}


def make_rows(path: Path, n: int) -> None:
    """Rows that two causes explain, with an identifier and missing cells."""
    if path.exists() and pq.read_metadata(path).num_rows == n:
        return
    generator, writer = np.random.default_rng(0), None
    for start in range(0, n, ROWS_AT_ONCE):
        k = min(ROWS_AT_ONCE, n - start)
        z = generator.normal(size=(k, 2))
        columns = {
            name: z @ w + generator.normal(size=k) for name, w in zip("abc", [(2, 0), (0, 1), (1, 1)], strict=True)
        }
        table = pa.table(
            {
                "id": np.arange(start, start + k),
                **columns,
                "n": generator.poisson(np.exp(0.5 * z[:, 0])),
                "job": pa.array(np.array(["clerk", "nurse"])[(z[:, 1] > 0).astype(int)]),
            }
        )
        table = table.set_column(1, "a", pa.array(table["a"].to_numpy(), mask=generator.random(k) < 0.1))
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def memory_of(process: int) -> float:
    """Resident, MB; 0 for one that has ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_seconds_of(process: int) -> float:
    """Of a process; 0 for one that has ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watched(
    name: str, n_rows: int, words: list[str], watch: Callable[[int], list[int]], meanwhile: Callable[[int], None]
) -> None:
    """Carry out a command, and tell how fast it was and what memory its watched processes took."""
    start, seen, cpu = time.monotonic(), list[float](), dict[int, float]()
    # Ray's workers give way to all others, by 15, if it is not told otherwise
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
    process = subprocess.Popen([sys.executable, "-m", "velbo", *words], env=environment)
    while process.poll() is None:
        processes = watch(process.pid)
        seen.append(max([memory_of(each) for each in processes], default=0.0))
        cpu |= {each: max(cpu.get(each, 0.0), cpu_seconds_of(each)) for each in processes}
        meanwhile(process.pid)
        time.sleep(POLL_SECONDS)
    if process.returncode:
        sys.exit(process.returncode)
    quarters = ", ".join(f"{np.max(part):.0f}" for part in np.array_split(seen, 4))
    print(
        f"{name}: {n_rows / (time.monotonic() - start):.0f} rows/s, {n_rows / sum(cpu.values()):.0f} a CPU second; "
        f"greatest memory of a process in each quarter of the time: {quarters} MB",
        flush=True,
    )


class KillOne:
    """Kills a worker once so many parts are there, as soon as one is writing the next."""

    def __init__(self, parts: Path, n: int) -> None:
        self.parts, self.n, self.killed = parts, n, 0

    def __call__(self, process: int) -> None:
        if self.killed or len(list(self.parts.glob("part-*"))) < self.n:
            return
        self.killed = workers_of(process, WORKER)[0]
        os.kill(self.killed, signal.SIGKILL)
        print(f"worker {self.killed} killed after {self.n} parts", flush=True)


def compare(one: Path, parts: Path, n: int) -> bool:
    """Whether the parts hold the rows of one file, each once, in order, to the last bit."""
    at, a, b = 0, open_source(one).batches(ROWS_AT_ONCE), open_source(parts).batches(ROWS_AT_ONCE)
    for left, right in zip(a, b, strict=True):
        if not left.equals(right) or not np.array_equal(right["id"], np.arange(at, at + len(right))):
            return False
        at += len(right)
    return at == n and not any(TEMPORARY.fullmatch(file.name) for file in parts.iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    rows, few, run = folder / f"rows-{options.rows}.parquet", folder / "few.parquet", folder / "run"
    make_rows(rows, options.rows)
    make_rows(few, 20_000)
    if not (run / "typical.json").exists():
        fit = f"fit {few} --run {run} --recipe mlp --hidden 16 --latent 2 --epochs 5 --column id=drop --no-report"
        subprocess.run([sys.executable, "-m", "velbo", *fit.split()], check=True)
    one, parts = folder / "one.parquet", folder / "parts"
    shutil.rmtree(parts, ignore_errors=True)
    score = ["score", str(run), str(rows), "--samples", str(options.samples), "-o"]
    watched("one process", options.rows, [*score, str(one)], lambda process: [process], lambda _: None)
    kill = KillOne(parts, options.rows // 65_536 // 2)
    by_ray = ["--cluster", "local", "--workers", str(options.workers)]
    watched("Ray", options.rows, [*score, str(parts), *by_ray], lambda process: workers_of(process, WORKER), kill)
    same = compare(one, parts, options.rows) and bool(kill.killed)
    print("the same rows, each once, to the last bit" if same else "DIFFERENT")
    sys.exit(not same)


if __name__ == "__main__":
    main()
