"""A request from its body to its answer: read, checked, computed by the worker, written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
from fastapi import Request, Response

from ..rows.given import unseen_categories
from ..trained_model import TrainedModel
from .counters import Counters
from .settings import Settings
from .wire import Refused, answer_type, body_of, media_type, table_of
from .worker import Job, Worker

LARGE_BODY, LARGE_ANSWER = 2**16, 1000
"""Bytes and rows from which on a thread reads and writes, so that others are served meanwhile."""
NOTES_HEADER, MOST_NOTES = "X-Velbo-Notes", 4000


class Service:
    """What all endpoints share.

    Args:
        trained: the model; its rows are Arrow tables here, whatever it was trained on.
        settings: limits.
    """

    def __init__(self, trained: TrainedModel, settings: Settings) -> None:
        schema = replace(trained.schema, container="pyarrow")
        self.trained = replace(trained, plan=replace(trained.plan, schema=schema))
        self.settings, self.counters = settings, Counters()
        self.worker = Worker(self.trained, settings)

    async def rows(self, request: Request) -> pa.Table | None:
        """The rows of the body; None if there is no body.

        Raises:
            Refused: if they are none, or too many.
        """
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Refused(415, "a body must not be compressed as a whole; Arrow and Parquet compress inside")
        kind = media_type(request.headers.get("content-type", ""))
        body = await self._body(request)
        if not body:
            return None
        read = asyncio.to_thread if len(body) > LARGE_BODY else _here
        table = await read(table_of, body, kind, self.trained.schema, self.settings)
        request.state.n_rows = len(table)
        return table

    async def _body(self, request: Request) -> bytes:
        most, found = self.settings.max_bytes, bytearray()
        said = request.headers.get("content-length", "0")
        if said.isdigit() and int(said) > most:
            raise Refused(413, f"the body has {int(said):,} bytes, and {most:,} are the most")
        try:
            async with asyncio.timeout(self.settings.max_seconds):
                async for chunk in request.stream():
                    found += chunk
                    if len(found) > most:
                        raise Refused(413, f"the body has over {most:,} bytes, which are the most")
        except TimeoutError:
            raise Refused(408, f"the body was not there after {self.settings.max_seconds:g} seconds") from None
        return bytes(found)

    def refuse_draws(self, n_rows: int, samples: int, cells: int = 1) -> None:
        """
        Raises:
            Refused: if a request would take too much time.
        """
        n, most = n_rows * samples * cells, self.settings.max_draws
        if n > most:
            times = f"{n_rows:,} rows times {samples:,} samples" + (f" times {cells:,} cells" if cells > 1 else "")
            raise Refused(413, f"{times} are {n:,} draws, and {most:,} are the most; ask for fewer at a time")

    async def answered(
        self,
        request: Request,
        table: pa.Table | None,
        compute: Callable[[TrainedModel, Any], pa.Table],
        takes_numbers: bool = False,
        report_unknown: bool = False,
    ) -> Response:
        """The answer to a request, of the type that it accepts.

        Args:
            request: of the client.
            table: its rows.
            compute: (model, rows) -> the rows of the answer.
            takes_numbers: see `Job`.
            report_unknown: say in the answer which categories training did not have, instead of refusing them.

        Raises:
            Refused: for such categories, or as the worker refuses.
            VelboError: as the library raises it.
        """
        notes = self._notes(table, report_unknown)
        sent = media_type(request.headers.get("content-type", ""))
        kind = answer_type(request.headers.get("accept", ""), sent)
        found = await self.worker.do(Job(table, compute, takes_numbers))
        write = asyncio.to_thread if len(found) > LARGE_ANSWER else _here
        body = await write(body_of, found, kind, notes)
        headers = {NOTES_HEADER: json.dumps(notes)[:MOST_NOTES]} if notes else None
        return Response(body, media_type=kind, headers=headers)

    def _notes(self, table: pa.Table | None, report: bool) -> list[str]:
        if table is None:
            return []
        coded = [f for f in self.trained.schema.modelled if f.categories and f.name in table.column_names]
        notes = [f"row {row}, {said}" for row, said in unseen_categories(table, coded, "category")] if coded else []
        if notes and not report:
            raise Refused(422, f"{notes[0]} With unknown=report it counts as missing, and the answer says so")
        return [f"{note} It counts as missing." for note in notes]


async def _here(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)
