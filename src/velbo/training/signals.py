"""SIGINT and SIGTERM ask training to stop: the step in hand is finished, everything is saved, and a word says how to go
on. A second SIGINT stops at once, in Python's own way.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class StopRequest:
    """Truthy once a signal has come; ``name`` says which."""

    def __init__(self) -> None:
        self.name = ""

    def __bool__(self) -> bool:
        return bool(self.name)


@contextmanager
def listening() -> Iterator[StopRequest]:
    """Catch the signals inside the block; handlers are put back after it. In other threads nothing is caught."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def on_signal(number: int, frame: Any) -> None:
        request.name = signal.Signals(number).name
        signal.signal(number, previous[number])

    previous: dict[int, Any] = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        signal.signal(number, on_signal)
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
