"""The queue: what is done together is exact, what does not fit says so itself, and full or late is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from velbo import TrainedModel
from velbo.errors import SchemaError
from velbo.rows import Store
from velbo.serve.settings import Settings
from velbo.serve.wire import Refused
from velbo.serve.worker import Job, Worker, numbers_together


def scores(trained: TrainedModel, x: Any) -> Any:
    return trained.log_likelihood(x, 5, 0, "cpu")


def in_worker(trained: TrainedModel, settings: Settings, use: Callable[[Worker], Awaitable[Any]]) -> Any:
    async def go() -> Any:
        worker = Worker(trained, settings)
        await worker.start()
        found = await use(worker)
        await worker.stop()
        return found

    return asyncio.run(go())


def test_numbers_that_are_made_together_are_those_made_apart(trained, rows):
    """Types, values and storage of every job's rows, whatever the others hold; other types are kept apart."""
    jobs = [Job(rows.slice(i, 1 + i % 4), scores, True) for i in range(12)]
    jobs.append(Job(rows.slice(0, 2).set_column(0, "age", [pa.array([20.0, 30.0])]), scores, True))
    jobs.append(Job(rows.slice(0, 2), scores, False))
    together = numbers_together(trained, jobs)
    for job, found in zip(jobs[:13], together, strict=False):
        apart = trained.store(job.table)
        assert isinstance(found, Store)
        assert found.kept.dtype == apart.kept.dtype
        assert torch.equal(found.kept.nan_to_num(-1), apart.kept.nan_to_num(-1))
        np.testing.assert_array_equal(scores(trained, found), scores(trained, job.table))
    assert together[13] is jobs[13].table


def test_a_job_that_does_not_fit_fails_alone(trained, rows):
    bad = rows.slice(0, 1).set_column(2, "height", [pa.array([1e300])])

    async def use(worker: Worker) -> list[Any]:
        jobs = [Job(rows.slice(0, 2), scores, True), Job(bad, scores, True), Job(rows.slice(2, 2), scores, True)]
        return list(await asyncio.gather(*(worker.do(job) for job in jobs), return_exceptions=True))

    first, wrong, last = in_worker(trained, Settings(), use)
    np.testing.assert_array_equal(first, scores(trained, rows.slice(0, 2)))
    np.testing.assert_array_equal(last, scores(trained, rows.slice(2, 2)))
    assert isinstance(wrong, SchemaError)


def test_a_full_queue_and_a_late_answer_are_told_and_cost_no_work(trained, rows):
    """While one job holds the thread, one waits, the next is refused, and the waiting one runs out of time: it is never
    computed.
    """
    free, computed = threading.Event(), []

    def slow(_: TrainedModel, __: Any) -> int:
        free.wait(60)
        return 1

    def counted(_: TrainedModel, __: Any) -> int:
        computed.append(1)
        return 2

    async def use(worker: Worker) -> list[Any]:
        first = asyncio.create_task(worker.do(Job(None, slow)))
        while not worker.queue.empty() or not worker.queue._unfinished_tasks:
            await asyncio.sleep(0.001)
        second = asyncio.create_task(worker.do(Job(None, counted)))
        await asyncio.sleep(0)
        third = asyncio.create_task(worker.do(Job(None, counted)))
        found = await asyncio.gather(first, second, third, return_exceptions=True)
        free.set()
        return list(found)

    first, second, third = in_worker(trained, Settings(max_waiting=1, max_seconds=0.2), use)
    for late in (first, second):
        assert isinstance(late, Refused)
        assert late.status == 503
        assert "no answer in 0.2 seconds" in str(late)
    assert "1 requests wait already" in str(third)
    assert computed == []
