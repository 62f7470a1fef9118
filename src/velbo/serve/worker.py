"""The one thread that computes, and the requests that wait for it.

    waiting requests -> all that are there at once, a batch -> one after another, each by the library's own call

One thread, as torch uses the other cores itself, and two that compute at once take twice as long each. Requests of a
batch that want the same of rows of the same types have their cells turned into numbers together, and are computed
apart: an answer depends neither on the others nor on how many they are.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ..errors import VelboError
from ..rows import Store
from ..trained_model import TrainedModel
from .settings import Settings
from .wire import Refused

MOST_TOGETHER = 64


@dataclass(frozen=True)
class Job:
    """What is wanted.

    Attributes:
        table: rows, if there are any.
        compute: (trained model, rows) -> the answer.
        takes_numbers: whether rows may be handed over as a `Store` of their numbers, as nothing else of them is needed.
    """

    table: pa.Table | None
    compute: Callable[[TrainedModel, Any], Any]
    takes_numbers: bool = False


@dataclass(frozen=True)
class Waiting:
    """A job, when it is too late for it, and where its answer goes."""

    job: Job
    until: float
    answer: asyncio.Future[Any]


class Worker:
    """Computes jobs in their order.

    Args:
        trained: the model.
        settings: of the server.
    """

    def __init__(self, trained: TrainedModel, settings: Settings) -> None:
        self.trained, self.settings = trained, settings
        self.queue: asyncio.Queue[Waiting] = asyncio.Queue(settings.max_waiting)
        self.thread = ThreadPoolExecutor(1, "velbo")
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """When all that waits is done."""
        await self.queue.join()
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task
        self.thread.shutdown()

    async def do(self, job: Job) -> Any:
        """The answer.

        Raises:
            Refused: if too many wait, or it takes too long.
            VelboError: as the library raises it.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            self.queue.put_nowait(Waiting(job, time.monotonic() + self.settings.max_seconds, answer))
        except asyncio.QueueFull:
            raise Refused(503, f"{self.queue.qsize()} requests wait already; come back in a second") from None
        try:
            return await asyncio.wait_for(answer, self.settings.max_seconds)
        except TimeoutError:
            raise Refused(
                503, f"there was no answer in {self.settings.max_seconds:g} seconds; ask for fewer rows or samples"
            ) from None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self.queue.get()]
            while len(batch) < MOST_TOGETHER and not self.queue.empty():
                batch.append(self.queue.get_nowait())
            try:
                await loop.run_in_executor(self.thread, self._compute, batch, loop)
            finally:
                for _ in batch:
                    self.queue.task_done()

    # in the thread

    def _compute(self, batch: Sequence[Waiting], loop: asyncio.AbstractEventLoop) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is to be said of rows is in the answer
            rows = numbers_together(self.trained, [w.job for w in batch])
            for waiting, each in zip(batch, rows, strict=True):
                if waiting.answer.done() or time.monotonic() > waiting.until:
                    continue  # nobody waits for it any more
                try:
                    answer, error = waiting.job.compute(self.trained, each), None
                except Exception as raised:
                    answer, error = None, raised
                loop.call_soon_threadsafe(_tell, waiting.answer, answer, error)


def _tell(future: asyncio.Future[Any], answer: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(answer)


def numbers_together(trained: TrainedModel, jobs: Sequence[Job]) -> list[Any]:
    """What each job is handed over: its numbers where it takes them and others have rows of the same types, else its
    rows. A job whose rows do not fit gets them as they are, and says so itself.
    """
    found: list[Any] = [job.table for job in jobs]
    alike: dict[Any, list[int]] = {}
    for i, job in enumerate(jobs):
        if job.takes_numbers and job.table is not None:
            alike.setdefault(job.table.schema.to_string(), []).append(i)
    for places in alike.values():
        tables = [jobs[i].table for i in places]
        try:
            v = trained.schema.numbers(pa.concat_tables([t for t in tables if t is not None]))
        except (VelboError, pa.ArrowException):
            continue
        start = 0
        for i in places:
            end = start + len(found[i])
            # of its own numbers alone: how they are stored is then what the library would choose
            found[i] = Store.from_rows(v[start:end], trained.plan.encoding, trained.dtype)
            start = end
    return found
