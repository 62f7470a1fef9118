"""What a server is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ..limits import ROWS, Checked, Limits

MEGABYTE = 2**20


@dataclass(frozen=True)
class Settings(Checked):
    """Limits of a server.

    Attributes:
        max_megabytes: of the body of a request, and of what is unpacked from it.
        max_rows: of a request, sent or asked for.
        max_draws: rows times samples of a request; what bounds its time.
        max_seconds: until a request is answered, waiting included; one that takes longer is given up.
        max_waiting: requests that wait; further ones are told to come back.
        drain_seconds: for requests under way, after SIGTERM.
    """

    max_megabytes: Annotated[float, Limits(0.001, 65_536)] = 64.0
    max_rows: Annotated[int, ROWS] = 100_000
    max_draws: Annotated[int, ROWS] = 10_000_000
    max_seconds: Annotated[float, Limits(0.001, 86_400)] = 60.0
    max_waiting: Annotated[int, Limits(1, 100_000)] = 256
    drain_seconds: Annotated[int, Limits(1, 86_400)] = 60

    @property
    def max_bytes(self) -> int:
        """Of a body."""
        return int(self.max_megabytes * MEGABYTE)
