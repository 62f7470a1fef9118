"""Options with values that make no sense, and names that no file has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from .cases import Case, Result
from .children import SMALL
from .material import Material

End = Callable[..., Result]

OF_VERBS = """
    score {run} {data} -o {out} --seed -1
    score {run} {data} -o {out} --seed 1e23
    evaluate {run} {data} --rows 5 --seed -1
    score {run} {data} -o {out} --samples {big}
    evaluate {run} {data} --rows {big}
    evaluate {run} {data} --chunk {big}
    evaluate {run} {data} --rows 0
    evaluate {run} {data} --rows 1 --samples 1
    evaluate {run} {data} --samples 1
    evaluate {run} {data} --device meta
    evaluate {run} {data} --device nowhere
    evaluate {run} {data} --precision x
    gaps {run} {data} --samples 1 --steps 1
    gaps {run} {data} --lr inf
    gaps {run} {data} --lr nan
    gaps {run} {data} --temperatures {big}
    anneal {run} {data} --rows 1 --temperatures 1 --chains 1
    anneal {run} {data} --chains {big}
    rate-distortion {run} {data} -o {out} --rows 1 --temperatures 1 --chains 1
    doctor {run} {data} --samples 1
    doctor {run} {data} --samples 3
    doctor {run} {data} --rows 1
    quality {run} {data} --rows 1
    quality {run} {data} --neighbours {big}
    compare {run} {data} {data} --rows 1
    compare {run} {data} {data} --rows 5
    impute {run} {data} -o {out} -n {big}
    impute {run} {data} -o {out} --steps {big}
    sample {run} -o {out} -n 0
    sample {run} -o {out} --seed -1
    sample {run} -o {out} --given x=1
    sample {run} -o {out} --balance {long}
    info {long}
    info {out}
    info {data}
    info /
    schema {data} --column x=x
    schema {long}
    schema {data}:{long}
    schema {run}
    schema /dev/zero
    schema /dev/null
    convert {data} {folder}/{long}.csv
    convert {data} {folder}
    convert {data} {out}.unknown
    convert {data} /proc/x.csv
    score {run} {data} -o /dev/full/x.csv
    refit-prior {run} {data} --to {data} --epochs 1
    refit-prior {run} {data} --to {run} --epochs 1
    refit-prior {run} {data} --to {folder}/{long} --epochs 1
    refit-prior {run} {data} --to {data}/x --epochs 1
    sweep {data} --run {folder}/s --over lr=1e-3..1e-2 --random {big}
    sweep {data} --run {folder}/s --over condition=a,b
    sweep {data} --run {folder}/s --over lr=nan,inf
    sweep {data} --run {folder}/s --over lr=1..inf --random 2
    sweep {data} --run {folder}/s --seeds {big}
    sweep {data} --run {folder}/s --seeds 2 --jobs {big}
    sweep {data} --run {data} --seeds 2
    resume {data}
    resume {run} --devices {big}
    resume {run} --data /
    resume {run} --data {out}
    decode {run} {data} -o {out}
    decode {run} {table} -o {out}
    demo -o {data}
