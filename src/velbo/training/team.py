"""Who shares the work of a step: one process alone, or several, each with a device of its own.

A batch is dealt out row by row; each process's loss is its part of the sum of the surrogate over the batch, so that
the gradients' mean over processes, which data-parallel training takes, is the gradient of one process on the joined
batch:

    1/R sum_r  d/dtheta [ -R/B sum_{b in share r} surrogate_b ]  =  d/dtheta [ -1/B sum_b surrogate_b ]

Whatever decides how training goes on (the clock, a signal, a bound) is summed over processes, so all decide alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from ..errors import ConfigError, LostProcessError, VelboError
from ..posteriors import Draw
from ..runtime.devices import device_of
from ..runtime.ranks import ranks_here
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

    def deal(self, parts: Sequence[bytes]) -> bytes:
        """What the first process, which alone gives parts, one for each, has for this one."""
        ...

    def collect(self, part: bytes) -> list[bytes]:
        """What each process gives, in order of rank, at the first; nothing at the others."""
        ...

    def is_first_to(self, do: str) -> bool:
        """Whether no other process has asked this of the same thing; it needs none of them."""
        ...

    def send(self, value: Tensor, source: int) -> None:
        """Let a tensor, on the CPU, be that of one process at all of them. Another thread than that which adds up may
        do so, the same one in all processes.
        """
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

    def deal(self, parts: Sequence[bytes]) -> bytes:
        return parts[0]

    def collect(self, part: bytes) -> list[bytes]:
        return [part]

    def is_first_to(self, do: str) -> bool:
        return True

    def send(self, value: Tensor, source: int) -> None:
        pass


ALONE = Alone()


class TorchTeam:
    """The processes of a group of torch.distributed, whoever has started them: `velbo.training.launch`, torchrun, srun,
    Ray, Kubernetes.

    Args:
        device: of this process.
        store: of the group, if it is known.
    """

    def __init__(self, device: torch.device, store: Store | None = None) -> None:
        self.rank, self.size, self._device, self._store = dist.get_rank(), dist.get_world_size(), device, store
        # of its own: a thread that reads sends while the main thread adds up gradients
        self._readers = cast(dist.ProcessGroup, dist.new_group(backend="gloo"))

    @property
    def device(self) -> torch.device:
        return self._device

    def wrap(self, model: nn.Module) -> nn.Module:
        return DistributedDataParallel(model, [self.device] if self.device.type == "cuda" else None)

    def total(self, values: Sequence[float]) -> list[float]:
        tensor = torch.tensor(list(values), dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return tensor.tolist()

    def gather(self, value: Tensor) -> list[Tensor]:
        mine = value.to(self.device).contiguous()
        gathered = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(gathered, mine)
        return [t.to(value.device) for t in gathered]

    def deal(self, parts: Sequence[bytes]) -> bytes:
        if self.rank:
            return self._receive(0)
        for rank in range(1, self.size):
            self._pass(parts[rank], rank)
        return parts[0]

    def collect(self, part: bytes) -> list[bytes]:
        if self.rank:
            self._pass(part, 0)
            return []
        return [part, *(self._receive(rank) for rank in range(1, self.size))]

    def _pass(self, data: bytes, rank: int) -> None:
        dist.send(torch.tensor([len(data)]), rank, self._readers)
        dist.send(tensor_of(data), rank, self._readers)

    def _receive(self, rank: int) -> bytes:
        length = torch.empty(1, dtype=torch.int64)
        dist.recv(length, rank, self._readers)
        data = torch.empty(int(length), dtype=torch.uint8)
        dist.recv(data, rank, self._readers)
        return data.numpy().tobytes()

    def is_first_to(self, do: str) -> bool:
        try:
            return self._store is None or self._store.add(do, 1) == 1
        except RuntimeError:  # its process, the first, has ended
            return self.rank == 1

    def send(self, value: Tensor, source: int) -> None:
        dist.broadcast(value, source, self._readers)


@contextmanager
def joined(device: str = "auto") -> Iterator[Team]:
    """Inside the block the processes that the environment tells of are a team; see runtime/ranks.py. So are those of a
    group of torch.distributed that there is already. A process alone is a team of one.

    Args:
        device: as in `velbo.config.Machine`; of several GPUs each process takes its own.

    Raises:
        LostProcessError: if another process ends before its work is done.
    """
    if dist.is_initialized() and dist.get_world_size() > 1:
        here = ranks_here()
        with lost_told():
            yield TorchTeam(own_device(device, here.local_rank if here else dist.get_rank()))
        return
    ranks = ranks_here()
    if ranks is None:
        yield ALONE
        return
    with lost_told():
        store, _, _ = next(rendezvous(ranks.url, ranks.rank, ranks.size))
        with group(store, ranks.rank, ranks.size, own_device(device, ranks.local_rank)) as team:
            yield team


@contextmanager
def group(store: Store, rank: int, size: int, device: torch.device) -> Iterator[TorchTeam]:
    """A process group for the block: gloo between CPUs, NCCL between GPUs."""
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    if device.type == "cuda":
        store.set(f"GPU of {rank}", str(torch.cuda.get_device_properties(device).uuid))
        require_own([store.get(f"GPU of {each}").decode() for each in range(size)])
    dist.init_process_group(backend, store=store, rank=rank, world_size=size)
    yield TorchTeam(device, store)
    # none leaves, and closes its connections, while another is still reading from them
    dist.barrier()
    dist.destroy_process_group()


def require_own(gpus: Sequence[str]) -> None:
    """
    Args:
        gpus: what tells the GPU of each process from all others, in order of rank.

    Raises:
        ConfigError: if two have the same, which NCCL cannot work with.
    """
    for rank, gpu in enumerate(gpus):
        if (first := gpus.index(gpu)) < rank:
            raise ConfigError(
                f"processes {first} and {rank} compute on one GPU, and each must have its own; start as many processes "
                "as there are GPUs, or add --device cpu"
            )


def own_device(name: str, local_rank: int) -> torch.device:
    """Of the process of this number on its machine."""
    device = device_of(name)
    if device.type == "cuda":
        device = torch.device("cuda", local_rank % torch.cuda.device_count())
        torch.cuda.set_device(device)
    return device


SAID_OF_THE_LOST = "Connection closed by peer", "Connection reset by peer", "gloo", "NCCL", "Broken pipe"
"""How backends say it where they raise nothing but RuntimeError."""


@contextmanager
def lost_told() -> Iterator[None]:
    """An error of a connection to another process, as what it means.

    Raises:
        LostProcessError: instead of it.
    """
    try:
        yield
    except RuntimeError as error:
        is_lost = isinstance(error, dist.DistError) or any(said in str(error) for said in SAID_OF_THE_LOST)
        if isinstance(error, VelboError) or not is_lost:
            raise
        raise LostProcessError(
            "another process of this training was lost, or cannot be reached; what was saved is whole"
        ) from error


def told(team: Team, text: str) -> str:
    """What the first process says, at all of them."""
    return team.deal([text.encode()] * team.size).decode()


def tensor_of(data: bytes) -> Tensor:
    """Bytes as numbers, (n,)."""
    return torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)


def share(index: Tensor, team: Team) -> Tensor:
    """The rows of a batch that this process computes."""
    return index[team.rank :: team.size]
