"""What torch's exporter writes with a loss of digits, written anew from operators of ONNX.

    log sigmoid x          -softplus(-x)                                  not log(sigmoid x), -inf from x = -88 down
    cross entropy of t     max(l, 0) + softplus(-|l|) - l t               not log(sigmoid l)
    exp x - 1, log(1 + x)  three terms of their series where |x| < 1e-4   in float64
    log Gamma(x), x > 0    Stirling's series at x + 10 less log x .. (x + 9), in float64; ONNX has none
    erf x                  in float32, as onnxruntime has no other

Importing this needs onnx and onnxscript (extra `export`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx
import onnxscript
import torch

from ..likelihoods.stirling import HALF_LOG_2_PI, SERIES

SMALL = 1e-4
SHIFT = 10
op: Any = onnxscript.opset18
aten = torch.ops.aten


def in_double(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """f of x as float64, in the type of x again."""
    return lambda self: op.CastLike(f(op.Cast(self, to=onnx.TensorProto.DOUBLE)), self)


def double(value: float) -> Any:
    """A constant."""
    return op.Constant(value=onnx.helper.make_tensor("value", onnx.TensorProto.DOUBLE, [], [value]))


def log_sigmoid(self: Any) -> Any:
    return op.Neg(op.Softplus(op.Neg(self)))


def cross_entropy(self: Any, target: Any, weight: Any = None, pos_weight: Any = None, reduction: int = 1) -> Any:
    assert weight is None
    assert pos_weight is None
    assert reduction == 0
    return op.Sub(op.Add(op.Relu(self), op.Softplus(op.Neg(op.Abs(self)))), op.Mul(self, target))


def erf(self: Any) -> Any:
    return op.CastLike(op.Erf(op.Cast(self, to=onnx.TensorProto.FLOAT)), self)


def expm1(x: Any) -> Any:
    return near_or(x, (1, 1 / 2, 1 / 6), op.Sub(op.Exp(x), double(1)))


def log1p(x: Any) -> Any:
    return near_or(x, (1, -1 / 2, 1 / 3), op.Log(op.Add(x, double(1))))


def near_or(x: Any, terms: Sequence[float], far: Any) -> Any:
    """x times a polynomial of x with such terms where |x| is small, else what is given."""
    return op.Where(op.Less(op.Abs(x), double(SMALL)), op.Mul(x, polynomial(x, terms)), far)


def polynomial(x: Any, terms: Sequence[float]) -> Any:
    """By Horner's rule."""
    found = double(terms[-1])
    for term in reversed(terms[:-1]):
        found = op.Add(double(term), op.Mul(x, found))
    return found


def lgamma(x: Any) -> Any:
    product = x
    for i in range(1, SHIFT):
        product = op.Mul(product, op.Add(x, double(i)))
    y = op.Add(x, double(SHIFT))
    inverse = op.Reciprocal(y)
    series = op.Mul(inverse, polynomial(op.Mul(inverse, inverse), SERIES))
    stirling = op.Sub(op.Mul(op.Sub(y, double(0.5)), op.Log(y)), y)
    return op.Sub(op.Add(op.Add(stirling, double(HALF_LOG_2_PI)), series), op.Log(product))


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    aten.log_sigmoid.default: log_sigmoid,
    aten.binary_cross_entropy_with_logits.default: cross_entropy,
    aten.expm1.default: in_double(expm1),
    aten.log1p.default: in_double(log1p),
    aten.lgamma.default: in_double(lgamma),
    aten.erf.default: erf,
}
"""ATen operator -> what is written for it."""
