"""Several processes of this machine for one training: gloo on CPUs, NCCL on GPUs.

Results and errors come back through files in a temporary folder: an error of one process is then told as it is, and not
as the lost connection that the others see. A process that ends without a word, as one that the system has killed does,
is told by what ended it; the others are stopped.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

from .. import errors
from ..files import read_json, write_json
from ..runtime.parent import end_with_parent
from .team import group, lost_told, own_device

ERROR = "error.json"
FEW = 4
"""Processes that any machine can bear."""
GRACE_SECONDS = 10.0
"""For the others to end by themselves after one has."""
HERE = "127.0.0.1"


def launch(n_devices: int, device_type: str, work: Callable[..., None], *arguments: Any) -> None:
    """Call ``work(team, *arguments)`` in ``n_devices`` new processes and wait for them.

    Args:
        n_devices: processes, one device each.
        device_type: "cpu" or "cuda".
        work: a function of a module, which a new process can import.
        arguments: picklable.

    Raises:
        ConfigError: if there are fewer devices.
        LostProcessError: if one of them ends without a word.
        VelboError: what ``work`` raised.
    """
    if device_type == "cuda" and n_devices > torch.cuda.device_count():
        raise errors.ConfigError(f"{n_devices} devices are asked for, and GPUs here number {torch.cuda.device_count()}")
    most = max(FEW, 2 * (os.cpu_count() or 1))
    if device_type == "cpu" and n_devices > most:
        raise errors.ConfigError(f"devices must be at most {most} on this processor, not {n_devices}")
    # this process keeps it, so that it outlives every one of the others
    store = TCPStore(HERE, 0, is_master=True, wait_for_workers=False)
    # not that of multiprocessing: tensors among the arguments are shared and not copied
    context = torch.multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        place = store.port, n_devices, device_type, folder
        pipes = [context.Pipe(duplex=False) for _ in range(n_devices)]
        processes = [
            context.Process(target=_worker, args=(rank, *place, inlet)) for rank, (inlet, _) in enumerate(pipes)
        ]
        with _signals_passed_on(processes):
            try:
                for process, (inlet, _) in zip(processes, pipes, strict=True):
                    process.start()
                    inlet.close()
                # not as arguments of a process: multiprocessing waits for ever for one that is killed before it has
                # read more than a pipe holds
                for _, outlet in pipes:
                    with suppress(BrokenPipeError, ConnectionResetError), outlet:
                        outlet.send((work, arguments))
                first = _wait(processes)
            finally:
                for process in processes:
                    if process.is_alive():
                        process.kill()
        for file in sorted(Path(folder).glob(f"*-{ERROR}")):
            error = read_json(file)
            raise getattr(errors, error["type"], RuntimeError)(error["message"])
        if first is not None:
            raise errors.LostProcessError(_lost(first, processes[first].exitcode, n_devices))


def _wait(processes: Sequence[Any]) -> int | None:
    """Until all have ended: the rank of the first one that failed, if one did."""
    rank_of, first = {process.sentinel: rank for rank, process in enumerate(processes)}, None
    while rank_of:
        ended = wait(list(rank_of), None if first is None else GRACE_SECONDS)
        ranks = [rank_of.pop(sentinel) for sentinel in ended]  # pyright: ignore[reportArgumentType]
        for rank in ranks:
            processes[rank].join()
        # one that a signal has ended goes before those that were ended by its loss
        failed = sorted((rank for rank in ranks if processes[rank].exitcode), key=lambda r: processes[r].exitcode > 0)
        first = failed[0] if first is None and failed else first
        if not ended:
            return first
    return first


def _lost(rank: int, code: int | None, n: int) -> str:
    by = f"exit code {code}"
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        by = name + (", as the system does where memory is short" if name == "SIGKILL" else "")
    return f"process {rank + 1} of {n} was ended by {by}; the others were stopped, and what was saved is whole"


@contextmanager
def _signals_passed_on(processes: Sequence[Any]) -> Iterator[None]:
    """The workers save and leave; this process waits for them. After SIGINT too they get SIGTERM: a terminal has sent
    them its SIGINT already, and a second one would stop them at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def pass_on(number: int, frame: Any) -> None:
        for process in processes:
            if process.pid is not None:
                process.terminate()

    previous = {n: signal.signal(n, pass_on) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _worker(rank: int, port: int, size: int, device_type: str, folder: str, inlet: Connection) -> None:
    end_with_parent()
    try:
        work, arguments = inlet.recv()
        with lost_told(), group(TCPStore(HERE, port), rank, size, own_device(device_type, rank)) as team:
            work(team, *arguments)
    except (errors.LostProcessError, KeyboardInterrupt):
        # leave without a word: the parent tells the error
        os._exit(1)
    except Exception as error:
        said = str(error) if isinstance(error, errors.VelboError) else traceback.format_exc()
        write_json(Path(folder) / f"{rank}-{ERROR}", {"type": type(error).__name__, "message": said})
        os._exit(1)