"""
"""A command a line; {big} is 10^12, {long} a name of 300 letters."""

OF_FIT = """
    --lr inf
    --lr nan
    --lr 1e308
    --lr 1e9
    --lr 0
    --seed -1
    --seed 1e23
    --seed 9223372036854775808
    --latent {big}
    --latent 65536 --hidden 65536,65536,65536
    --hidden {big}
    --hidden ,
    --hidden 4,-4
    --latent 65536 --posterior full
    --latent 65536 --prior maf
    --samples {big}
    --samples 1000000 --objective iwae --batch-size 1000000
    --objective tvo:points=1000000000
    --objective renyi:alpha=nan
    --objective renyi:alpha=inf
    --objective renyi:alpha=1e308
    --objective miwae:groups=1000000
    --objective beta-tc:tc_weight=inf
    --objective info-vae:weight=inf
    --objective trimmed:trim=nan
    --epochs {big}
    --batch-size {big}
    --threads {big}
    --devices {big}
    --devices 1000
    --device meta
    --device {long}
    --minutes inf
    --minutes nan
    --weight-decay inf
    --clip inf
    --clip nan
    --warmup nan
    --ema nan
    --ema 1
    --beta inf
    --beta nan
    --beta-warmup nan
    --target-rate inf
    --target-reconstruction nan
    --target-reconstruction inf
    --validation nan
    --validation 1
    --patience {big}
    --free-bits inf
    --free-bits nan
    --dropout nan
    --mask-slope inf
    --mask-slope 1e300 --missing self-masked
    --components {big} --prior mixture
    --refine {big}
    --rows 0
    --rows {big}
    --levels {big}
    --kind {long}
    --likelihood {long}
    --condition {long}
    --column {long}=count
    --type {long}=text
    --delimiter xx
    --date-format {long}
    --format {long}
    --schema {data}
    --schema /
    --schema {run}/config.json
    --config {data}
    --config /
    --config /dev/zero
    --config {long}
"""
"""What goes behind "fit {data} --run {folder}/r", a line each."""


def cases(material: Material, end: End) -> Iterator[Case]:
    """One for each line and each name."""
    for text in OF_VERBS.strip().splitlines():
        yield Case("options", text.strip(), partial(_option, text.strip(), material, end))
    for text in OF_FIT.strip().splitlines():
        whole = f"fit {{data}} --run {{folder}}/r {text.strip()}"
        yield Case("options of fit", text.strip(), partial(_option, whole, material, end))
    for name, arguments in _odd_names(material).items():
        yield Case("names", name, lambda folder, a=arguments: end(*a, cwd=folder))


def _option(text: str, material: Material, end: End, folder: Path) -> Result:
    run = shutil.copytree(material.run_of_array, folder / "run")
    data = shutil.copy(material.array, folder / "data.npy")
    places = {
        "big": 10**12,
        "long": "x" * 300,
        "run": run,
        "data": data,
        "table": material.table,
        "out": folder / "out.npy",
        "folder": folder,
    }
    command = [part.format(**places) for part in text.split(" ")]
    return end(*command, *(SMALL if command[0] in ("fit", "sweep") and "--epochs" not in text else ()), cwd=folder)


def _odd_names(material: Material) -> dict[str, tuple[Any, ...]]:
    run, data, bad = material.run_of_array, material.array, os.fsdecode(b"\xff")
    return {
        "an empty run": ("info", ""),
        "an empty run to fit": ("fit", data, "--run", "", *SMALL),
        "an empty run to score": ("score", "", data, "-o", "s.npy"),
        "an empty run to sweep": ("sweep", data, "--run", "", "--seeds", 2, *SMALL),
        "an empty folder to refit": ("refit-prior", run, data, "--to", "", "--epochs", 1),
        "an empty output": ("score", run, data, "-o", ""),
        "no data": ("schema", ""),
        "NUL in a run": ("info", "a\0b"),
        "NUL in a run to fit": ("fit", data, "--run", "a\0b", *SMALL),
        "NUL in data": ("schema", "a\0b.csv"),
        "NUL in columns": ("schema", f"{data}:a\0b"),
        "NUL in an output": ("score", run, data, "-o", "a\0b.npy"),
        "NUL in --schema": ("fit", data, "--run", "r", "--schema", "a\0b.json"),
        "bytes that are no text, in a run": ("fit", data, "--run", bad, *SMALL),
        "bytes that are no text, in data": ("schema", f"{bad}.csv"),
        "bytes that are no text, in an output": ("sample", run, "-n", 2, "-o", f"{bad}.csv"),
        "a terminal's colours in a name": ("schema", "a\x1b[31m.csv"),
        "lines in a name": ("info", "a\nb\nc"),
        "a word of 100,000 letters": ("schema", "x" * 100_000),
        "a path of 2,000 folders": ("fit", data, "--run", "n/" * 2000, *SMALL),
    }
