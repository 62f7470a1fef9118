"""Who shares the work of a step: one process alone, or several, each with a device of its own.

A batch is dealt out row by row; each process's loss is its part of the sum of the surrogate over the batch, so that
the gradients' mean over processes, which data-parallel training takes, is the gradient of one process on the joined
batch:

    1/R sum_r  d/dtheta [ -R/B sum_{b in share r} surrogate_b ]  =  d/dtheta [ -1/B sum_b surrogate_b ]

Whatever decides how training goes on (the clock, a signal, a bound) is summed over processes, so all decide alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..posteriors import Draw
from ..terms import Model, Terms


class Forward(nn.Module):
    """A model's `terms` under the name that compilers and data-parallel training intercept."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, samples: int, draw: Draw) -> Terms:
        return cast(Model, self.model).terms(x, samples, draw)


class Team(Protocol):
    """``size`` processes, of which this one is number ``rank``."""

    rank: int
    size: int

    @property
    def device(self) -> torch.device | None:
        """The device of this process; None leaves it to the configuration."""
        ...

    def wrap(self, model: nn.Module) -> nn.Module:
        """The module whose gradients are averaged over processes."""
        ...

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over processes."""
        ...

    def gather(self, value: Tensor) -> list[Tensor]:
        """The tensor of every process, in order of rank."""
        ...


class Alone:
    """One process."""

    rank, size, device = 0, 1, None

    def wrap(self, model: nn.Module) -> nn.Module:
        return model

    def total(self, values: Sequence[float]) -> list[float]:
        return list(values)

    def gather(self, value: Tensor) -> list[Tensor]:
        return [value]


class FabricTeam:
    """Processes that lightning-fabric has launched.

    Args:
        fabric: a launched ``lightning_fabric.Fabric``.
    """

    def __init__(self, fabric: Any) -> None:
        self.fabric, self.rank, self.size = fabric, fabric.global_rank, fabric.world_size

    @property
    def device(self) -> torch.device:
        return self.fabric.device

    def wrap(self, model: nn.Module) -> nn.Module:
        # not fabric.setup_module, which takes no frozen dataclass such as Terms for an output
        return DistributedDataParallel(model, [self.device] if self.device.type == "cuda" else None)

    def total(self, values: Sequence[float]) -> list[float]:
        tensor = torch.tensor(list(values), dtype=torch.float64, device=self.fabric.device)
        # not fabric.all_reduce, which has all processes wait for each other once more before it
        torch.distributed.all_reduce(tensor)
        return tensor.tolist()

    def gather(self, value: Tensor) -> list[Tensor]:
        gathered = self.fabric.all_gather(value.to(self.fabric.device))
        return [t.to(value.device) for t in gathered]


def share(index: Tensor, team: Team) -> Tensor:
    """The rows of a batch that this process computes."""
    return index[team.rank :: team.size]
