"""Damaged and hostile files: data in every format, and every file of a run. A command reads each in a child with three
gigabytes of memory more than it has; it must work, or refuse in a line.
"""

from __future__ import annotations

import io
import json
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from . import hostile, options
from .cases import Case, Fault, Result
from .children import SMALL, velbo
from .material import Material
from .mutations import Damaged, of_bytes, of_json, of_npy, of_png, of_safetensors, of_zip

MEMORY, SECONDS = 3 << 30, 20.0
FORMATS = (".csv", ".jsonl", ".parquet", ".feather", ".xlsx", ".npy", ".npz")
IMAGES = (".png", ".jpg", ".gif", ".tif", ".bmp", ".webp", ".pgm")

Mutate = Callable[[Any, Random], Damaged]


def cases(material: Material, seed: int) -> Iterator[Case]:
    """About 3,000."""
    samples = Samples(material)
    _warm(samples)
    for suffix in FORMATS:
        yield from _of_data(samples, suffix, of_bytes, 130, seed)
    yield from _of_data(samples, ".npy", of_npy, 200, seed, "header of ")
    for suffix in (".npz", ".xlsx"):
        yield from _of_data(samples, suffix, of_zip, 100, seed, "directory of ")
    for suffix in IMAGES:
        yield from _of_images(samples, suffix, of_bytes, 50, seed)
    yield from _of_images(samples, ".png", of_png, 100, seed, "header of ")
    for run in (material.run_of_table, material.run_of_array):
        yield from _of_run(material, run, "config.json", of_json, 350, seed)
    run = _half_done(material)
    yield from _of_run(material, run, "state.json", of_json, 150, seed)
    yield from _of_run(material, run, "metrics.jsonl", of_bytes, 60, seed)
    for name in ("model.safetensors", "tensors.safetensors"):
        yield from _of_run(material, run, name, of_bytes, 100, seed)
        yield from _of_run(material, run, name, of_safetensors, 100, seed, "header of ")
    yield from options.cases(material, ended)
    yield from hostile.cases(material, ended)


def ended(*arguments: object, cwd: Path | None = None) -> Result:
    """How a command ends that may take so much time and memory, and no more."""
    end = velbo(*arguments, prepare=_limited, cwd=cwd, seconds=SECONDS)
    return Result(end.is_line, end.faults())


def _limited() -> None:
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))


def _warm(samples: Samples) -> None:
    """Commands that load here what children would load each time."""
    from velbo.cli import main

    material, folder = samples.material, samples.material.table.parent
    commands: list[tuple[object, ...]] = [
        ("score", run, data, "-o", folder / "warm.xlsx", "--samples", 2)
        for run, data in ((material.run_of_table, material.table), (material.run_of_array, material.array))
    ]
    commands += [("fit", material.table, "--run", folder / "warm", *SMALL), ("schema", folder / "warm.xlsx")]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        codes = [main([str(argument) for argument in command]) for command in commands]
    assert codes == [0] * len(commands), codes
    for suffix in IMAGES:
        samples.of(suffix)


# data


@dataclass(frozen=True)
class Samples:
    """A small whole file of every format, made when it is asked for."""

    material: Material

    def of(self, suffix: str) -> bytes:
        """The bytes of one."""
        material = self.material
        file = material.table.with_name(f"sample{suffix}")
        if suffix == ".csv":
            return material.table.read_bytes()[:1500]
        if not file.exists() and suffix in IMAGES:
            _picture(file)
        elif not file.exists():
            source = material.array if suffix in (".npy", ".npz") else material.table
            assert velbo("convert", source, file).code == 0
        return file.read_bytes()


def _picture(file: Path) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(file)


def _of_data(samples: Samples, suffix: str, mutate: Mutate, n: int, seed: int, of: str = "") -> Iterator[Case]:
    rng, data = Random(f"{seed} {suffix} {of}"), samples.of(suffix)
    for i in range(n):
        what, damaged = mutate(data, rng)
        yield Case(f"mutated: {of}{suffix}", what, partial(_read, damaged, suffix, i, samples.material))


