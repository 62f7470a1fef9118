"""Forward and backward pass of a step.

    gradients  d/d(theta, phi)  of the loss  - scale sum_b w_b surrogate_b
    numbers    the loss, |gradient|^2, and the sums over b of w_b bound_b, w_b reconstruction_b, w_b rate_b: one tensor,
               so that a device is waited for once a step

A step of a small model is some hundred kernels of a few microseconds, and Python takes longer to ask a GPU for each of
them than the GPU to compute it. `Recorded` asks for all at once, by a CUDA graph: the kernels of one pass, recorded
with the addresses of their numbers, rows and beta among them. What cannot be recorded is whatever depends on a number
while it is computed, as the host would have to wait for it; a model that does so is trained kernel by kernel.

Source: Accelerating PyTorch with CUDA graphs, 2021, https://pytorch.org/blog/accelerating-pytorch-with-cuda-graphs/.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ..objectives import Bound

WARM_UP = 3
"""Passes that run as they are before one is recorded: libraries take their memory in the first ones."""


class Numbers(NamedTuple):
    """What a pass says of itself; see the head of the module."""

    loss: float
    squared_norm: float
    bound: float
    reconstruction: float
    rate: float


class Gradients(Protocol):
    """Leaves the gradients of a batch in the parameters.

    ``gradients(x, beta, weight, scale)``: x (B, D); weight (B,), or None where all rows count once.
    """

    def __call__(self, x: Tensor, beta: float, weight: Tensor | None, scale: float) -> Numbers: ...


class Pass:
    """
    Args:
        bound: (x, beta) -> bound of the rows of x.
        parameters: that learn.
    """

    def __init__(self, bound: Callable[[Tensor, float | Tensor], Bound], parameters: Sequence[Tensor]) -> None:
        self.bound, self.parameters = bound, parameters

    def __call__(self, x: Tensor, beta: float, weight: Tensor | None, scale: float) -> Numbers:
        return Numbers(*self.run(x, beta, weight, scale).tolist())

    def run(self, x: Tensor, beta: float | Tensor, weight: Tensor | None, scale: float) -> Tensor:
        """The numbers, (5,) float64, on the device of x."""
        for p in self.parameters:
            p.grad = None
        bound = self.bound(x, beta)
        bound = bound if weight is None else bound.weighted(weight)
        loss = -bound.surrogate.sum() * scale
        loss.backward()
        squared = squared_norm([p.grad for p in self.parameters if p.grad is not None])
        sums = (part.sum() for part in (bound.value, bound.reconstruction, bound.rate))
        return torch.stack([part.detach().double() for part in (loss, squared, *sums)])


def squared_norm(gradients: Sequence[Tensor]) -> Tensor:
    """Of all gradients together, by dot products: a third of the time of the norm of norms."""
    return torch.stack([torch.dot(g, g) for g in (g.flatten() for g in gradients)]).sum()


class Recorded:
    """A pass on a GPU, as one CUDA graph for the batches of one size; other batches go through as they are.

    Args:
        eager: the pass.
        batch_size: of the batches that are recorded, which count once each or are all weighted.
    """

    def __init__(self, eager: Pass, batch_size: int) -> None:
        self.eager, self.batch_size = eager, batch_size
        self.stream = torch.cuda.Stream()
        self.n_passes, self.can = 0, True
        self.graph: _Graph | None = None

    def __call__(self, x: Tensor, beta: float, weight: Tensor | None, scale: float) -> Numbers:
        if len(x) != self.batch_size or not self.can:
            return self.eager(x, beta, weight, scale)
        if self.graph is None and self.n_passes < WARM_UP:
            return self._warm_up(x, beta, weight, scale)
        here = torch.cuda.current_stream()
        try:
            self.graph = self.graph or _Graph(self.eager, x, weight, scale)
        except RuntimeError:
            # torch warns of most, but not of all, that makes the host wait; a recording that failed leaves its stream
            torch.cuda.set_stream(here)
            self.can = False
            return self.eager(x, beta, weight, scale)
        return self.graph.replay(x, beta, weight)

    def _warm_up(self, x: Tensor, beta: float, weight: Tensor | None, scale: float) -> Numbers:
        """A pass like any other, on another stream, as its recording will be; the last one is watched."""
        self.n_passes += 1
        here = torch.cuda.current_stream()
        self.stream.wait_stream(here)
        with torch.cuda.stream(self.stream):
            given = torch.full((), beta, device=x.device)
            if self.n_passes == WARM_UP:
                numbers, self.can = _watched(lambda: self.eager.run(x, given, weight, scale))
            else:
                numbers = self.eager.run(x, given, weight, scale)
        here.wait_stream(self.stream)
        return Numbers(*numbers.tolist())


def _watched(run: Callable[[], Tensor]) -> tuple[Tensor, bool]:
    """(what it gives, whether the host never waited for the device)."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            numbers = run()
        finally:
            torch.cuda.set_sync_debug_mode(before)
    return numbers, not any("called a synchronizing" in str(warning.message) for warning in found)


class _Graph:
    """The kernels of a pass, and the memory that they read and write.

    Raises:
        RuntimeError: if the pass waits for the device.
    """

    def __init__(self, eager: Pass, x: Tensor, weight: Tensor | None, scale: float) -> None:
        self.parameters = eager.parameters
        self.x, self.beta = x.clone(), torch.zeros((), device=x.device)
        self.weight = None if weight is None else weight.clone()
        self.graph = torch.cuda.CUDAGraph()
        # others may use the device meanwhile, those that save a checkpoint among them
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.numbers = eager.run(self.x, self.beta, self.weight, scale)
        self.gradients = [p.grad for p in self.parameters]

    def replay(self, x: Tensor, beta: float, weight: Tensor | None) -> Numbers:
        self.x.copy_(x)
        self.beta.fill_(beta)
        if self.weight is not None and weight is not None:
            self.weight.copy_(weight)
        self.graph.replay()
        for p, gradient in zip(self.parameters, self.gradients, strict=True):
            p.grad = gradient
        return Numbers(*self.numbers.tolist())
