"""From a model to a file: what of it, in which format, described, and tried before it is written."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..build import Plan
from ..conditional import AnyModel, Conditional
from ..errors import ConfigError, VelboError, unknown
from ..files import whole_or_absent, write_json
from ..likelihoods import MissingNotAtRandom
from ..posteriors import SemiAmortised
from ..priors import Estimated
from . import onnx_file, torch_file
from .description import described
from .graphs import Decoder, Encoder, Graph, Score
from .parity import difference, inputs_of

GRAPHS: dict[str, type[Graph]] = {"encoder": Encoder, "decoder": Decoder, "score": Score}
FORMATS: dict[str, ModuleType] = {".onnx": onnx_file, ".pt2": torch_file}
"""Suffix -> module with write and run."""


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        path: of the file; what it takes and gives is described in the .json beside it.
        what: encoder, decoder or score.
        inputs: names of what it takes ...
        outputs: ... and gives.
        difference: the largest from what velbo computes, on rows that cover the range of every field ...
        tolerance: ... and what it may be; see export/parity.py for the units.
    """

    path: Path
    what: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    difference: float
    tolerance: float


def export(
    model: AnyModel, plan: Plan, path: Path, what: str = "encoder", samples: int = 100, seed: int = 0
) -> Exported:
    """Write a part of a model as .onnx or .pt2, and its description as .json beside it.

    Args:
        model: in evaluation mode, on the CPU.
        plan: what it was built from.
        path: of the file; its suffix says the format.
        what: encoder, decoder or score.
        samples: K of a score.
        seed: of the noise in it.

    Raises:
        ConfigError: for an unknown name or suffix, for what cannot be exported, among it the score of a model of
            anomalies by latents of training rows, or if the file is too far from velbo.
        MissingExtraError: if what writes or tries the file is not installed.
    """
    if what not in GRAPHS:
        raise unknown("part to export", what, GRAPHS)
    if path.suffix not in FORMATS:
        raise ConfigError(f"{path}: models are exported as {' or '.join(FORMATS)}; give the file one of these suffixes")
    require_exportable(model, what, path.suffix)
    if what == "score" and plan.n_neighbors:
        raise ConfigError(
            "the score of this model, of anomalies, is made of latents of training rows beside the model, and has no "
            "graph, and log p(x) is another number: score rows with 'velbo score', or fit with "
            "AnomalyDetector(n_neighbors=0), whose score is log p(x), and export that"
        )
    graph = (Score(model, plan, samples, seed) if what == "score" else GRAPHS[what](model, plan, seed)).eval()
    about = described(graph, what, samples, seed)
    inputs, form = inputs_of(graph, model.n_latents), FORMATS[path.suffix]
    with whole_or_absent(path) as (temporary,):
        found = _written_and_tried(graph, form, inputs, temporary, about)
        if not found <= graph.tolerance:
            raise ConfigError(
                f"the exported {what} would differ from velbo's by {found:.1e}, and {graph.tolerance:g} is allowed; it "
                "is not written. Please report this model"
            )
    write_json(path.with_suffix(".json"), about)
    return Exported(path, what, graph.inputs, graph.outputs, found, graph.tolerance)


def require_exportable(model: AnyModel, what: str, suffix: str) -> None:
    """
    Raises:
        ConfigError: that names what of the model has no graph.
    """
    owner: Any = model.model if isinstance(model, Conditional) else model
    if what != "decoder" and any(isinstance(m, SemiAmortised) for m in owner.modules()):
        raise ConfigError(
            f"the {what} of a model with 'refine' takes gradients for every row, which no graph holds; fit without "
            "refine, or export the decoder"
        )
    if what == "score" and suffix == ".onnx" and any(isinstance(m, MissingNotAtRandom) for m in owner.modules()):
        raise ConfigError(
            "the score of a model of why cells are missing ('self-masked', 'latent-masked') takes quadratures by "
            "functions that onnxruntime lacks; write it as .pt2, or export the encoder or the decoder"
        )
    if what == "score" and isinstance(owner.prior(), Estimated):
        raise ConfigError(
            "log p(z) of this model is an estimate along a path of random steps, as of every diffusion, and its score "
            "has no graph; refit a prior with a density, such as 'real-nvp', or export the encoder or the decoder"
        )


def _written_and_tried(
    graph: Graph, form: ModuleType, inputs: Sequence[Tensor], path: Path, about: dict[str, Any]
) -> float:
    """The largest difference, over all rows at once and the first alone."""
    with torch.no_grad(), quiet():
        graph(*inputs)  # noise is made at the first use
        try:
            form.write(graph, [t[:4] for t in inputs], path, about)
            return max(_apart(graph, form.run, path, [t[:n] for t in inputs]) for n in (len(inputs[0]), 1))
        except (VelboError, OSError):
            raise
        except Exception as error:  # whatever torch's exporter or the runtime raises for what it does not know
            raise ConfigError(
                f"this {about['part']} has no {path.suffix} file: {_first_line(error)}; other parts of the model may"
            ) from error


def _apart(graph: Graph, run: Callable[..., Any], path: Path, inputs: Sequence[Tensor]) -> float:
    expected = graph(*inputs)
    wanted = expected if isinstance(expected, tuple) else (expected,)
    found = run(path, graph.inputs, inputs)
    pairs = zip(found, wanted, strict=True)
    return max(difference(graph, np.asarray(a, np.float64), b.double().numpy()) for a, b in pairs)


def _first_line(error: Exception) -> str:
    causes = [error]
    while (cause := causes[-1].__cause__) is not None and isinstance(cause, Exception):
        causes.append(cause)
    return f"{type(causes[-1]).__name__}: {str(causes[-1]).strip().splitlines()[0] if str(causes[-1]) else ''}"[:200]


@contextmanager
def quiet() -> Iterator[None]:
    """Exporters warn of what does not concern a user, and log it."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
