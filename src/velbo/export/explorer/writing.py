"""From the graph of torch.export, for one row, to steps (program.py). What depends on no input is computed beforehand;
an operator that only moves numbers is known by what it does to 0, 1, 2, ...
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node

from ...errors import ConfigError
from .program import Program, Register

MOVES = """
    alias clone detach view _unsafe_view unsqueeze squeeze permute expand slice select index_select index repeat
    split_with_sizes transpose t flip
""".split()
"""Operators that only move numbers of their first argument."""
RENAMED = {"bitwise_not": "not", "logical_not": "not", "bitwise_and": "and", "logical_and": "and", "logical_or": "or"}
ELEMENTWISE = """
    add sub mul div pow minimum maximum gt ge lt le eq ne not and or where sigmoid exp expm1 log log1p neg abs tanh sin
    cos sqrt rsqrt reciprocal round sign erf erfc isnan trunc
""".split()


def program_of(exported: ExportedProgram) -> Program:
    """The program of a graph of one output, traced for one row.

    Raises:
        ConfigError: that names the operator, if there is no step for it.
    """
    return Writer(exported).written()


class Writer:
    """Goes through a graph, node by node."""

    def __init__(self, exported: ExportedProgram) -> None:
        self.exported, self.made = exported, Program()
        self.values: dict[Node, Any] = {}

    def written(self) -> Program:
        for node in self.exported.graph.nodes:
            if node.op == "placeholder":
                self.values[node] = self._input(node)
            elif node.op == "call_function":
                self.values[node] = self._call(node)
            elif node.op == "output":
                (found,) = self._filled(node.args)[0]
                self.made.output = self._in_register(found).at
        return self.made.pruned()

    def _input(self, node: Node) -> Tensor | Register:
        signature = self.exported.graph_signature
        held = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        held |= signature.inputs_to_lifted_tensor_constants
        if node.name in held:
            name = held[node.name]
            known: Any = self.exported.state_dict.get(name, self.exported.constants.get(name))
            return known.detach()
        register = self.made.register(tuple(node.meta["val"].shape))
        self.made.inputs.append(math.prod(register.shape))
        return register

    def _filled(self, arguments: Any) -> Any:
        return torch.fx.map_arg(arguments, lambda node: self.values[node])

    def _call(self, node: Node) -> Any:
        arguments, named = self._filled(node.args), self._filled(node.kwargs)
        target: Any = node.target
        if target is operator.getitem:
            return arguments[0][arguments[1]]
        name = str(target.__name__).split(".")[0]
        if name == "_assert_tensor_metadata":
            return None
        if not any(isinstance(a, Register) for a in _leaves((arguments, named))):
            return target(*arguments, **named)
        shape = _shape(node.meta["val"])
        if name in MOVES:
            return self._moved(target, arguments, (0,))
        if name in SPECIAL:
            return SPECIAL[name](self, target, arguments, named, shape)
        return self._elementwise(RENAMED.get(name, name), arguments, named, shape)

    def _in_register(self, value: Tensor | Register) -> Register:
        return value if isinstance(value, Register) else self.made.constant(value)

    def _moved(self, target: Any, arguments: Sequence[Any], data: Sequence[int], fill: float = 0.0) -> Any:
        """What an operator does to the places 0, 1, ... of the numbers of those arguments that are data."""
        given, sources, n = list(arguments), list[Register](), 0

        def places(value: Tensor | Register) -> Tensor:
            nonlocal n
            source = self._in_register(value)
            sources.append(source)
            n += (size := math.prod(source.shape))
            return torch.arange(n - size, n).reshape(source.shape)

        for i in data:
            given[i] = [places(v) for v in given[i]] if isinstance(given[i], list | tuple) else places(given[i])
        moved = target(*given)
        if isinstance(moved, tuple | list):
            return [self._taken(sources, part) for part in moved]
        return self._taken(sources, moved, fill)

    def _taken(self, sources: Sequence[Register], index: Tensor, fill: float = 0.0) -> Register:
        shape, size = tuple(index.shape), math.prod(sources[0].shape)
        if len(sources) == 1 and index.numel() == size and bool((index.flatten() == torch.arange(size)).all()):
            return Register(sources[0].at, shape)
        source, flat = sources[0], index.flatten()
        if len(sources) == 1 and flat.numel() > size > 0 and flat.numel() % size == 0:
            n = flat.numel() // size
            if bool((flat == torch.arange(size).repeat_interleave(n)).all()):
                return self.made.step("repeat", shape, source, n)
            if bool((flat == torch.arange(size).repeat(n)).all()):
                return self.made.step("tile", shape, source)
        if len(sources) > 1:
            total = sum(math.prod(s.shape) for s in sources)
            source = self.made.step("join", (total,), *sources)
        return self.made.step("take", shape, source, self.made.constant(index.flatten().int()), fill)

    def _elementwise(
        self, name: str, arguments: Sequence[Any], named: dict[str, Any], shape: Sequence[int]
    ) -> Register:
        if name not in ELEMENTWISE or named.get("alpha", 1) != 1:
            raise ConfigError(
                f"the page has no step for '{name}', which this decoder takes; export the decoder instead"
            )
        return self.made.step(name, shape, *(self._spread(a, shape) for a in arguments))

    def _spread(self, value: Any, shape: Sequence[int]) -> Any:
        """An argument of an elementwise step: a number, or a register of the result's shape."""
        if isinstance(value, Tensor) and value.numel() == 1:
            value = value.item()
        if isinstance(value, float) and not math.isfinite(value):  # which JSON has no word for
            value = torch.tensor(value)
        if isinstance(value, Tensor):
            value = self.made.constant(value)
        if isinstance(value, Register) and value.shape != tuple(shape):
            size = math.prod(value.shape)
            return self._taken([value], torch.arange(size).reshape(value.shape).expand(tuple(shape)))
        return value

    def last(self, value: Register, axes: Sequence[int]) -> tuple[Register, int]:
        """(the numbers with some axes behind all others, how many these hold)."""
        n = len(value.shape)
        axes = [a % n for a in axes]
        order = [a for a in range(n) if a not in axes] + axes
        inner = math.prod(value.shape[a] for a in axes)
        return self._moved(torch.ops.aten.permute.default, (value, order), (0,)), inner


