"""Who carries out the blocks of a work: this process, or actors of Ray.

An executor calls a task for every block, in any order, and each block counts once: a worker that is lost with a block
gives it back. What velbo raises on a block, and what a user's own parts raise, is no such loss: it ends the work.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import LostProcessError, VelboWarning
from .blocks import Block
from .connection import as_told, connected, has_gpus, raise_told

NONE = "none"
LOSSES = 3
"""Workers that one block may cost."""

Task = Callable[[Block], int]
"""What is done with a block: the number of rows that come of it. It can be pickled."""


class Executor(Protocol):
    """Calls a task for blocks."""

    def run(self, task: Task, blocks: Iterable[Block]) -> Iterator[int]:
        """What the task gives for each block, in any order.

        Raises:
            LostProcessError: if workers were lost again and again.
            VelboError: what a task raised.
        """
        ...


class ThisProcess:
    """No worker but this process."""

    def run(self, task: Task, blocks: Iterable[Block]) -> Iterator[int]:
        """In the order of the blocks."""
        return map(task, blocks)


@dataclass(frozen=True)
class Outcome:
    """What came of a block.

    Attributes:
        n_rows: of the result.
        error: as it is told, if there was one.
        warned: what velbo warned of.
    """

    n_rows: int
    error: tuple[str, str] | None
    warned: list[str]

    def told(self) -> int:
        """The rows, once warnings and errors are told here.

        Raises:
            VelboError: as the worker did.
        """
        for message in self.warned:
            warnings.warn(message, VelboWarning, stacklevel=2)
        if self.error is not None:
            raise_told(*self.error)
        return self.n_rows


class Worker:
    """An actor, which holds the task, and with it the model."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def ready(self) -> None:
        """Answered once the actor runs: until then it is given no block."""

    def do(self, block: Block) -> Outcome:
        """The task, done."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", VelboWarning)
            try:
                n_rows, error = self.task(block), None
            except Exception as raised:
                n_rows, error = 0, as_told(raised)
        return Outcome(n_rows, error, [str(w.message) for w in caught if issubclass(w.category, VelboWarning)])


class RayActors:
    """Actors of Ray, a processor each.

    Args:
        ray: the module, connected.
        n: actors.
        on_gpus: whether each has a GPU.
    """

    def __init__(self, ray: Any, n: int, on_gpus: bool = False) -> None:
        self.ray, self.n = ray, n
        self._worker: Any = ray.remote(num_cpus=1, num_gpus=int(on_gpus))(Worker)
        self._busy = dict[Any, tuple[Any, Block | None]]()
        self._losses = Counter[int]()

    def run(self, task: Task, blocks: Iterable[Block]) -> Iterator[int]:
        """A block at a time for each actor, so no more than ``n`` are in memory where rows are sent."""
        waiting, returned = iter(blocks), list[Block]()
        for _ in range(self.n):
            self._start(task)
        while self._busy:
            [done], _ = self.ray.wait(list(self._busy), num_returns=1)
            actor, block = self._busy.pop(done)
            try:
                found: Outcome | None = self.ray.get(done)
            except self.ray.exceptions.RayError as error:
                self._count_loss(block, error)
                returned += [block] if block else []
                self._start(task)
                continue
            if found is not None:
                yield found.told()
            following = returned.pop() if returned else next(waiting, None)
            if following is not None:
                self._busy[actor.do.remote(following)] = actor, following
            elif not any(held for _, held in self._busy.values()):
                return  # those that have not begun, for want of a processor perhaps, are not needed

    def _start(self, task: Task) -> None:
        actor = self._worker.remote(task)
        self._busy[actor.ready.remote()] = actor, None

    def _count_loss(self, block: Block | None, error: Exception) -> None:
        number = block.number if block else -1
        self._losses[number] += 1
        if self._losses[number] >= LOSSES:
            when = f"each with the rows from {block.start} on" if block else "before they had begun"
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise LostProcessError(f"{LOSSES} workers were lost, {when} ({said}). The same command continues")


@contextmanager
def executor(cluster: str, workers: int, device: str = "cpu") -> Iterator[Executor]:
    """Who carries out blocks, for the block of the statement.

    Args:
        cluster: "none" for this process; else see `connected`.
        workers: actors of Ray.
        device: cpu, or what is wanted where there is one.

    Raises:
        MissingExtraError, ConfigError: see `connected`.
    """
    if cluster == NONE:
        yield ThisProcess()
        return
    with connected(cluster, workers) as ray:
        yield RayActors(ray, workers, has_gpus(ray, device, workers))
