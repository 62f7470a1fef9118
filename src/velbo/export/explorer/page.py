"""The page: a decoder, points of the data and what the fields are, in one HTML file that asks the network for nothing.

    map       posterior means along their two principal components, coloured by a label
    z         at a point of the map: the place in that plane, and off the plane the mean of the points around
    decoded   the point estimate of p(x|z), by the steps of program.py: pixels, lines, or a row in units of the data

Weights are kept in 16 bits where what is decoded stays within 1e-3 of the model, else in 32.
"""

from __future__ import annotations

import base64
import copy
import html
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...build import Plan
from ...conditional import AnyModel
from ...errors import ConfigError
from ...files import write_text
from ...rows import Field
from ...rows.kinds import kind_of
from ..exporting import quiet
from ..graphs import Decoder
from ..parity import difference, inputs_of, is_whole
from .program import Program
from .writing import program_of

TOLERANCE = 1e-3
LARGE = 256
"""Numbers of a tensor from which on it is worth rounding."""
MAX_BYTES = 64 * 2**20
N_SLIDERS = 12


@dataclass(frozen=True)
class Explored:
    """A page that was written.

    Attributes:
        path: of the page.
        n_points: rows shown on the map.
        bits: of a weight, 16 or 32.
        difference: the largest that rounding the weights makes; see export/parity.py for the units.
        size: of the page, in bytes.
    """

    path: Path
    n_points: int
    bits: int
    difference: float
    size: int


@dataclass(frozen=True)
class Points:
    """Rows on the map.

    Attributes:
        z: posterior means, (N, Z).
        values: of their modelled cells, (N, D), in the units of the data.
        rows: their places in the data, (N,).
        labels: what they are coloured by, numbers or names, None where there is none; empty for one colour.
        label: the name of that.
    """

    z: NDArray[np.float64]
    values: NDArray[np.float64]
    rows: NDArray[np.int64]
    labels: Sequence[Any] = ()
    label: str = ""


def explore(model: AnyModel, plan: Plan, points: Points, path: Path, title: str = "") -> Explored:
    """Write the page.

    Args:
        model: in evaluation mode, on the CPU.
        plan: what it was built from.
        points: of the map.
        path: of the page.
        title: of the page; made of the data's name, if empty.

    Raises:
        ConfigError: for a decoder that the page has no steps for, given arrays, or a page of over 64 MiB.
    """
    given = [f for f in plan.schema.modelled if f.name in plan.recipe.condition]
    if any(f.shape for f in given):
        raise ConfigError(f"'{next(f.name for f in given if f.shape)}' is given and an array, which no slider has")
    graph = Decoder(model, plan).eval()
    with torch.no_grad(), quiet():
        rounded, bits, apart = _rounded(graph)
        one = tuple(t[:1] for t in inputs_of(rounded, model.n_latents))
        rounded(*one)
        program = program_of(torch.export.export(rounded, one).run_decompositions())
    about = {
        "title": title or f"Latent space of {plan.data.source.rpartition('/')[2] or 'the data'}",
        "program": _as_json(program),
        "points": _of_points(points),
        "fields": [_field(f, plan, points) for f in plan.schema.modelled],
        "library": _library(points, plan),
        "nSliders": N_SLIDERS,
    }
    text = page(about)
    if len(text) > MAX_BYTES:
        raise ConfigError(f"the page would have {len(text) >> 20} MiB, as this decoder is large; export the decoder")
    write_text(path, text)
    return Explored(path, len(points.z), bits, apart, len(text.encode()))


