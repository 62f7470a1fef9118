"""Files that were made to do harm, one by one: bombs, pipes, sizes without end, one thing in the place of another."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .cases import Case, Result
from .children import SMALL
from .material import Material
from .mutations import npy, safetensors_header

End = Callable[..., Result]


def cases(material: Material, end: End) -> Iterator[Case]:
    """All of them, in no order of importance."""
    for name, make in DATA.items():
        yield Case(
            "hostile data", name, lambda folder, make=make: end("fit", make(folder), "--run", folder / "r", *SMALL)
        )
    for name, change in CONFIGS.items():
        for verb in ("info", "score", "resume", "sample", "doctor"):
            yield Case("hostile config.json", f"{name}: {verb}", partial(_config, change, verb, material, end))
    for name, change_weights in WEIGHTS.items():
        yield Case("hostile weights", name, partial(_weights, change_weights, material, end))
    for name, harm in RUNS.items():
        yield Case("hostile run", name, partial(_run, harm, material, end))


# data


def _put(folder: Path, name: str, data: bytes | str) -> Path:
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return folder / name


def _npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "x.npz", **arrays)
    return folder / "x.npz"


def _npz_bomb(folder: Path) -> Path:
    """6.4 GB of zeros in 6 MB, for a disk that has 1 GB for them."""
    with (
        zipfile.ZipFile(folder / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w", force_zip64=True) as file,
    ):
        file.write(npy("'<f8'", "(100000000, 8)"))
        for _ in range(1526):
            file.write(bytes(1 << 22))
    return folder / "x.npz"


def _xlsx_bomb(folder: Path) -> Path:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["a", "b"], *([i, i * 0.5] for i in range(20))):
        book.active.append(row)  # pyright: ignore[reportOptionalMemberAccess]
    plain = io.BytesIO()
    book.save(plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(folder / "x.xlsx", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("sheet1.xml"):
                data = data.replace(b"</sheetData>", b" " * (400 << 20) + b"</sheetData>")
            new.writestr(name, data)
    return folder / "x.xlsx"


def _images(folder: Path, harm: Callable[[Path], object]) -> Path:
    from PIL import Image

    target = folder / "images"
    target.mkdir()
    for i in range(12):
        Image.new("L", (8, 8), 20 * i).save(target / f"{i}.png")
    harm(target)
    return target


def _large_image(target: Path, size: tuple[int, int] = (20_000, 20_000)) -> None:
    from PIL import Image

    Image.new("1", size).save(target / "3.png")


def _only_large(target: Path) -> None:
    from PIL import Image

    for file in target.iterdir():
        file.unlink()
    Image.new("1", (13_000, 13_000)).save(target / "a.png")
    shutil.copy(target / "a.png", target / "b.png")


def _pipe(file: Path) -> Path:
    os.mkfifo(file)
    return file


def _link(file: Path, target: str | Path) -> Path:
    file.symlink_to(target)
    return file


DATA: dict[str, Callable[[Path], Path | str]] = {
    "an array of 2^62 rows in 128 bytes": lambda f: _put(f, "x.npy", npy("'<f8'", "(4611686018427387904, 4)")),
    "an array of 10^11 empty rows": lambda f: _put(f, "x.npy", npy("'<f8'", "(100000000000, 0)")),
    "an array of 10^11 rows of no bytes": lambda f: _put(f, "x.npy", npy("'|S0'", "(100000000000,)")),
    "an array of 10^6 axes": lambda f: _put(f, "x.npy", npy("'<f8'", f"({'1,' * 10**6})", version=2)),
    "an array of 100 axes": lambda f: _put(f, "x.npy", npy("'<f8'", f"({'1,' * 100})", bytes(8))),
    "a type nested 10,000 deep": lambda f: _put(f, "x.npy", npy("[" * 10**4 + "]" * 10**4, "(4,)")),
    "an array of objects": lambda f: _npz(f, x=np.array([{"a": 1}] * 20, object)),
    "a pickle called .npy": lambda f: _put(f, "x.npy", pickle.dumps({"a": 1})),
    "an archive of a bomb": _npz_bomb,
    "a workbook of a bomb": _xlsx_bomb,
    "an empty archive": lambda f: _npz(f),
    "an image of 20,000 x 20,000": lambda f: _images(f, _large_image),
    "images of 13,000 x 13,000": lambda f: _images(f, _only_large),
    "a pipe among images": lambda f: _images(f, lambda t: _pipe(t / "x.png")),
    "a folder called as an image": lambda f: _images(f, lambda t: (t / "x.png").mkdir()),
    "a link to /etc/passwd among images": lambda f: _images(f, lambda t: _link(t / "x.png", "/etc/passwd")),
    "a link to /dev/zero among images": lambda f: _images(f, lambda t: _link(t / "x.png", "/dev/zero")),
    "a link to / among images": lambda f: _images(f, lambda t: _link(t / "all", "/")),
    "a link in a circle": lambda f: _link(f / "x.csv", f / "x.csv"),
    "a pipe": lambda f: _pipe(f / "x.csv"),
    "a pipe called .npy": lambda f: _pipe(f / "x.npy"),
    "a link to /dev/zero": lambda f: _link(f / "x.csv", "/dev/zero"),
    "all files": lambda _: "/",
    "all processes": lambda _: "/proc",
    "a line of 3 MB": lambda f: _put(f, "x.csv", b"a,b\n" + b"1" * 3_000_000 + b",2\n"),
    "5,000 columns": lambda f: _put(f, "x.csv", ",".join(f"c{i}" for i in range(5000)) + "\n" + ",".join("1" * 5000)),
    "NUL in a text": lambda f: _put(f, "x.csv", b"a,b\n1,\0\n2,3\n4,5\n"),
    "a quote that does not end": lambda f: _put(f, "x.csv", 'a,b\n1,"2\n2,3\n4,5\n'),
    "numbers of 5,000 digits": lambda f: _put(f, "x.csv", "a,b\n" + f"{'9' * 5000},1\n" * 9),
    "JSON nested 100,000 deep": lambda f: _put(f, "x.jsonl", '{"a": ' + "[" * 10**5 + "]" * 10**5 + "}\n"),
    "a formula": lambda f: _put(f, "x.csv", "a,b\n1.5,=cmd()\n2,=cmd()\n3.5,x\n4,x\n"),
    "a file without permission": lambda f: _closed(_put(f, "x.csv", "a,b\n1,2\n3,4\n")),
}


def _closed(file: Path) -> Path:
    file.chmod(0)
    return file


# runs


def _config(change: Callable[[str], str | bytes], verb: str, material: Material, end: End, folder: Path) -> Result:
    run, data = shutil.copytree(material.run_of_table, folder / "run"), material.table
    changed = change((run / "config.json").read_text())
    text = changed if isinstance(changed, bytes) else changed.encode("utf-8", "surrogatepass")
    (run / "config.json").write_bytes(text)
    more: dict[str, tuple[Any, ...]] = {
        "score": (data, "-o", "s.csv", "--samples", 2),
        "sample": ("-n", 3, "-o", "s.csv"),
        "doctor": (data, "--samples", 4),
    }
    return end(verb, run, *more.get(verb, ()), cwd=folder)


def _set(path: str, value: Any) -> Callable[[str], str]:
    def change(text: str) -> str:
        document = json.loads(text)
        parent, *keys = document, *path.split(".")
        for key in keys[:-1]:
            parent = parent[int(key) if key.isdigit() else key]
        parent[keys[-1]] = value
        return json.dumps(document)

    return change


CONFIGS: dict[str, Callable[[str], str | bytes]] = {
    "no bytes": lambda _: "",
    "a list": lambda _: "[]",
    "a text": lambda _: '"velbo"',
    "null": lambda _: "null",
    "lists 100,000 deep": lambda _: "[" * 10**5 + "]" * 10**5,
    "objects 50,000 deep": lambda _: '{"a":' * 50_000 + "1" + "}" * 50_000,
    "UTF-16": lambda text: text.encode("utf-16"),
    "a mark of the order of bytes": lambda text: "\ufeff" + text,
    "a number of 5,000 digits": lambda text: text.replace('"latent": 2', '"latent": ' + "9" * 5000),
    "2,000,000,000 latents": _set("recipe.latent", 2 * 10**9),
    "60,000 latents": _set("recipe.latent", 60_000),
    "a layer of 4,000,000,000": _set("recipe.hidden", [4 * 10**9]),
    "layers of 60,000": _set("recipe.hidden", [60_000] * 4),
    "100,000 layers": _set("recipe.hidden", [4] * 100_000),
    "100,000 processes": _set("training.machine.devices", 100_000),
    "1,000 processes": _set("training.machine.devices", 1000),
    "100,000 threads": _set("training.machine.threads", 100_000),
    "batches of 10^12": _set("training.optimisation.batch_size", 10**12),
    "10^6 samples": _set("objective.samples", 10**6),
    "a field of 10^10 cells": _set("schema.fields.0.shape", [10**5, 10**5]),
    "a field of 10^7 cells": _set("schema.fields.0.shape", [10**7]),
    "a field of shape 0": _set("schema.fields.0.shape", [0]),
    "data in /": _set("data.source", "/"),
    "data in /etc/passwd": _set("data.source", "/etc/passwd"),
    "data in /dev/zero": _set("data.source", "/dev/zero"),
    "data on the net": _set("data.source", "http://127.0.0.1:9/x.csv"),
    "half a letter in a name": _set("schema.fields.0.name", "\ud800"),
    "NUL in a name": _set("schema.fields.0.name", "a\0b"),
    "colours and lines in a name": _set("schema.fields.0.name", "a\nb\x1b[31m"),
    "a name of 10^6 letters": _set("schema.fields.0.name", "a" * 10**6),
    "twice the same name": _set("schema.fields.0.name", "income"),
    "own code for a model": _set("recipe.recipe", "os:system"),
    "a path for a model": _set("recipe.recipe", "../../x"),
}


def _weights(change: Callable[[bytes], bytes], material: Material, end: End, folder: Path) -> Result:
    run = shutil.copytree(material.run_of_array, folder / "run")
    file = run / "model.safetensors"
    file.write_bytes(change(file.read_bytes()))
    return end("score", run, material.array, "-o", folder / "s.npy", "--samples", 2)


def _tensors(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        from safetensors.torch import load, save

        return save({name: change(tensor) for name, tensor in load(data).items()})

    return changed


def _deep(data: bytes) -> bytes:
    return (50_000).to_bytes(8, "little") + b"[" * 50_000


def _without_one(data: bytes) -> bytes:
    from safetensors.torch import load, save

    tensors = load(data)
    tensors.pop(min(tensors))
    return save(tensors)


WEIGHTS: dict[str, Callable[[bytes], bytes]] = {
    "NaN": _tensors(lambda t: t * float("nan")),
    "infinity": _tensors(lambda t: t + float("inf")),
    "1e38": _tensors(lambda t: t * 0 + 1e38),
    "-1e38": _tensors(lambda t: t * 0 - 1e38),
    "float64": _tensors(lambda t: t.double()),
    "bfloat16": _tensors(lambda t: t.bfloat16()),
    "whole numbers": _tensors(lambda t: t.long()),
    "transposed": _tensors(lambda t: t.T.contiguous() if t.dim() == 2 else t),
    "one less": _without_one,
    "a pickle": lambda _: pickle.dumps({"a": 1}),
    "an archive": lambda data: b"PK\3\4" + data,
    "nested 50,000 deep": _deep,
    "a header alone": lambda data: data[: len(data) - len(safetensors_header(data)[1])],
    "no bytes": lambda _: b"",
}


def _run(harm: Callable[[Path], object], material: Material, end: End, folder: Path) -> Result:
    run = shutil.copytree(material.run_of_array, folder / "run")
    harm(run)
    verbs = (("info", run), ("resume", run), ("score", run, material.array, "-o", folder / "s.npy", "--samples", 2))
    results = [end(*verb, cwd=folder) for verb in verbs]
    return Result(all(r.is_line for r in results), [fault for r in results for fault in r.faults])


def _instead(place: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def harm(run: Path) -> None:
        target = run / place
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        make(target)

    return harm


RUNS: dict[str, Callable[[Path], object]] = {
    f"{place} is {what}": _instead(place, make)
    for place in ("config.json", "model.safetensors", "metrics.jsonl", "clock.jsonl", "checkpoint")
    for what, make in {
        "a folder": lambda p: p.mkdir(),
        "a file": lambda p: p.write_text("x"),
        "a pipe": _pipe,
        "gone": lambda p: None,
        "a link to /dev/zero": lambda p: _link(p, "/dev/zero"),
        "a link in a circle": lambda p: _link(p, p),
        "a link to /": lambda p: _link(p, "/"),
    }.items()
}
RUNS |= {
    "a file in checkpoint": lambda run: (run / "checkpoint" / "note.txt").write_text("x"),
    "a folder in checkpoint": lambda run: (run / "checkpoint" / "zzz").mkdir(),
}
