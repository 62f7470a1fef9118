"""Graphs as ONNX files, written by torch's exporter and read by onnxruntime.

Where torch's exporter writes a formula that loses its digits, another is written:

    log sigmoid x          -softplus(-x)                                  not log(sigmoid x), -inf from x = -88 down
    cross entropy of t     max(l, 0) + softplus(-|l|) - l t               not log(sigmoid l)
    exp x - 1, log(1 + x)  three terms of their series where |x| < 1e-4   in float64
    log Gamma(x), x > 0    Stirling's series at x + 10 less log x .. (x + 9), in float64; ONNX has none
    erf x                  in float32, as onnxruntime has no other
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import need
from ..likelihoods.stirling import HALF_LOG_2_PI, SERIES
from .graphs import Graph

SMALL = 1e-4
SHIFT = 10


def write(graph: Graph, example: Sequence[Tensor], path: Path, about: dict[str, Any]) -> None:
    """The graph with its description, as the metadata "velbo"; the first dimension of all inputs is free.

    Raises:
        MissingExtraError: without onnx and onnxscript.
    """
    need("onnx", "export")
    need("onnxscript", "export")
    program = torch.onnx.export(
        graph,
        tuple(example),
        dynamo=True,
        verbose=False,
        input_names=list(graph.inputs),
        output_names=list(graph.outputs),
        dynamic_shapes={"inputs": tuple({0: "rows"} for _ in example)},
        custom_translation_table=_translations(),
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


def _translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """ATen operator -> what is written for it."""
    import onnxscript

    op: Any = onnxscript.opset18

    def number(value: float, like: Any) -> Any:
        return op.CastLike(op.Constant(value_float=value), like)

    def in_double(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda self: op.CastLike(f(op.Cast(self, to=11)), self)

    def double(value: float) -> Any:
        return op.Constant(value=_double(value))

    def log_sigmoid(self: Any) -> Any:
        return op.Neg(op.Softplus(op.Neg(self)))

    def cross_entropy(self: Any, target: Any, weight: Any = None, pos_weight: Any = None, reduction: int = 1) -> Any:
        assert weight is None
        assert pos_weight is None
        assert reduction == 0
        return op.Sub(op.Add(op.Relu(self), op.Softplus(op.Neg(op.Abs(self)))), op.Mul(self, target))

    def near_or(x: Any, terms: Sequence[float], far: Any) -> Any:
        near = double(terms[-1])
        for term in reversed(terms[:-1]):
            near = op.Add(double(term), op.Mul(x, near))
        return op.Where(op.Less(op.Abs(x), double(SMALL)), op.Mul(x, near), far)

    def expm1(x: Any) -> Any:
        return near_or(x, (1, 1 / 2, 1 / 6), op.Sub(op.Exp(x), double(1)))

    def log1p(x: Any) -> Any:
        return near_or(x, (1, -1 / 2, 1 / 3), op.Log(op.Add(x, double(1))))

    def lgamma(x: Any) -> Any:
        product = x
        for i in range(1, SHIFT):
            product = op.Mul(product, op.Add(x, double(i)))
        y = op.Add(x, double(SHIFT))
        inverse = op.Reciprocal(y)
        square, series = op.Mul(inverse, inverse), double(SERIES[-1])
        for term in reversed(SERIES[:-1]):
            series = op.Add(double(term), op.Mul(square, series))
        stirling = op.Sub(op.Mul(op.Sub(y, double(0.5)), op.Log(y)), y)
        return op.Sub(op.Add(op.Add(stirling, double(HALF_LOG_2_PI)), op.Mul(inverse, series)), op.Log(product))

    aten = torch.ops.aten
    return {
        aten.log_sigmoid.default: log_sigmoid,
        aten.binary_cross_entropy_with_logits.default: cross_entropy,
        aten.expm1.default: in_double(expm1),
        aten.log1p.default: in_double(log1p),
        aten.lgamma.default: in_double(lgamma),
        aten.erf.default: lambda self: op.CastLike(op.Erf(op.Cast(self, to=1)), self),
    }


def _double(value: float) -> Any:
    import onnx

    return onnx.helper.make_tensor("value", onnx.TensorProto.DOUBLE, [], [value])
