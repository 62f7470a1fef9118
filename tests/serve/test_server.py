"""A server in a process of its own: clients at once, SIGTERM in the midst of requests, an address that is taken."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from contracts.commands import call
from velbo import TrainedModel

pytest.importorskip("uvicorn")


def started(run: Path, *options: str) -> tuple[subprocess.Popen[str], str]:
    """(the process, its address)."""
    command = [sys.executable, "-m", "velbo", "serve", str(run), "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r"at (http://127\.0\.0\.1:\d+)", line)
    assert found, line + process.stderr.read()
    return process, found[1]


def ended(process: subprocess.Popen[str]) -> int:
    """Its exit code."""
    code = process.wait(60)
    assert process.stderr is not None
    process.stderr.close()
    return code


def asked(address: str, rows: list[dict]) -> list[dict]:
    body = json.dumps({"rows": rows}).encode()
    request = urllib.request.Request(address, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as response:
        return json.load(response)["rows"]


@pytest.fixture(scope="module")
def run(trained: TrainedModel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "run"
    trained.save(folder)
    return folder


@pytest.fixture(scope="module")
def server(run: Path) -> Iterator[str]:
    process, address = started(run)
    yield address
    process.send_signal(signal.SIGTERM)
    assert ended(process) == 0


def as_rows(table: pa.Table) -> list[dict]:
    return json.loads(json.dumps(table.to_pylist(), default=lambda v: v.isoformat()))


def test_clients_at_once_get_what_the_library_gives_bit_for_bit(server, trained, rows):
    """Eight clients, each with rows of its own, for scores, embeddings and fillings in turn: the answers do not
    depend on who else asks.
    """
    parts = [rows.slice(i, 1 + i % 3) for i in range(24)]

    def ask(i: int) -> bool:
        part, sent = parts[i], as_rows(parts[i])
        scores = [r["log_likelihood"] for r in asked(f"{server}/score?samples=8", sent)]
        z = [list(r.values()) for r in asked(f"{server}/encode", sent)]
        heights = [r["height"] for r in asked(f"{server}/impute?samples=9", sent)]
        return (
            np.array_equal(scores, trained.log_likelihood(part, 8, 0, "cpu"))
            and np.array_equal(np.array(z, np.float32), trained.encode(part))
            and heights == trained.impute(part, 9)["height"].to_pylist()
        )

    with ThreadPoolExecutor(8) as clients:
        assert all(clients.map(ask, range(24)))


def test_sigterm_lets_requests_under_way_end(run, trained, rows):
    """Four requests that take a while are sent, and SIGTERM with them in the queue: all four are answered as by the
    library, a later one finds nobody, and the exit code is 0.
    """
    process, address = started(run)
    some, sent = rows.slice(0, 20), as_rows(rows.slice(0, 20))
    expected, answers = trained.log_likelihood(some, 3000, 0, "cpu"), list[list[float]]()

    def ask() -> None:
        answers.append([r["log_likelihood"] for r in asked(f"{address}/score?samples=3000", sent)])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(200):  # until the last of them is there
        with urllib.request.urlopen(f"{address}/health", timeout=60) as response:
            waiting = json.load(response)["waiting"]
        with urllib.request.urlopen(f"{address}/metrics", timeout=60) as response:
            done = 'endpoint="/score",status="200"} 4' in response.read().decode()
        if waiting >= 2 or done:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(120)
    assert len(answers) == 4
    assert all(np.array_equal(each, expected) for each in answers)
    assert ended(process) == 0
    with pytest.raises(urllib.error.URLError):
        asked(f"{address}/score", sent)


def test_an_address_that_is_taken_is_one_line(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = call("serve", run, "--port", taken.getsockname()[1])
    assert (code, err.count("\n")) == (2, 1)
    assert "give another --host or --port" in err
    code, _, err = call("serve", run, "--max-rows", "0")
    assert (code, err.count("\n")) == (2, 1)
