"""Data and run folder on an S3 server of this machine, which is killed, started again, and frozen, in the middle.

    python benchmarks/object_store.py [--rows 300 --epochs 40 --only one two away frozen]
    python benchmarks/object_store.py --server "moto_server -p {port}" --only one two frozen

Needs s3fs, and localbucket, whose server keeps its files in a folder: pip install 'velbo[remote]' localbucket. A server
that keeps them in memory can only be frozen.

one      one process; the server is killed when there is a checkpoint, and is away for 3 seconds
two      the same with two processes of torchrun
away     the server stays away until the run has ended; then it is started, and the run resumed
frozen   the server is stopped for 20 seconds (SIGSTOP), and goes on

Each must end with the weights and metrics, bit for bit, of a run with all files on a disk, or, if it ends early, with
one line of velbo's. While it runs a reader looks at the marker again and again: every object that it names must be
there, and hold the bytes that its name says. Nothing but objects and the marker may be under the URL.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

CHECKPOINT_SECONDS = 0.3
START = f"""
import velbo.training.loop
from velbo.cli import entry
velbo.training.loop.CHECKPOINT_SECONDS = {CHECKPOINT_SECONDS}
entry()
"""
SERVER = "{python} -m localbucket {folder} --port {port}"
RUNS, AWAY_SECONDS, FROZEN_SECONDS = "s3://box/runs/", 3.0, 20.0


class Server:
    """An S3 server on the loopback address, whose port stays the same."""

    def __init__(self, command: str, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        folder.mkdir()
        self.command = shlex.split(command.format(python=sys.executable, folder=folder, port=self.port))
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise SystemExit(f"{self.command[0]} does not listen")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def freeze(self, seconds: float) -> None:
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)


class Reader(threading.Thread):
    """Looks at a run's folder until it is told to end; what it finds half there is in ``wrong``."""

    def __init__(self, store: Any, root: str) -> None:
        super().__init__(daemon=True)
        self.store, self.root = store, root
        self.wrong, self.n_looks, self.ended = list[str](), 0, threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.05):
            try:
                self.look()
            except Exception:  # the server is away
                continue

    def marker(self) -> bytes:
        return self.store.cat_file(f"{self.root}/folder.json")

    def look(self) -> None:
        marker = self.marker()
        for name, key in json.loads(marker)["files"].items():
            try:
                data = self.store.cat_file(f"{self.root}/objects/{key}")
            except FileNotFoundError:
                # two markers later an object goes: it must be there as long as its marker is
                if self.marker() == marker:
                    self.wrong.append(f"{name} is named and not there")
                return
            if hashlib.blake2b(data, digest_size=16).hexdigest() != key:
                self.wrong.append(f"{name} is damaged")
        self.n_looks += 1


