"""Which of several processes this one is, as whoever has started them says in the environment.

| started by                | rank, size, local rank                            | where rank 0 listens           |
|---------------------------|---------------------------------------------------|--------------------------------|
| torchrun, Ray, Kubernetes | RANK, WORLD_SIZE, LOCAL_RANK                      | MASTER_ADDR, MASTER_PORT       |
| srun                      | SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_LOCALID | so, or first SLURM_STEP_NODELIST |

A batch script of Slurm without srun has SLURM_PROCID too, but no SLURM_STEP_NUM_TASKS: it is one process.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ..errors import ConfigError

TORCH = "RANK", "WORLD_SIZE", "LOCAL_RANK"
SLURM = "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"
FIRST_PORT, N_PORTS = 20_000, 10_000


@dataclass(frozen=True)
class Ranks:
    """One of ``size`` processes.

    Attributes:
        rank: its number.
        size: how many there are, 2 or more.
        local_rank: its number among those of its machine, which is that of its GPU.
        url: where they meet, as `torch.distributed.rendezvous` takes it.
    """

    rank: int
    size: int
    local_rank: int
    url: str


def ranks_here() -> Ranks | None:
    """What the environment says; None if this process is alone.

    Raises:
        ConfigError: if a variable is no number, or it is not said where the processes meet.
    """
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        rank, size, local = (_number(name) for name in TORCH)
        return Ranks(rank, size, local, _url("env://")) if size > 1 else None
    if "SLURM_PROCID" in os.environ and "SLURM_STEP_NUM_TASKS" in os.environ:
        rank, size, local = (_number(name) for name in SLURM)
        return Ranks(rank, size, local, _url(_of_slurm())) if size > 1 else None
    return None


def is_first() -> bool:
    """Whether this process is alone, or the first of several: the one that talks."""
    try:
        ranks = ranks_here()
    except ConfigError:
        return True
    return ranks is None or ranks.rank == 0


def forget_ranks() -> None:
    """From here on this process, and all that it starts, are alone."""
    for name in (*TORCH, *SLURM):
        os.environ.pop(name, None)


def _number(name: str) -> int:
    text = os.environ.get(name, "0")
    if not text.isdecimal():
        raise ConfigError(f"the environment variable {name} must be a whole number, not '{text}'; set it, or unset it")
    return int(text)


def _url(otherwise: str) -> str:
    if "MASTER_ADDR" in os.environ and "MASTER_PORT" in os.environ:
        return "env://"
    if otherwise == "env://":
        raise ConfigError(
            "the environment says RANK and WORLD_SIZE, and not where the processes meet; set MASTER_ADDR and "
            "MASTER_PORT, start them with torchrun, or unset RANK"
        )
    return otherwise


def _of_slurm() -> str:
    """The first node of the step, and a port that is this step's own."""
    first = first_node(os.environ.get("SLURM_STEP_NODELIST", "127.0.0.1"))
    own = _number("SLURM_JOB_ID") * 31 + _number("SLURM_STEP_ID")
    return f"tcp://{first}:{FIRST_PORT + own % N_PORTS}"


def first_node(nodes: str) -> str:
    """Of a list as Slurm writes it: ``gpu[003-005,9],cpu1`` begins with gpu003."""
    found = re.match(r"([^,\[]+)(?:\[(\d+)[^\]]*\]([^,]*))?", nodes)
    if found is None:
        raise ConfigError(f"SLURM_STEP_NODELIST '{nodes}' is no list of nodes; set MASTER_ADDR and MASTER_PORT")
    return "".join(part or "" for part in found.groups())
