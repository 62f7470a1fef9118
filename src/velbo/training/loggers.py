"""Where metrics go besides the run folder: anything with these two methods.

`TensorBoard` needs the extra `tensorboard`; `ProgressBar` shows on terminals only.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Protocol, Self

from ..errors import need


class Logger(Protocol):
    """``log_metrics`` is called after every evaluation, ``log_progress`` after every few steps."""

    def log_metrics(self, metrics: dict[str, Any], step: int) -> None: ...

    def log_progress(self, share: float, text: str) -> None: ...


class TensorBoard:
    """Writes event files that TensorBoard shows, from the first metrics on.

    Raises:
        MissingExtraError: if tensorboard is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        need("tensorboard", "tensorboard")
        self.folder, self.writer = str(folder), None

    def log_metrics(self, metrics: dict[str, Any], step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = self.writer or SummaryWriter(self.folder)
        for name, value in metrics.items():
            if isinstance(value, int | float) and name != "step":
                self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def log_progress(self, share: float, text: str) -> None:
        pass


class ProgressBar:
    """A bar on stderr with the bound and its two terms; shown inside a ``with`` block."""

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (
            BarColumn(24),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        self.progress = Progress(*columns, console=Console(file=sys.stderr), refresh_per_second=4)
        self.task = self.progress.add_task("", total=1.0)
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def log_metrics(self, metrics: dict[str, Any], step: int) -> None:
        pass

    def log_progress(self, share: float, text: str) -> None:
        self.progress.update(self.task, completed=share, description=text)
