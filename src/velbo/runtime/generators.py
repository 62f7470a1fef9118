"""Random numbers of one's own: inside `OwnGenerator` whatever torch draws comes from a generator that belongs to the
block, and not from the one that all threads of a process share.

    seed of a stream = BLAKE2b(seed, name of the use)        no two uses share a stream, whatever the seed is

torch has about thirty functions that draw (normal, rand_like, poisson, multinomial, ...). In a block every one of them,
wherever it is called (torch.distributions, a flow's library, a module of a user's own), is given the block's generator
on its way to the kernel. So a distribution needs no argument for a generator, and nothing is locked: a block counts for
its own thread alone, and draws the numbers that torch.manual_seed would make it draw alone.

Few functions take no generator, those of dropout and attention among them. They are called one at a time, with torch's
own generator seeded by a draw of the block's and put back after it; who draws from that one meanwhile, outside of any
block, disturbs them and is disturbed.

Source of the mechanism: Extending PyTorch, https://docs.pytorch.org/docs/stable/notes/extending.html (modes).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

CPU = torch.device("cpu")
SHARED = Lock()
"""Held while torch's own generator is borrowed."""


def stream_seed(seed: int, stream: str) -> int:
    """The seed of one use, 63 bits; uses with different names are independent."""
    digest = hashlib.blake2b(f"{seed} {stream}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(seed: int, stream: str, device: torch.device) -> torch.Generator:
    """Of one use, for functions that are called with it."""
    return torch.Generator(device).manual_seed(stream_seed(seed, stream))


class OwnGenerator(TorchDispatchMode):
    """Inside the block torch draws from a generator of its own: ``with OwnGenerator(seed, "sample"): ...``.

    A generator that is given to a function by hand stays. A block within a block has its own numbers.

    Args:
        seed: any whole number.
        stream: the name of the use; the seed is taken as it is, as torch.manual_seed takes it, if it is empty.
    """

    def __init__(self, seed: int, stream: str = "") -> None:
        super().__init__()
        self.seed = stream_seed(seed, stream) if stream else seed
        self.generators: dict[torch.device, torch.Generator] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """torch would load its compiler, which takes seconds, to keep it away from these few lines."""
        return False

    def of(self, device: torch.device) -> torch.Generator:
        """The generator of a device, which torch wants to be that of the numbers."""
        if device not in self.generators:
            self.generators[device] = torch.Generator(device).manual_seed(self.seed)
        return self.generators[device]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not draws(func) or any(isinstance(a, torch.Generator) for a in (*args, *kwargs.values())):
            return func(*args, **kwargs)
        own, seeded = self.of(_device(args, kwargs)), with_generator(func)
        if seeded is not None:
            return seeded(*args, **{**kwargs, "generator": own})
        return _borrowing(own, func, args, kwargs)


@cache
def draws(operator: Any) -> bool:
    """Whether an operator of torch may draw random numbers."""
    return torch.Tag.nondeterministic_seeded in operator.tags or _takes_generator(operator)


@cache
def with_generator(operator: Any) -> Callable[..., Any] | None:
    """The operator, or its overload of the same arguments, that takes a generator."""
    packet = operator.overloadpacket
    overloads = (operator, *(getattr(packet, name) for name in packet.overloads()))
    return next((o for o in overloads if _takes_generator(o) and _others(o) == _others(operator)), None)


def _takes_generator(operator: Any) -> bool:
    return any(a.name == "generator" for a in operator._schema.arguments)


def _others(operator: Any) -> list[tuple[str, str]]:
    return [(a.name, str(a.type)) for a in operator._schema.arguments if a.name != "generator"]


def _device(args: Any, kwargs: Any) -> torch.device:
    """Where the numbers will be."""
    named = kwargs.get("device")
    device = torch.device(named) if named is not None else next((a.device for a in args if isinstance(a, Tensor)), CPU)
    # "cuda" and "cuda:0" are one device and must have one generator
    return device if device == CPU else torch.empty(0, device=device).device


def _borrowing(own: torch.Generator, func: Any, args: Any, kwargs: Any) -> Any:
    seed = int(torch.randint(2**62, (), generator=own, device=own.device))
    with SHARED, torch.random.fork_rng([own.device] if own.device.type == "cuda" else []):
        torch.manual_seed(seed)
        return func(*args, **kwargs)
