"""Graphs as ONNX files, written by torch's exporter and read by onnxruntime.

Where torch's exporter writes a formula that loses its digits, another is written; see onnx_operators.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import need
from .graphs import Graph


def write(graph: Graph, example: Sequence[Tensor], path: Path, about: dict[str, Any]) -> None:
    """The graph with its description, as the metadata "velbo"; the first dimension of all inputs is free.

    Raises:
        MissingExtraError: without onnx and onnxscript.
    """
    need("onnx", "export")
    need("onnxscript", "export")
    from .onnx_operators import TRANSLATIONS

    program = torch.onnx.export(
        graph,
        tuple(example),
        dynamo=True,
        verbose=False,
        input_names=list(graph.inputs),
        output_names=list(graph.outputs),
        dynamic_shapes={"inputs": tuple({0: "rows"} for _ in example)},
        custom_translation_table=TRANSLATIONS,
    )
    assert program is not None
    program.model.metadata_props["velbo"] = json.dumps(about)
    program.save(str(path))


def run(path: Path, names: Sequence[str], inputs: Sequence[Tensor]) -> list[NDArray[Any]]:
    """Outputs of a file.

    Raises:
        MissingExtraError: without onnxruntime.
    """
    runtime = need("onnxruntime", "export")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    given = {name: t.numpy() for name, t in zip(names, inputs, strict=True)}
    return [np.asarray(found) for found in session.run(None, given)]