Special = Callable[[Writer, Any, Any, Any, Any], Any]


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in _leaves(part)]
    return [leaf for part in value.values() for leaf in _leaves(part)] if isinstance(value, dict) else [value]


def _shape(value: Any) -> Any:
    return tuple(value.shape) if isinstance(value, Tensor) else [_shape(v) for v in value]


def _reduced(name: str) -> Special:
    def write(to: Writer, target: Any, arguments: Any, named: Any, shape: Any) -> Register:
        x, axes = arguments[0], arguments[1] if len(arguments) > 1 else range(len(arguments[0].shape))
        source, inner = to.last(x, [axes] if isinstance(axes, int) else list(axes) or range(len(x.shape)))
        return to.made.step(name, shape, source, inner)

    return write


def _softmax(logarithm: bool) -> Special:
    def write(to: Writer, target: Any, arguments: Any, named: Any, shape: Any) -> Register:
        x, axis = arguments[0], arguments[1]
        if axis % len(x.shape) != len(x.shape) - 1:
            raise ConfigError("the page takes softmax over the last axis alone; export the decoder instead")
        return to.made.step("logsoftmax" if logarithm else "softmax", shape, x, x.shape[-1])

    return write


def _linear(to: Writer, target: Any, arguments: Any, named: Any, shape: Any) -> Register:
    """addmm(bias, x, w) and mm(x, w), w a constant (K, N), kept as (N, K)."""
    *bias, x, w = arguments
    if not isinstance(w, Tensor):
        raise ConfigError("the page multiplies by constant matrices alone; export the decoder instead")
    offset = [to.made.constant(b.expand(w.shape[1])) for b in bias] or [None]
    return to.made.step("linear", shape, to._in_register(x), to.made.constant(w.T), offset[0], *w.shape)


