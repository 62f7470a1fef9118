"""Verbs that several processes carry out together, where torchrun, srun or another has started them.

The first of them talks. Of all errors the first is told, whatever the others see of it.

Rows that are mapped one by one are read by the first, which deals every batch out, in equal parts, and puts what comes
back together, in order: noise belongs to the row, so the result is that of one process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa

from ..errors import Interrupted, VelboError
from ..rows.row_numbers import rows_from
from ..training.team import ALONE, Team, joined
from .app import INTERRUPTED, one_line, say, say_at_any_rank

START = 8
"""Bytes of the number of a row."""


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


Map = Callable[[pa.Table], pa.Table]


@contextmanager
def shared(team: Team, f: Map) -> Iterator[Map | None]:
    """A map of rows that all processes of a team compute, for the first of them; None for the others, which have worked
    for it until it left the block.
    """
    if team.size == 1:
        yield f
    elif team.rank == 0:
        n = 0

        def by_all(rows: pa.Table) -> pa.Table:
            nonlocal n
            found = _dealt(team, f, rows, n)
            n += len(rows)
            return found

        yield by_all
        team.deal([b""] * team.size)
    else:
        while mine := team.deal([]):
            with rows_from(int.from_bytes(mine[:START])):
                found = f(_unpacked(mine[START:]))
            team.collect(_packed(found))
        yield None


def _dealt(team: Team, f: Map, rows: pa.Table, start: int) -> pa.Table:
    """Rows of which the first has number ``start``."""
    each = -(-len(rows) // team.size)
    if len(rows) <= each * (team.size - 1):  # too few for all to have one
        return f(rows)
    parts = [(start + each * rank, rows.slice(each * rank, each)) for rank in range(team.size)]
    mine = team.deal([first.to_bytes(START) + _packed(part) for first, part in parts])
    found = [_unpacked(part) for part in team.collect(_packed(f(_unpacked(mine[START:]))))]
    # of whole numbers that are filled in, one part may hold fractions and another none
    return pa.concat_tables(found, promote_options="permissive").combine_chunks()


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _unpacked(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()
