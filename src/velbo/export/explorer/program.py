"""A decoder as a list of steps that a page of its own can run.

    take                    numbers in another order: an index into those of another register
    repeat, tile            numbers that are spread along the last or the first axes
    linear, conv, norm      products of matrices, convolutions of stride 1, x less its mean over its deviation in groups
    sum, max, argmax        over the last axis
    elementwise             one call a number, all shapes equal

A register holds the numbers of one tensor, in reading order. All of them are made by one step each, in order. How a
graph becomes steps is writing.py; decode.js runs them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Register:
    """Where a tensor is, and its shape."""

    at: int
    shape: tuple[int, ...]


@dataclass
class Program:
    """Steps.

    Attributes:
        inputs: sizes of the first registers.
        constants: register -> what it holds.
        steps: (name, register that it makes, how many numbers, arguments); registers as {"r": at}.
        n_registers: how many.
        output: register of the result.
    """

    inputs: list[int] = field(default_factory=list)
    constants: dict[int, Tensor] = field(default_factory=dict)
    steps: list[tuple[str, int, int, list[Any]]] = field(default_factory=list)
    n_registers: int = 0
    output: int = -1
    known: dict[tuple[Any, ...], Register] = field(default_factory=dict)

    def register(self, shape: Sequence[int]) -> Register:
        self.n_registers += 1
        return Register(self.n_registers - 1, tuple(shape))

    def step(self, name: str, shape: Sequence[int], *arguments: Any) -> Register:
        """A step of which the result has a shape."""
        key = (name, math.prod(shape), *((a.at,) if isinstance(a, Register) else a for a in arguments))
        if key in self.known:
            return Register(self.known[key].at, tuple(shape))
        made = self.known[key] = self.register(shape)
        plain = [{"r": a.at} if isinstance(a, Register) else a for a in arguments]
        self.steps.append((name, made.at, math.prod(shape), plain))
        return made

    def constant(self, value: Tensor) -> Register:
        key = (value.dtype, value.contiguous().cpu().numpy().tobytes())
        if key in self.known:
            return Register(self.known[key].at, tuple(value.shape))
        made = self.known[key] = self.register(value.shape)
        self.constants[made.at] = value
        return made

    def pruned(self) -> Program:
        """Without what nothing is made of."""
        wanted, steps = {self.output}, []
        for step in reversed(self.steps):
            if step[1] in wanted:
                steps.append(step)
                wanted |= {a["r"] for a in step[3] if isinstance(a, dict)}
        kept = {at: value for at, value in self.constants.items() if at in wanted}
        return Program(self.inputs, kept, steps[::-1], self.n_registers, self.output)