class Campaign:
    """Fits of one table, on a disk and on the server.

    Args:
        server: that holds the table.
        store: fsspec's view of it.
        folder: of files on this machine.
        words: of `velbo fit`, without data and run.
    """

    def __init__(self, server: Server, store: Any, folder: Path, words: list[str]) -> None:
        self.server, self.store, self.folder, self.words = server, store, folder, words
        (folder / "start.py").write_text(START)
        self.expected = dict[int, dict[str, bytes]]()

    def command(self, processes: int, *words: str) -> list[str]:
        torchrun = f"-m torch.distributed.run --nproc-per-node {processes} --".split() if processes > 1 else []
        return [sys.executable, *torchrun, str(self.folder / "start.py"), *words]

    def on_a_disk(self, processes: int) -> dict[str, bytes]:
        """What a run leaves, of so many processes."""
        if processes not in self.expected:
            run = self.folder / f"disk {processes}"
            words = ["fit", str(self.folder / "t.parquet"), "--run", str(run), *self.words]
            subprocess.run(self.command(processes, *words), check=True, capture_output=True)
            self.expected[processes] = {name: (run / name).read_bytes() for name in COMPARED}
        return self.expected[processes]

    def on_the_server(self, name: str, processes: int, disturb: Callable[[], None], comes_back: bool) -> bool:
        """Whether all was as it must be."""
        expected, root = self.on_a_disk(processes), f"{RUNS}{name}".removeprefix("s3://")
        reader, said = Reader(self.store, root), self.folder / "said"
        reader.start()
        start = time.monotonic()
        words = ["fit", "s3://box/t.parquet", "--run", RUNS + name, *self.words]
        with said.open("wb") as file:
            process = subprocess.Popen(self.command(processes, *words), stderr=file, stdout=file)
            while process.poll() is None and not self._has_checkpoint(reader):
                time.sleep(0.05)
            met = process.poll() is None
            disturb()
            code = process.wait(1200)
        ended = time.monotonic() - start
        lines = [line for line in said.read_text(errors="replace").splitlines() if line.startswith("velbo: ")]
        warned = [line for line in lines if line.startswith("velbo: warning: ")]
        told = len(lines) - len(warned)
        if not comes_back:
            self.server.start()
        if code:
            words = ["resume", RUNS + name]
            subprocess.run(self.command(processes, *words), check=True, capture_output=True)
        reader.ended.set()
        reader.join()
        marker = json.loads(reader.marker())["files"]
        found = {file: self.store.cat_file(f"{root}/objects/{marker[file]}") for file in COMPARED}
        others = [n for n in self.store.find(root) if "/objects/" not in n and not n.endswith("/folder.json")]
        passed = met and found == expected and not reader.wrong and not others and told == bool(code)
        print(
            f"{name}: exit code {code} after {ended:.0f} s, {told} lines and {len(warned)} warnings"
            f"{', then resumed' if code else ''}; {'the bits of a disk' if found == expected else 'OTHER BITS'}; "
            f"{reader.n_looks} looks, {len(reader.wrong)} of them at half a folder{'' if passed else ': FAILED'}",
            flush=True,
        )
        for line in (*lines[:3], *reader.wrong[:3], *others[:3]):
            print(f"    {line}")
        return passed

    def _has_checkpoint(self, reader: Reader) -> bool:
        try:
            return b"checkpoint/" in reader.marker()
        except Exception:  # there is no marker yet
            return False


COMPARED = "model.safetensors", "metrics.jsonl", "typical.json"


def cases(campaign: Campaign) -> Mapping[str, Callable[[], bool]]:
    server = campaign.server

    def killed() -> None:
        server.kill()
        time.sleep(AWAY_SECONDS)
        server.start()

    def frozen() -> None:
        server.freeze(FROZEN_SECONDS)

    return {
        "one": lambda: campaign.on_the_server("one", 1, killed, True),
        "two": lambda: campaign.on_the_server("two", 2, killed, True),
        "away": lambda: campaign.on_the_server("away", 1, server.kill, False),
        "frozen": lambda: campaign.on_the_server("frozen", 1, frozen, True),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--server", default=SERVER, help="a command, with {port} and {folder}")
    parser.add_argument("--only", nargs="*", default=["one", "two", "away", "frozen"])
    options = parser.parse_args()
    import fsspec
    import numpy as np

    from velbo.formats import write_table
    from velbo.rows.results import as_table

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(options.server, folder / "served")
        os.environ |= {
            "AWS_ENDPOINT_URL": server.url, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip
        try:
            rng = np.random.default_rng(0)
            x = rng.standard_normal((options.rows, 3)) @ rng.standard_normal((3, 5))
            write_table(as_table(x + 0.1 * rng.standard_normal(x.shape), "x"), folder / "t.parquet")
            store = fsspec.filesystem("s3", use_listings_cache=False)
            store.mkdir("box")
            store.put_file(str(folder / "t.parquet"), "box/t.parquet")
            words = f"--recipe mlp --hidden 8 --latent 2 --epochs {options.epochs} --batch-size 32 --no-report".split()
            by_name = cases(Campaign(server, store, folder, words))
            passed = [by_name[name]() for name in options.only]
        finally:
            server.kill()
    sys.exit(not all(passed))


if __name__ == "__main__":
    main()
