"""Several processes do the work of one: the same gradient, the same bound, a run that either can take up."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from contracts.own_parts import PATH, SOURCE
from contracts.together import MODELS, all_of_these, gradients, nothing, streamed, trained
from velbo import Plan, Recipe, TrainingConfig, carry_out, plan
from velbo.config import Budget, Machine, Optimisation
from velbo.errors import ConfigError, Interrupted, LostProcessError, TrainingError
from velbo.files import read_json, read_tensors
from velbo.training import Alone, Run
from velbo.training.launch import launch
from velbo.training.team import require_own, share

DIGITS = load_digits().images.astype(np.uint8)[:600]


@pytest.fixture(scope="module")
def by_two_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    (folder / "left alone").mkdir()
    launch(2, "cpu", all_of_these, folder)
    return folder


@pytest.mark.parametrize("kind", list(MODELS))
@pytest.mark.parametrize(("n_rows", "of_the_first"), [(7, 4), (1, 1)])
def test_gradients_equal_those_of_one_process_on_the_joined_batch(
    tmp_path, by_two_processes, kind, n_rows, of_the_first
):
    gradients(Alone(), tmp_path / "one", kind, n_rows)
    one, two = read_tensors(tmp_path / "one"), read_tensors(by_two_processes / f"{kind} {n_rows}")
    assert one.pop("rows seen") == n_rows
    assert two.pop("rows seen") == of_the_first
    assert one.keys() == two.keys()
    assert max(float(g.abs().max()) for g in one.values()) > 0.01
    for name, gradient in one.items():
        torch.testing.assert_close(two[name], gradient, rtol=1e-12, atol=1e-14)


def test_a_stream_is_read_once_by_both_and_its_bound_is_that_of_one_process(tmp_path, by_two_processes):
    """Bounds by 1e-12 in float64, rows read at the start among them."""
    streamed(Alone(), tmp_path)
    one = read_json(tmp_path / "streamed 0.json")
    both = [read_json(by_two_processes / f"streamed {rank}.json") for rank in range(2)]
    reads = [[group for _, group in each["read"]] for each in (one, *both)]
    assert sorted(reads[0]) == sorted(reads[1] + reads[2])
    assert abs(len(reads[1]) - len(reads[2])) <= 2
    for each in both:
        for mine, expected in zip(each["metrics"], one["metrics"], strict=True):
            assert mine == pytest.approx(expected, rel=1e-12)


def test_one_that_is_killed_ends_all_and_either_number_goes_on(tmp_path, by_two_processes):
    """Two go on bit by bit as if nothing had been, one as far as sums have an order: by 1e-12 in float64. The bound of
    two is that of one process by 1e-12 too.
    """
    for folder in ("killed", "one"):
        (tmp_path / folder).mkdir()
    with pytest.raises(LostProcessError, match=r"^process 2 of 2 was ended by SIGKILL.* what was saved is whole"):
        launch(2, "cpu", trained, tmp_path / "killed", 6)
    assert len(Run(tmp_path / "killed").metrics()) == 1
    assert not list((tmp_path / "killed").rglob("*.tmp.*"))
    shutil.copytree(tmp_path / "killed", tmp_path / "by one")
    launch(2, "cpu", trained, tmp_path / "killed")
    trained(Alone(), tmp_path / "by one")
    trained(Alone(), tmp_path / "one")
    whole = Run(by_two_processes / "left alone")
    for other, exact in (("killed", True), ("by one", False), ("one", False)):
        run, error = Run(tmp_path / other), 0.0 if exact else 1e-12
        assert len(run.metrics()) == 3
        for mine, expected in zip(run.metrics(), whole.metrics(), strict=True):
            assert mine == pytest.approx(expected, rel=error, abs=error)
        for name, weights in whole.read_model().items():
            torch.testing.assert_close(run.read_model()[name], weights, rtol=error, atol=error)


def test_two_processes_of_one_gpu_are_refused():
    """By whatever tells GPUs apart; each its own is right."""
    require_own(["a", "b", "c"])
    with pytest.raises(ConfigError, match=r"processes 1 and 3 compute on one GPU.* start as many"):
        require_own(["a", "b", "c", "b"])


def test_one_that_is_killed_before_it_has_its_rows_ends_all():
    """They are more than a pipe holds, and the first process reads none of them."""

    def kill() -> None:
        while not multiprocessing.active_children():
            time.sleep(0.001)
        min(multiprocessing.active_children(), key=lambda child: child.pid or 0).kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(LostProcessError, match=r"^process 1 of 2 was ended by SIGKILL"):
        launch(2, "cpu", nothing, np.zeros(10**6))
    killer.join()


def test_rows_are_dealt_out_once():
    class Member:
        size = 3

        def __init__(self, rank):
            self.rank = rank

    for n in (1, 2, 3, 10):
        dealt = torch.cat([share(torch.arange(n), Member(rank)) for rank in range(3)])
        assert sorted(dealt.tolist()) == list(range(n))


class StopAfter:
    """A logger that asks for a stop, as a signal would."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def log_metrics(self, metrics, step):
        if metrics["epoch"] == self.n_epochs:
            os.kill(os.getpid(), signal.SIGTERM)

    def log_progress(self, share, text):
        pass


