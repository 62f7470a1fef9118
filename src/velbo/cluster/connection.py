"""Ray, started on this machine or joined elsewhere; and errors, on their way from its workers to this process."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import errors
from ..errors import ConfigError, VelboError, need
from ..formats.base import BYTES_PER_BATCH

LOCAL = "local"
LEAST_STORE = 2**28
"""Bytes of shared memory for what Ray's processes send each other."""


@contextmanager
def connected(cluster: str, workers: int) -> Iterator[Any]:
    """The module `ray`, connected for the block; where it was connected before, it stays so.

    Args:
        cluster: "local" starts Ray here, with a processor for each worker; else an address as `ray.init` takes it:
            "auto", "host:port", "ray://host:port".
        workers: how many there will be.

    Raises:
        MissingExtraError: if Ray is not installed.
        ConfigError: if nothing answers at the address.
    """
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    ray: Any = need("ray", "cluster")
    if ray.is_initialized():
        yield ray
        return
    _start(ray, cluster, workers)
    try:
        yield ray
    finally:
        ray.shutdown()


def _start(ray: Any, cluster: str, workers: int) -> None:
    if cluster != LOCAL:
        try:
            ray.init(address=cluster, logging_level="ERROR", log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ConfigError(f"--cluster {cluster}: Ray cannot be reached there: {said}") from error
        return
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    ray.init(
        num_cpus=max(workers, os.cpu_count() or 1),
        object_store_memory=max(LEAST_STORE, 4 * workers * BYTES_PER_BATCH),
        include_dashboard=False,
        logging_level="ERROR",
        log_to_driver=False,
    )


def has_gpus(ray: Any, device: str, workers: int) -> bool:
    """Whether each worker can have a GPU of its own, where one is wanted."""
    return device != "cpu" and ray.cluster_resources().get("GPU", 0) >= workers


def as_told(error: Exception) -> tuple[str, str]:
    """(class, message) of an error: of one that velbo did not raise, where it came from."""
    return type(error).__name__, str(error) if isinstance(error, VelboError) else traceback.format_exc()


def raise_told(kind: str, message: str) -> None:
    """The inverse of `as_told`."""
    raise getattr(errors, kind, RuntimeError)(message)
