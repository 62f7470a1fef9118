"""Verbs that several processes carry out together, where torchrun, srun or another has started them.

The first of them talks. Of all errors the first is told, whatever the others see of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import Interrupted, VelboError
from ..training.team import ALONE, Team, joined
from .app import INTERRUPTED, one_line, say, say_at_any_rank


@contextmanager
def together(device: str) -> Iterator[Team]:
    """The processes that have been started together, for the block; see `velbo.training.team.joined`."""
    team: Team = ALONE
    try:
        with joined(device) as team:
            if team.size > 1:
                say(f"together: {team.size} processes")
            yield team
    except VelboError as error:
        is_told = not team.is_first_to("tell")
        if team.rank == 0 and not is_told:
            raise
        if not is_told:
            say_at_any_rank(f"velbo: {one_line(error)}")
        raise SystemExit(INTERRUPTED if isinstance(error, Interrupted) else 2) from error
