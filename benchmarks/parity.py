"""What a user waits for and what it takes of memory, in this tree and in another one: importing, help, a small fit, a
stream. Trees take turns, so that both see the same machine; medians.

    python benchmarks/parity.py --other ../another-checkout [--rows 100000 --folder DIR --repeats 5]

Both trees run in the interpreter of this script, each with its own src in front. A stream is one epoch of
30-128-8-128-30 on one thread over --rows rows of factor_table.py, made once into --folder; 20,000,000 rows take 3 GB
there. Rows a second are of training alone, without reading the schema; the peak of resident memory is the process's.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from random import Random
from statistics import median

HERE = Path(__file__).parent
IMPORT = "import time; start = time.perf_counter(); import velbo; print(time.perf_counter() - start)"


def run(tree: Path, *arguments: object) -> tuple[float, float, str]:
    """(seconds, peak of resident memory in MiB, stdout) of Python with these arguments in the tree."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, *map(str, arguments)], stdout=out, stderr=err, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)  # or Popen would wait for it again
        for file in (out, err):
            file.seek(0)
        if process.returncode:
            raise SystemExit(f"{tree}: python {' '.join(map(str, arguments))} failed:\n{err.read()}")
        return seconds, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10), out.read()


def import_velbo(tree: Path) -> dict[str, float]:
    return {"import velbo, ms": 1000 * float(run(tree, "-c", IMPORT)[2])}


def help_text(tree: Path) -> dict[str, float]:
    return {"velbo --help, s": run(tree, "-m", "velbo", "--help")[0]}


def small_fit(tree: Path, table: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        seconds, peak, _ = run(tree, "-m", "velbo", "fit", table, "--run", f"{folder}/run", "--epochs", 10)
    return {"fit of 1,000 x 10, s": seconds, "fit of 1,000 x 10, MiB": peak}


def stream(tree: Path, table: Path, rows: int) -> dict[str, float]:
    options = "--stream --epochs 1 --recipe mlp --hidden 128 --latent 8 --threads 1".split()
    with tempfile.TemporaryDirectory() as folder:
        seconds, peak, _ = run(tree, "-m", "velbo", "fit", table, "--run", f"{folder}/run", *options)
        clock = (Path(folder) / "run" / "clock.jsonl").read_text().splitlines()
    training = json.loads(clock[-1])["seconds"]
    return {"stream, rows/s of training": rows / training, "stream, s in all": seconds, "stream, MiB": peak}


def write_small_table(path: Path) -> None:
    """1,000 rows, 10 columns: eight numbers that share a factor, one word, one count."""
    random = Random(0)
    lines = [",".join([*(f"x{i}" for i in range(8)), "word", "count"])]
    for _ in range(1000):
        z = random.gauss(0, 1)
        numbers = (f"{z * (i + 1) / 8 + random.gauss(0, 1):.4f}" for i in range(8))
        lines.append(",".join([*numbers, random.choice(("red", "green", "blue")), str(int(random.expovariate(0.3)))]))
    path.write_text("\n".join(lines) + "\n")


def alternating(measure: Callable[[Path], dict[str, float]], trees: list[Path], repeats: int) -> None:
    """Print the medians of both trees; a round before the first is not counted, as it fills caches."""
    found: dict[Path, list[dict[str, float]]] = {tree: [] for tree in trees}
    for i in range(repeats + 1):
        for tree in trees[:: 1 if i % 2 else -1]:
            result = measure(tree)
            if i:
                found[tree].append(result)
    for name in found[trees[0]][0]:
        this, other = (median(result[name] for result in found[tree]) for tree in trees)
        print(f"{name:50s} {this:12,.4g} {other:12,.4g} {this / other if other else math.nan:8.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--other", type=Path, required=True, help="a checkout with a src folder")
    parser.add_argument("--rows", type=int, default=100_000, help="of the stream")
    parser.add_argument("--folder", type=Path, help="where tables are kept; a temporary one if not given")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    trees = [HERE.parent, options.other.resolve()]
    print(f"{'median of ' + str(options.repeats):50s} {'this tree':>12s} {'the other':>12s} {'ratio':>8s}")
    with nullcontext(options.folder) if options.folder else tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.csv", Path(folder) / f"{options.rows}"
        small.parent.mkdir(parents=True, exist_ok=True)
        write_small_table(small)
        subprocess.run([sys.executable, HERE / "factor_table.py", large, str(options.rows)], check=True)
        alternating(import_velbo, trees, options.repeats)
        alternating(help_text, trees, options.repeats)
        alternating(lambda tree: small_fit(tree, small), trees, options.repeats)
        alternating(lambda tree: stream(tree, large, options.rows), trees, options.repeats)


if __name__ == "__main__":
    main()