def make_plan(devices: int, **optimisation):
    training = TrainingConfig(
        Budget(epochs=6), Optimisation(batch_size=64, **optimisation), machine=Machine(devices=devices)
    )
    return plan(DIGITS, Recipe("mlp", 4, (32,)), training=training)


def test_two_devices_reach_the_bound_of_one_and_either_resumes_the_other(tmp_path):
    """The bound within 2 %; six epochs in all, stopped after three."""
    alone = carry_out(make_plan(1), DIGITS).history
    what = make_plan(2)
    run = Run(tmp_path / "run")
    run.create(what.to_json())
    with pytest.raises(Interrupted, match=r"SIGTERM|a signal"):
        carry_out(what, DIGITS, run, [StopAfter(3)])
    training = replace(what.training, machine=replace(what.training.machine, devices=1))
    model = carry_out(replace(what, training=training), DIGITS, run)
    history = model.history
    assert [m["epoch"] for m in history.metrics] == list(range(1, 7))
    assert history.best == pytest.approx(alone.best, rel=0.02)
    assert model.evaluate(DIGITS[:50], 5).rows == 50
    assert len(run.metrics()) == 6


def test_an_error_of_the_workers_is_told_as_it_is():
    with pytest.raises(TrainingError, match=r"not finite|validation bound is"):
        carry_out(make_plan(2, lr=1e30, clip=1e30), DIGITS)


def test_the_command_line_trains_on_two_devices_and_is_interrupted(tmp_path):
    """SIGTERM to the command alone: workers save, exit code 130, and one device goes on. The parts are a user's own,
    from the current folder, and the workers find them too.
    """
    run = tmp_path / "run"
    (tmp_path / "my_parts.py").write_text(SOURCE)
    velbo = [sys.executable, "-m", "velbo"]
    options = f"--recipe {PATH} --hidden 8 --latent 2 --devices 2 --epochs 100000".split()
    process = subprocess.Popen(
        [*velbo, "fit", "digits", "--run", str(run), *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    deadline = time.monotonic() + 120
    while not (run / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert f"velbo resume {run} --model {PATH}" in err.splitlines()[-1]
    assert "Traceback" not in err


def ranked_child(parent: int, rank: int) -> int:
    """The process of this rank that torchrun has started."""
    for folder in Path("/proc").iterdir():
        with suppress(OSError, IndexError):
            is_child = folder.name.isdecimal() and int((folder / "stat").read_text().split()[3]) == parent
            if is_child and f"RANK={rank}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                return int(folder.name)
    raise AssertionError(f"there is no process of rank {rank}")


@pytest.mark.skipif(sys.platform != "linux", reason="finds a process by /proc")
def test_torchrun_trains_together_and_one_that_is_killed_ends_all_with_one_line(tmp_path):
    run = tmp_path / "run"
    torchrun = [sys.executable, *"-m torch.distributed.run --nproc-per-node 2 -m -- velbo fit digits".split()]
    process = subprocess.Popen(
        [*torchrun, *f"--run {run} --recipe mlp --hidden 8 --latent 2 --epochs 100000".split()],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not (run / "metrics.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(ranked_child(process.pid, 1), signal.SIGKILL)
        _, err = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode
    own = [line for line in err.splitlines() if line.startswith(("velbo: ", "together: ", "data: "))]
    assert own[0] == "together: 2 processes"
    assert own[1].startswith("data: 1797 rows")
    assert "another process of this training was lost" in own[2]
    assert own[2].endswith(f"Continue with: velbo resume {run}")
    assert len(own) == 3
    assert Plan.from_json(Run(run).config()).data.n_rows == 1797
