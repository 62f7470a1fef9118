"""The same file from every Python: compressed by each interpreter, and read again by each of the others.

    PYTHONPATH=src:tests python -m benchmarks.compression_versions PYTHON ... [--only WORD] [--also RUN DATA] ...

A PYTHON is the path of an interpreter with velbo's dependencies, of any versions; the one that runs this is the first.
Models have random weights, which ask more of whole numbers than trained ones; ``--also`` takes a run and its data. A
case fails if two interpreters write other bytes, or if one reads other rows than were written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import velbo
import velbo.formats
from contracts.compressed import model_of, table
from contracts.texts import TEXTS
from velbo.rows import infer

VERSIONS = """
import platform, numpy, scipy, torch, pyarrow
print(platform.python_version(), *(f"{m.__name__} {m.__version__}" for m in (numpy, scipy, torch, pyarrow)))
"""
COMMANDS = """
import json, sys
from velbo.cli import main
for command in json.loads(sys.argv[1]):
    if main(command):
        raise SystemExit(f"velbo {' '.join(command)}")
"""


def cases(folder: Path) -> dict[str, tuple[Path, Path, list[str]]]:
    """Name -> (run, data, options of compress)."""
    found = dict[str, tuple[Path, Path, list[str]]]()

    def made(name: str, data: Path, schema: velbo.Schema, **recipe: object) -> None:
        run = folder / f"{data.stem}-run"
        model_of(schema, **recipe).save(run)
        found[name] = run, data, []

    def array(name: str, file: str, rows: np.ndarray, **recipe: object) -> None:
        path = folder / f"{file}.npy"
        np.save(path, rows)
        made(name, path, infer(rows), **recipe)

    r = np.random.default_rng(0)
    digits = r.integers(0, 17, (300, 8, 8), dtype=np.uint8)
    array("images, mixture prior", "images", digits, prior="mixture", hidden=(64,), latent=8)
    array("images, convolutions", "conv", digits, recipe="conv", hidden=(4, 6))
    array("images, groups of latents", "ladder", digits[:60], recipe="ladder", hidden=(4, 6), groups=(1, 2), spread=0.7)
    array("zeros and ones", "binary", r.random((300, 70)) < 0.3)
    array("counts", "counts", r.poisson(3.0, (200, 40)))
    kinds = folder / "kinds.parquet"
    velbo.formats.write_table(table(400, seed=4), kinds)
    made("a table of every kind", kinds, infer(table(200), {"text": "drop"}), posterior="full")
    for name in ("messy", "semicolons and commas"):
        text = folder / f"{name.split()[0]}.csv"
        text.write_bytes(TEXTS[name])
        made(f"a text, {name}", text, infer(velbo.open_source(text).read(), {"note": "drop"}), posterior="mixture")
    run, data, _ = found["a table of every kind"]
    found["the same in any order"] = run, data, ["--any-order"]
    found["the same with the model inside"] = run, data, ["--self-contained"]
    return found


def commands(python: str, *of: list[str]) -> None:
    """Commands of velbo, all in one process of an interpreter.

    Raises:
        SystemExit: if one fails.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p.endswith("src"))}
    command = [python, "-c", COMMANDS, json.dumps(of)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{python}: {done.stderr}")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", nargs="+")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--also", nargs=2, action="append", default=[], metavar=("RUN", "DATA"))
    options = parser.parse_args()
    pythons = [sys.executable, *options.python]
    for python in pythons:
        print(subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True).stdout.strip())
    n_bad = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = {case: of for case, of in cases(folder).items() if options.only in case}
        chosen |= {f"{run} of {data}": (Path(run), Path(data).absolute(), list[str]()) for run, data in options.also}
        n, of_all = len(pythons), list(enumerate(chosen.values()))
        for i, python in enumerate(pythons):
            written = [
                ["compress", run, data, "-o", folder / f"{j}-{i}.vlb", *flags] for j, (run, data, flags) in of_all
            ]
            commands(python, *([str(word) for word in command] for command in written))
        for i, python in enumerate(pythons):
            read = [
                ["decompress", folder / f"{j}-{(i + 1) % n}.vlb", "--run", run, "-o", folder / f"{j}-{i}{data.suffix}"]
                for j, (run, data, _) in of_all
            ]
            commands(python, *([str(word) for word in command] for command in read))
        for j, (case, (_, data, flags)) in enumerate(chosen.items()):
            said = [digest(folder / f"{j}-{i}.vlb") for i in range(n)]
            again = {digest(folder / f"{j}-{i}{data.suffix}") for i in range(n)}
            as_before = len(again) == 1 and ("--any-order" in flags or again == {digest(data)})
            is_same = len(set(said)) == 1
            n_bad += not (is_same and as_before)
            same, rows = ("the same from all" if is_same else "OTHERS"), ("as they were" if as_before else "OTHERS")
            print(f"{case}: {(folder / f'{j}-0.vlb').stat().st_size} bytes, {said[0][:16]}, {same}; rows {rows}")
    print(f"{len(chosen)} cases, {len(pythons)} interpreters, {n_bad} that differ")
    raise SystemExit(n_bad > 0)


if __name__ == "__main__":
    main()