def _read(data: bytes, suffix: str, i: int, material: Material, folder: Path) -> Result:
    file = folder / f"damaged{suffix}"
    file.write_bytes(data)
    run = material.run_of_array if suffix in (".npy", ".npz") else material.run_of_table
    commands: list[tuple[object, ...]] = [
        ("schema", file),
        ("convert", file, folder / "converted.csv"),
        ("score", run, file, "-o", folder / "scores.csv", "--samples", 2),
        ("impute", run, file, "-o", folder / f"filled{suffix}", "--samples", 2),
        ("schema", file, "--json"),
        ("fit", file, "--run", folder / "run", *SMALL),
    ]
    return ended(*commands[i % len(commands)])


def _of_images(samples: Samples, suffix: str, mutate: Mutate, n: int, seed: int, of: str = "") -> Iterator[Case]:
    rng, data = Random(f"{seed} {suffix} {of}"), samples.of(suffix)
    for i in range(n):
        what, damaged = mutate(data, rng)
        yield Case(f"mutated: {of}images {suffix}", what, partial(_look, data, damaged, suffix, i))


def _look(whole: bytes, damaged: bytes, suffix: str, i: int, folder: Path) -> Result:
    images = folder / "images"
    images.mkdir()
    for name, data in (("a", whole), ("b", damaged), ("c", whole)):
        (images / f"{name}{suffix}").write_bytes(data)
    return ended(*(("fit", images, "--run", folder / "run", *SMALL) if i % 4 == 3 else ("schema", images)))


# runs


def _half_done(material: Material) -> Path:
    """The run on the array, as if it had to go on."""
    run = material.run_of_array.with_name("half")
    if not run.exists():
        shutil.copytree(material.run_of_array, run)
        state = max(run.rglob("state.json"))
        state.write_text(json.dumps(json.loads(state.read_text()) | {"done": False}))
        config = json.loads((run / "config.json").read_text())
        config["training"]["budget"]["epochs"] = 3
        (run / "config.json").write_text(json.dumps(config))
    return run


def _of_run(
    material: Material, run: Path, name: str, mutate: Mutate, n: int, seed: int, of: str = ""
) -> Iterator[Case]:
    rng = Random(f"{seed} {run.name} {name} {of}")
    place = max(run.rglob(name)).relative_to(run)
    data: Any = (run / place).read_bytes()
    data = json.loads(data) if mutate is of_json else data
    table = run is material.run_of_table
    for i in range(n):
        what, damaged = mutate(data, rng)
        go = partial(_use, run, place, damaged, material.table if table else material.array, i)
        yield Case(f"mutated: {of}{name}" + " of a table" * table, what, go)


def _use(run: Path, place: Path, damaged: bytes, data: Path, i: int, folder: Path) -> Result:
    changed = folder / "run"
    shutil.copytree(run, changed)
    (changed / place).write_bytes(damaged)
    scores = folder / "scores.npy"
    of_model: list[tuple[object, ...]] = [
        ("score", changed, data, "-o", scores, "--samples", 2),
        ("info", changed),
        ("sample", changed, "-n", 3, "-o", folder / "new.csv"),
        ("evaluate", changed, data, "--samples", 2),
        ("resume", changed),
        ("doctor", changed, data, "--samples", 4),
        ("info", changed, "--json"),
    ]
    if place.parts[0] == "checkpoint":
        commands = of_model[4:5]
    elif place.name == "metrics.jsonl":
        commands = [of_model[1], of_model[4], of_model[5]]
    else:
        commands = of_model
    result = ended(*commands[i % len(commands)], cwd=folder)
    if scores.exists() and not result.faults and np.isnan(np.load(scores)).any():
        result.faults.append(Fault("wrong bits", "a score is NaN, and the exit code 0"))
    return result
