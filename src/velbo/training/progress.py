"""How far training is, for people: a bar on a terminal, a plain line now and then elsewhere (nohup, Slurm, CI).

    time left = time so far * (1 - share) / (share - share at the start)

The share is that of the budget, so that a resumed run begins in its middle.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from .state import State

SECONDS_BETWEEN = 30.0


def where(record: dict[str, Any]) -> str:
    """Where training is, in words: the epoch and its bounds, of private training its epsilon, as in a line of
    metrics.jsonl.
    """
    named = {"train bound": "train_bound", "validation": "validation_bound"}
    bounds = [f"{name} {record[key]:.2f}" for name, key in named.items() if key in record]
    epsilon = [f"epsilon {record['epsilon']:.2f}"] if "epsilon" in record else []
    return "  ".join([f"epoch {record['epoch']}", *bounds, *epsilon])


def so_far(state: State, metrics: Sequence[dict[str, Any]]) -> str:
    """The epoch that is going on in words, with the validation bound of the one before."""
    last = metrics[-1] if metrics else {}
    before = {name: last[name] for name in ("validation_bound", "epsilon") if name in last}
    return where({"epoch": state.epoch + 1, **state.sums.means("train"), **before})


def early(stale: int, patience: int | None) -> str:
    """Why training ended before its budget did, to follow a number; nothing if it did not."""
    return f", as held-out rows got no better for {stale} epochs" if patience and stale >= patience else ""


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


class ProgressBar:
    """A bar on stderr: share, time left, epoch and bounds; shown inside a ``with`` block, which training
    opens. It fits into 80 columns.
    """

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.table import Column

        columns = (
            BarColumn(8),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
            TextColumn("left"),
            TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis")),
        )
        self.progress = Progress(*columns, console=Console(file=sys.stderr), refresh_per_second=4)
        self.task = self.progress.add_task("", total=1.0)
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def log_metrics(self, metrics: dict[str, Any], step: int) -> None:
        self.progress.update(self.task, description=where(metrics))

    def log_progress(self, share: float, text: str) -> None:
        self.progress.update(self.task, completed=share, description=text)


class ProgressLines:
    """A plain line after the first epoch, and then at most one in half a minute: at the end of an epoch, or within one
    that takes longer.

    Args:
        say: what a line is given to.
        seconds: between two lines.
        now: the clock.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        seconds: float = SECONDS_BETWEEN,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.say, self.seconds, self.now = say, seconds, now
        self.start: tuple[float, float] | None = None
        self.last, self.epoch_began, self.is_first_epoch, self.share = 0.0, 0.0, True, 0.0
        self.said = ""

    def log_progress(self, share: float, text: str) -> None:
        if self.start is None:
            self.start, self.last, self.epoch_began = (self.now(), share), self.now(), self.now()
        self.share = share
        # of short epochs the end has more to say
        if self.now() - max(self.last, self.epoch_began) >= self.seconds:
            self._line(text)

    def log_metrics(self, metrics: dict[str, Any], step: int) -> None:
        text = where(metrics)
        if text != self.said and (self.is_first_epoch or self.now() - self.last >= self.seconds):
            self._line(text)
        self.is_first_epoch, self.epoch_began = False, self.now()

    def _line(self, text: str) -> None:
        self.last, self.said = self.now(), text
        unit = " nats" if "bound" in text or "validation" in text else ""
        self.say(f"{text}{unit}  ({min(self.share, 1.0):.0%}{self._left()})")

    def _left(self) -> str:
        if self.start is None or self.share <= self.start[1]:
            return ""
        spent = self.now() - self.start[0]
        return f", {clock(spent * max(0.0, 1 - self.share) / (self.share - self.start[1]))} left"