def page(about: dict[str, Any]) -> str:
    """HTML that holds its data, style and script. Names in the data may hold anything: as JSON within a script they are
    data, in which no "<" is left that could end it.
    """
    parts = {name: _file(name) for name in ("page.html", "explorer.css")}
    script = _file("decode.js") + _file("explorer.js")
    data = json.dumps(about, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        data = data.replace(sign, f"\\u{ord(sign):04x}")
    filled = {"TITLE": html.escape(about["title"]), "STYLE": parts["explorer.css"], "SCRIPT": script, "DATA": data}
    found = parts["page.html"]
    for name, text in filled.items():
        found = found.replace(f"<!--{name}-->", text, 1)
    return found


def _file(name: str) -> str:
    """Of this folder."""
    return (files(__name__.rpartition(".")[0]) / name).read_text("utf-8")


def _rounded(graph: Decoder) -> tuple[Decoder, int, float]:
    """(the decoder with large weights rounded to 16 bits, 16, the difference), if that is small; else as it was."""
    inputs = inputs_of(graph, graph.model.n_latents)
    expected, near = graph(*inputs), copy.deepcopy(graph)
    for weight in near.parameters():
        if weight.numel() >= LARGE:
            weight.copy_(weight.half())
    apart = difference(graph, near(*inputs).numpy(), expected.numpy())
    return (near, 16, apart) if apart <= TOLERANCE / 2 else (graph, 32, 0.0)


def _as_json(program: Program) -> dict[str, Any]:
    return {
        "inputs": program.inputs,
        "constants": [[at, *_encoded(value)] for at, value in program.constants.items()],
        "steps": program.steps,
        "output": program.output,
    }


def _encoded(value: Tensor) -> tuple[str, str]:
    """(sort of number, base64): as narrow as holds them exactly."""
    if not value.is_floating_point():
        sort, array = "int", value.int().numpy()
    elif bool((value.half().to(value) == value).all()):
        sort, array = "half", value.half().numpy()
    else:
        is_single = bool((value.float().to(value) == value).all())
        sort, array = ("float", value.float().numpy()) if is_single else ("double", value.double().numpy())
    return sort, base64.b64encode(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()).decode()


def _single(values: NDArray[np.float64]) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


def _of_points(points: Points) -> dict[str, Any]:
    """z, and the plane that they are seen in: the two principal components of z."""
    z = np.asarray(points.z, np.float64)
    mean, spread = z.mean(0), z - z.mean(0)
    axes, share = np.eye(2, z.shape[1]), [1.0]
    if z.shape[1] > 2:
        _, size, axes = np.linalg.svd(spread, full_matrices=False)
        share = (size**2 / max(float((size**2).sum()), 1e-30)).tolist()
        axes = np.concatenate((axes, np.zeros((2, z.shape[1]))))[:2]
    order = np.argsort(-spread.std(0))[:N_SLIDERS]
    return {
        "n": len(z),
        "z": _single(z),
        "rows": np.asarray(points.rows).tolist(),
        "mean": mean.tolist(),
        "axes": axes.tolist(),
        "share": sum(share[:2]),
        "order": order.tolist(),
        "label": points.label,
        "labels": _of_labels(points.labels),
    }


def _of_labels(labels: Sequence[Any]) -> dict[str, Any] | None:
    """Names with codes, or numbers with their range."""
    known = [v for v in labels if v is not None and v == v]
    if not known:
        return None
    distinct = sorted(set(known), key=lambda v: (isinstance(v, str), v))
    if isinstance(known[0], int | float) and not isinstance(known[0], bool) and len(distinct) > 20:
        numbers = [None if v is None or v != v else float(v) for v in labels]
        return {"numbers": numbers, "low": float(distinct[0]), "high": float(distinct[-1])}
    place = {v: i for i, v in enumerate(distinct)}
    return {"names": [str(v) for v in distinct], "codes": [place.get(v, -1) for v in labels]}


def _field(field: Field, plan: Plan, points: Points) -> dict[str, Any]:
    """What the page shows a field by, and a slider for it where it is given."""
    varies, start = isinstance(field.low, tuple), plan.schema.places[field.name].start
    return {
        "name": field.name,
        "kind": field.kind,
        "shape": list(field.shape),
        "first": start,
        "size": field.size,
        "low": float(np.min(field.low)) if varies else field.low,
        "high": float(np.max(field.high)) if varies else field.high,
        "categories": [None if c is None else str(c) for c in field.categories],
        "decimals": 0 if is_whole(field) else field.decimals,
        "step": field.step,
        "given": field.name in plan.recipe.condition,
        "usual": 0.0 if field.shape else _usual(field, points.values[:, start]),
        "isDate": kind_of(field).name == "datetime",
        "ends": _ends(field),
    }


def _usual(field: Field, cells: NDArray[np.float64]) -> float:
    """What a slider begins with: the median of numbers, the most frequent category."""
    known = cells[~np.isnan(cells)]
    if not len(known):
        return 0.0 if field.categories else field.one("mean")
    return float(np.bincount(known.astype(int)).argmax() if field.categories else np.median(known))


def _ends(field: Field) -> list[float]:
    """What is drawn black and white, or at the foot and the top of a curve."""
    if field.kind == "byte":
        return [0.0, field.levels - 1.0]
    return [float(np.min(field.low)), float(np.max(field.high))]


def _library(points: Points, plan: Plan) -> list[float] | None:
    """Least, usual and greatest library size of the points, where one is given."""
    if not plan.recipe.library_size:
        return None
    counts = [d for d, cell in enumerate(plan.schema.cells) if cell.kind == "count"]
    sizes = np.nansum(points.values[:, counts], -1)
    return [max(1.0, float(f(sizes))) for f in (np.min, np.median, np.max)] if len(sizes) else [1.0, math.e, 1e4]