def _convolution(to: Writer, target: Any, arguments: Any, named: Any, shape: Any) -> Register:
    x, w, b, stride, padding, dilation, transposed, _, groups = arguments
    if transposed or groups != 1 or {*stride, *dilation} != {1} or w.shape[2] != w.shape[3] or len({*padding}) != 1:
        raise ConfigError("the page has square convolutions of stride 1 alone; export the decoder instead")
    offset = to.made.constant(torch.zeros(w.shape[0]) if b is None else b)
    return to.made.step(
        "conv", shape, x, to.made.constant(w.permute(0, 2, 3, 1)), offset, *x.shape[1:], w.shape[2], padding[0]
    )


def _group_norm(to: Writer, target: Any, arguments: Any, named: Any, shape: Any) -> list[Register]:
    x, weight, bias, _, n_channels, n_places, groups, eps = arguments
    spread = [t.view(1, -1, *[1] * (len(x.shape) - 2)) for t in (weight, bias)]
    return [_normed(to, x, n_channels // groups * n_places, eps, *spread)]


def _layer_norm(to: Writer, target: Any, arguments: Any, named: Any, shape: Any) -> list[Register]:
    x, of_shape, weight, bias, eps = arguments
    return [_normed(to, x, math.prod(of_shape), eps, weight, bias)]


def _normed(to: Writer, x: Register, n: int, eps: float, weight: Tensor, bias: Tensor) -> Register:
    made = to.made.step("norm", x.shape, x, n, eps)
    scaled = to.made.step("mul", x.shape, made, to._spread(weight, x.shape))
    return to.made.step("add", x.shape, scaled, to._spread(bias, x.shape))


def _cast(to: Writer, target: Any, arguments: Any, named: Any, shape: Any) -> Register:
    kind = named.get("dtype")
    return arguments[0] if kind is None or kind.is_floating_point else to.made.step("trunc", shape, arguments[0])


def _clamp(to: Writer, target: Any, arguments: Any, named: Any, shape: Any) -> Register:
    x, *ends = arguments
    for name, end in zip(("maximum", "minimum"), ends, strict=False):
        x = x if end is None else to.made.step(name, shape, x, to._spread(end, shape))
    return x


def _scatter(to: Writer, target: Any, arguments: Any, named: Any, shape: Any) -> Register:
    """Places that depend on what is given, of one row."""
    self, _, index, source = (to._in_register(a) if isinstance(a, Tensor) else a for a in arguments)
    return to.made.step("scatter", shape, self, index, source)


SPECIAL: dict[str, Special] = {
    "cat": lambda to, target, arguments, named, shape: to._moved(target, arguments, (0,)),
    "index_put": lambda to, target, arguments, named, shape: to._moved(target, arguments, (0, 2)),
    "constant_pad_nd": lambda to, target, arguments, named, shape: to._moved(
        target, (*arguments[:2], -1), (0,), arguments[2] if len(arguments) > 2 else 0.0
    ),
    "sum": _reduced("sum"),
    "amax": _reduced("max"),
    "argmax": _reduced("argmax"),
    "_softmax": _softmax(False),
    "_log_softmax": _softmax(True),
    "addmm": _linear,
    "mm": _linear,
    "convolution": _convolution,
    "native_group_norm": _group_norm,
    "native_layer_norm": _layer_norm,
    "_to_copy": _cast,
    "clamp": _clamp,
    "scatter": _scatter,
    "full_like": lambda to, target, arguments, named, shape: torch.full(shape, float(arguments[1])),
}
"""Operators that are neither moves nor elementwise -> what writes their steps."""
