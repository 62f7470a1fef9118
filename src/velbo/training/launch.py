"""Several processes for one training, through lightning-fabric: gloo on CPUs, NCCL on GPUs.

Results and errors come back through files in a temporary folder: an error of one process is then told as it is, and not
as the lost connection that the others see.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from .. import errors
from ..files import read_json, write_json
from ..runtime.parent import end_with_parent
from .team import FabricTeam, Team

ERROR = "error.json"
FEW = 4
"""Processes that any machine can bear."""


def launch(n_devices: int, device_type: str, work: Callable[..., None], *arguments: Any) -> None:
    """Call ``work(team, *arguments)`` in ``n_devices`` new processes and wait for them.

    Args:
        n_devices: processes, one device each.
        device_type: "cpu" or "cuda".
        work: a function of a module, which a new process can import.
        arguments: picklable.

    Raises:
        ConfigError: if there are fewer devices.
        VelboError: what ``work`` raised.
    """
    if device_type == "cuda" and n_devices > torch.cuda.device_count():
        raise errors.ConfigError(f"there are {torch.cuda.device_count()} GPUs here, not {n_devices}")
    most = max(FEW, 2 * (os.cpu_count() or 1))
    if device_type == "cpu" and n_devices > most:
        raise errors.ConfigError(f"devices must be at most {most} on this processor, not {n_devices}")
    from lightning_fabric import Fabric

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    fabric = Fabric(accelerator=device_type, devices=n_devices, strategy="ddp_spawn")
    with tempfile.TemporaryDirectory() as folder:
        try:
            with _signals_passed_on():
                fabric.launch(_worker, folder, work, arguments)  # pyright: ignore[reportArgumentType]
        except Exception:
            if not list(Path(folder).glob(f"*-{ERROR}")):
                raise
        for file in sorted(Path(folder).glob(f"*-{ERROR}")):
            error = read_json(file)
            raise getattr(errors, error["type"])(error["message"])


@contextmanager
def _signals_passed_on() -> Iterator[None]:
    """The workers save and leave; this process waits for them. After SIGINT too they get SIGTERM: a terminal has sent
    them its SIGINT already, and a second one would stop them at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def pass_on(number: int, frame: Any) -> None:
        for process in multiprocessing.active_children():
            process.terminate()

    previous = {n: signal.signal(n, pass_on) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _worker(fabric: Any, folder: str, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    end_with_parent()
    team: Team = FabricTeam(fabric)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        work(team, *arguments)
        # none leaves, and closes its connections, while another is still reading from them
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    except errors.VelboError as error:
        record = {"type": type(error).__name__, "message": str(error)}
        write_json(Path(folder) / f"{team.rank}-{ERROR}", record)
        # leave without a word: the parent tells the error
        os._exit(1)
