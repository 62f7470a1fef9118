"""A server under load: clients that ask one after another for as long as told, every answer held against the library's.

    python benchmarks/serving.py [--clients 32 --seconds 60 --rows 1 --samples 16 --output FILE]

A model of a table of 6 numbers and 8 names (16 latents, two layers of 200) is fitted for an epoch and served by a
process of its own; the clients are threads of this one, each with a connection that stays open. One request in two is
for embeddings, one for scores. Told are requests a second, p50 and p99 of the time to an answer, the server's resident
memory after the first second and at the end, and how many answers were not equal to the library's bit for bit, which
must be none. The load average of the machine stands beside them: clients and server share its cores.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from velbo import TrainedModel, fit
from velbo.config import Budget, Recipe, TrainingConfig

N = 2000


def table() -> pa.Table:
    rng = np.random.default_rng(0)
    numbers = {f"n{i}": rng.normal(size=N) for i in range(6)}
    return pa.table(numbers | {f"c{i}": rng.choice(list("abcdefgh"), N) for i in range(8)})


class Client(threading.Thread):
    """Asks until it is told to stop.

    Args:
        address: host and port.
        asked: (path, body, the answer's numbers, in order) of what is asked in turn.
        start: place in it to begin with.
        until: time to stop.
    """

    def __init__(self, address: str, asked: list[tuple[str, bytes, list[float]]], start: int, until: float) -> None:
        super().__init__()
        self.address, self.asked, self.at, self.until = address, asked, start, until
        self.seconds, self.wrong, self.refused = list[float](), 0, 0

    def run(self) -> None:
        connection = http.client.HTTPConnection(self.address, timeout=120)
        while time.monotonic() < self.until:
            path, body, expected = self.asked[self.at % len(self.asked)]
            self.at += 1
            start = time.perf_counter()
            connection.request("POST", path, body, {"content-type": "application/json"})
            response = connection.getresponse()
            found = json.loads(response.read())
            self.seconds.append(time.perf_counter() - start)
            if response.status != 200:
                self.refused += 1
            elif [v for row in found["rows"] for v in row.values()] != expected:
                self.wrong += 1
        connection.close()


def questions(trained: TrainedModel, rows: pa.Table, per_request: int, samples: int) -> list[Any]:
    """What is asked, with the library's answers."""
    found = []
    for i in range(64):
        part = rows.slice(i * per_request, per_request)
        body = json.dumps({"rows": part.to_pylist()}).encode()
        found.append(("/encode", body, trained.encode(part).astype(np.float64).ravel().tolist()))
        found.append((f"/score?samples={samples}", body, trained.log_likelihood(part, samples, 0, "cpu").tolist()))
    return found


def memory(address: str) -> int:
    """Of the server, bytes."""
    connection = http.client.HTTPConnection(address, timeout=120)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return int(text.rpartition("process_resident_memory_bytes ")[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rows", type=int, default=1, help="rows a request")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    rows = table()
    trained = fit(rows, Recipe("mlp", latent=16, hidden=(200, 200)), training=TrainingConfig(Budget(epochs=1)))
    with tempfile.TemporaryDirectory() as folder:
        trained.save(Path(folder) / "run")
        command = [sys.executable, "-m", "velbo", "serve", str(Path(folder) / "run"), "--port", "0"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        address = process.stderr.readline().partition("http://")[2].partition(",")[0]
        asked = questions(trained, rows, options.rows, options.samples)
        load = os.getloadavg()[0]
        until = time.monotonic() + options.seconds
        clients = [Client(address, asked, 7 * i, until) for i in range(options.clients)]
        for client in clients:
            client.start()
        time.sleep(min(1.0, options.seconds / 2))
        first = memory(address)
        for client in clients:
            client.join()
        last = memory(address)
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    seconds = np.concatenate([client.seconds for client in clients])
    result = {
        "clients": options.clients,
        "seconds": options.seconds,
        "rows a request": options.rows,
        "requests": len(seconds),
        "requests a second": round(len(seconds) / options.seconds, 1),
        "p50 ms": round(1e3 * float(np.quantile(seconds, 0.5)), 1),
        "p99 ms": round(1e3 * float(np.quantile(seconds, 0.99)), 1),
        "not equal to the library": sum(client.wrong for client in clients),
        "refused": sum(client.refused for client in clients),
        "memory after 1 s, MB": round(first / 2**20, 1),
        "memory at the end, MB": round(last / 2**20, 1),
        "exit code": code,
        "load average before and after": [round(load, 1), round(os.getloadavg()[0], 1)],
    }
    print("\n".join(f"{name:32} {value}" for name, value in result.items()))
    if options.output:
        options.output.write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(bool(result["not equal to the library"]))


if __name__ == "__main__":
    main()
