"""What there is to compute with here: devices, and a compiler for them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import cast

import torch
from torch import Tensor, nn

from ..errors import ConfigError


def device_of(name: str) -> torch.device:
    """The device that "auto" means here, or the one that is named; of a GPU with its number, as tensors have it.

    Raises:
        ConfigError: if there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        one = torch.ones(1, device=torch.device(name))
        one.item()  # which "meta" has not
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"no device '{name}' here ({str(error).splitlines()[0]}); use auto or cpu") from error
    return one.device


_has_values = ContextVar("has_values", default=True)


def may_look_at(x: Tensor) -> bool:
    """Whether code may branch on values of x for the sake of speed: not while a compiler or a CUDA graph
    records it, not on a device that would be waited for, and not inside `without_values`.
    """
    return x.device.type == "cpu" and not torch.compiler.is_compiling() and _has_values.get()


@contextmanager
def without_values() -> Iterator[None]:
    """Inside the block tensors have no values to branch on, as under `torch.func.vmap`, where one stands for many."""
    token = _has_values.set(False)
    try:
        yield
    finally:
        _has_values.reset(token)


def compiled(model: nn.Module, device: torch.device) -> nn.Module:
    """The model through torch.compile.

    Raises:
        ConfigError: if that needs a C++ compiler, as it does on the CPU, and there is none.
    """
    compiler = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    if device.type == "cpu" and not shutil.which(compiler):
        raise ConfigError(
            f"compiling a model needs a C++ compiler, and there is no {compiler} here; install it, name another in the "
            "environment variable CXX, or train without --compile"
        )
    return cast(nn.Module, torch.compile(model))
