"""Rows and a run on an S3 server of this machine, killed in the middle: the bits are those of a run on a disk."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import velbo.training.loop as loop
import velbo.training.mirror as mirror
from velbo import Budget, Recipe, TrainingConfig, carry_out, plan
from velbo.errors import RunError, VelboWarning
from velbo.formats import open_source, write_table
from velbo.rows.results import as_table
from velbo.training import Run

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("s3fs")
pytest.importorskip("localbucket")

X = np.random.default_rng(0).normal(size=(200, 3)) @ np.random.default_rng(1).normal(size=(3, 5))
PLAN = plan(as_table(X, "x"), Recipe("mlp", 2, (8,)), training=TrainingConfig(Budget(epochs=4)))
LEFT = "config.json", "model.safetensors", "metrics.jsonl", "typical.json"


class Server:
    """Keeps its objects in a folder, and its port when it is started again."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.command = [sys.executable, "-m", "localbucket", str(folder), "--port", str(self.port)]

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the server does not listen")

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path, monkeypatch):
    (tmp_path / "served").mkdir()
    server = Server(tmp_path / "served")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
    for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    server.start()
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    # a new one: fsspec keeps what it has made, with the server of the test before. By default it asks 25 times
    s3 = fsspec.filesystem("s3", skip_instance_cache=True, config_kwargs={"retries": {"max_attempts": 1}})
    s3.retries = 1
    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda url, **_: (s3, url.removeprefix("s3://")))
    s3.mkdir("box")
    write_table(as_table(X, "x"), "s3://box/t.parquet")
    yield server
    server.kill()
    mirror._mirror_of.cache_clear()


class At:
    """A logger that does something after an epoch."""

    def __init__(self, epoch, do):
        self.epoch, self.do = epoch, do

    def log_metrics(self, metrics, step):
        if metrics["epoch"] == self.epoch:
            self.do()

    def log_progress(self, share, text):
        pass


def rows():
    """As they are on the server."""
    return open_source("s3://box/t.parquet").read()


def trained(url, logger):
    mirror._mirror_of.cache_clear()
    run = Run(url)
    if not run.config_file.exists():
        run.create(PLAN.to_json())
    carry_out(PLAN, rows(), run, [logger], report=False)


def left_at(url):
    mirror._mirror_of.cache_clear()
    return {name: Run(url).file(name).read_bytes() for name in LEFT}


def nothing():
    pass


@pytest.mark.filterwarnings("ignore:.*training goes on")
def test_a_server_that_is_away_for_a_while_costs_nothing_but_time(server, tmp_path, monkeypatch):
    monkeypatch.setattr(mirror, "WAITS", (0.2,) * 100)
    assert np.array_equal(np.column_stack(rows().columns), X)
    trained(tmp_path / "disk", At(0, nothing))

    def restart():
        server.kill()
        threading.Timer(0.5, server.start).start()

    trained("s3://box/run", At(2, restart))
    assert left_at("s3://box/run") == left_at(tmp_path / "disk")


def test_a_server_that_stays_away_ends_a_run_with_one_line_and_resume_ends_as_if_nothing_had_been(
    server, tmp_path, monkeypatch
):
    """Checkpoints that it does not take are warnings."""
    monkeypatch.setattr(mirror, "WAITS", ())
    trained(tmp_path / "disk", At(0, nothing))
    with (
        pytest.warns(VelboWarning, match="training goes on, and the next checkpoint is tried"),
        pytest.raises(RunError, match=r"^s3://box/run: the store does not answer as it should: [^\n]+$"),
    ):
        trained("s3://box/run", At(2, server.kill))
    server.start()
    mirror._mirror_of.cache_clear()
    state = Run("s3://box/run").state()
    assert state is not None
    assert 0 < state.epoch < 4
    trained("s3://box/run", At(0, nothing))
    assert left_at("s3://box/run") == left_at(tmp_path / "disk")
