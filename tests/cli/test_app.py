"""Every end of the command line: a line, an exit code, and no traceback for the user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.commands import call
from velbo.cli.app import unforeseen

module = sys.modules[unforeseen.__module__]
VELBO = [sys.executable, "-m", "velbo"]


@pytest.fixture
def surprised(monkeypatch):
    """`velbo info` meets an error that nobody foresaw, and main() is as users have it."""

    def surprise(*_):
        raise KeyError("a\nb")

    monkeypatch.setattr("velbo.training.Run.metrics", surprise)
    monkeypatch.setattr(module, "unforeseen", unforeseen)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("app") / "run"
    code, _, err = call("fit", "iris", "--run", path, *"--recipe mlp --hidden 4 --latent 2 --epochs 1".split())
    assert code == 0, err
    return path


@pytest.mark.usefixtures("surprised")
def test_the_traceback_is_in_a_file_of_the_run(run):
    code, out, err = call("info", run)
    assert (code, out) == (70, "")
    assert err.count("\n") == 1
    assert err.endswith(f"report it with the file {run / 'error.txt'}\n")
    text = (run / "error.txt").read_text()
    assert f"info {run}" in text.splitlines()[0]
    assert "in surprise" in text


@pytest.mark.usefixtures("surprised")
def test_or_of_the_folder_for_temporary_files(run, tmp_path, monkeypatch):
    """Where the run's cannot be written; without a traceback too if there is nowhere at all."""
    (run / "error.txt").unlink(missing_ok=True)
    (run / "error.txt").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, _, err = call("info", run)
    (file,) = tmp_path.rglob("error.txt")
    assert (code, err.endswith(f"{file}\n")) == (70, True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    code, _, err = call("info", run)
    assert (code, err.count("\n")) == (70, 1)
    (run / "error.txt").rmdir()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError("Unable to allocate 7 TiB"), "not enough memory for this; take fewer rows"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "not enough memory"),
        (OSError(24, "Too many open files", "x.npy"), "Too many open files: 'x.npy'"),
    ],
)
def test_what_the_system_refuses_is_a_line(run, monkeypatch, error, words):
    def fail(*_):
        raise error

    monkeypatch.setattr("velbo.training.Run.metrics", fail)
    code, _, err = call("info", run)
    assert code == 2
    assert err.startswith("velbo: ")
    assert words in err
    assert err.count("\n") == 1


def test_an_interrupt_is_told(run, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("velbo.training.Run.metrics", interrupt)
    assert call("info", run) == (130, "", "velbo: interrupted\n")


def test_a_second_interrupt_ends_as_the_first_does(monkeypatch):
    """It comes while the first is told of."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "app", interrupted)
    monkeypatch.setattr(module, "say", interrupted)
    assert call("info", "run") == (130, "", "")


def test_an_unforeseen_error_may_name_what_is_no_text(capsys):
    """A path with bytes that are no UTF-8 stands in the file with their numbers."""
    name = os.fsdecode(b"\xff")
    assert unforeseen(ValueError(name), ["info", name]) == 70
    path = Path(capsys.readouterr().err.rsplit(maxsplit=1)[1])
    assert "\\udcff" in path.read_text()


@pytest.mark.parametrize(("redirection", "code"), [("| true", 141), (">&-", 0), ("2>&-", 0), ("> /dev/full", 2)])
def test_stdout_that_nobody_reads(run, redirection, code):
    """No traceback, and the exit code that a shell's own programs have."""
    script = f'set -o pipefail; "$@" {redirection}; exit $?'
    command = ["bash", "-c", script, "bash", *VELBO, "info", str(run), "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONSAFEPATH": "1"}
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.stderr.count("\n") == (code == 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sample", "run"), "velbo: sample needs --output: file to write; of a model of images also a .png"),
        (("fit",), "velbo: fit needs DATA: a table (CSV and other text"),
        (("sample", "run", "-o"), 'velbo: Command "sample" parameter -o requires an argument'),
    ],
    ids=str,
)
def test_what_a_verb_needs_is_said_in_the_words_of_its_help(arguments, said):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(said)
    assert err.count("\n") == 1
