"""Files are whole or absent, and hold data only."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from velbo.errors import ConfigError, RunError
from velbo.files import (
    as_path,
    is_running,
    locked,
    read_file,
    read_json,
    read_tensors,
    remove_temporaries,
    whole_or_absent,
    write_atomically,
    write_folder_atomically,
    write_json,
    write_tensors,
    write_text,
)
from velbo.training import Run


def test_tensors_round_trip_whatever_their_memory(tmp_path):
    """Shared and non-contiguous memory included; what is read does not alias the file."""
    x = torch.arange(12.0).view(3, 4)
    write_tensors(
        tmp_path / "t.safetensors", {"x": x, "shared": x, "turned": x.T, "bytes": torch.ones(3, dtype=torch.uint8)}
    )
    read = read_tensors(tmp_path / "t.safetensors")
    assert torch.equal(read["turned"], x.T)
    assert torch.equal(read["shared"], x)
    size = (tmp_path / "t.safetensors").stat().st_size
    (tmp_path / "t.safetensors").write_bytes(bytes(size))
    assert torch.equal(read["x"], x)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})

    def fail(path):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match=r"a\.json: cannot be written.*No space"):
        write_atomically(tmp_path / "a.json", fail)
    with pytest.raises(RunError, match="cannot be written"):
        write_folder_atomically(tmp_path / "folder", lambda p: fail(p / "x"))
    assert read_json(tmp_path / "a.json") == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_pickle_is_refused_and_not_executed(tmp_path):
    class Boom:
        def __reduce__(self):
            return (tmp_path / "executed").touch, ()

    (tmp_path / "model.safetensors").write_bytes(pickle.dumps(Boom()))
    with pytest.raises(RunError, match="not loaded"):
        read_tensors(tmp_path / "model.safetensors")
    assert not (tmp_path / "executed").exists()


def test_half_a_line_of_metrics_is_not_read(tmp_path):
    run = Run(tmp_path)
    run.append_metrics({"step": 1}, 0.5)
    with run.metrics_file.open("a") as f:
        f.write('{"step": 2, "val')
    assert run.metrics() == [{"step": 1}]
    run.truncate_metrics(1)
    assert run.metrics_file.read_text() == '{"step": 1}\n'


def test_nan_is_never_written_as_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert not list(tmp_path.iterdir())


def test_a_kill_while_metrics_are_cut_loses_none(tmp_path, monkeypatch):
    """The first file that is written is the last thing that happens: the lines that were kept before are there."""
    run = Run(tmp_path)
    for step in (1, 2, 3):
        run.append_metrics({"step": step}, 0.0)

    def cut_short(path: Path, data: bytes) -> None:
        with path.open("w"):
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", cut_short)
    with pytest.raises(KeyboardInterrupt):
        run.truncate_metrics(2)
    assert [m["step"] for m in run.metrics()] == [1, 2, 3]


HOLDER = """
import sys, time, pathlib, velbo.files
with velbo.files.locked(pathlib.Path(sys.argv[1])):
    print(flush=True)
    time.sleep(60)
"""


def dead_process() -> int:
    """The number of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_one_process_at_a_time_has_a_folder(tmp_path):
    """Another process, another thread and this one again are refused; the lock goes with a process that is killed."""
    folder = tmp_path / "new"
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"\n"
    with pytest.raises(RunError, match="another process is writing into this folder; wait until"), locked(folder):
        pass
    process.kill()
    process.communicate()
    with locked(folder), pytest.raises(RunError, match="another process"), locked(folder):
        pass
    with locked(folder):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"), locked(tmp_path / "file" / "x"):
        pass


def test_what_a_killed_process_left_goes_when_its_name_is_written_next(tmp_path):
    dead = dead_process()
    assert is_running(os.getpid())
    assert not is_running(dead)
    for name in (f".{dead}.tmp.a.txt", f".{dead}.tmp.b.txt", f".{os.getppid()}.tmp.a.txt", ".x.tmp.a.txt"):
        (tmp_path / name).touch()
    write_text(tmp_path / "a.txt", "a")
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"a.txt", f".{dead}.tmp.b.txt", f".{os.getppid()}.tmp.a.txt", ".x.tmp.a.txt"}
    (tmp_path / ".7.tmp.folder").mkdir()
    (tmp_path / ".7.tmp.folder" / "x").touch()
    remove_temporaries(tmp_path, lambda process, name: process == 7 and name == "folder")
    assert not (tmp_path / ".7.tmp.folder").exists()
    remove_temporaries(tmp_path / "nowhere", lambda *_: True)


@pytest.mark.parametrize("killed_at", range(5))
def test_a_set_of_files_is_never_half_old_and_half_new(tmp_path, monkeypatch, killed_at):
    """Killed before each change of a name: two removals and two renames; and not killed at all."""
    paths = [tmp_path / name for name in ("1", "2")]
    for path in paths:
        path.write_text("old")
    changes, original = [], {name: getattr(os, name) for name in ("replace", "unlink")}

    class Killed(BaseException):
        pass

    def counted(name):
        def change(*arguments, **options):
            changes.append(name)
            if len(changes) > killed_at:
                raise Killed
            return original[name](*arguments, **options)

        return change

    for name in original:
        monkeypatch.setattr(os, name, counted(name))
    with suppress(Killed), whole_or_absent(*paths) as places:
        for place in places:
            place.write_text("new")
    monkeypatch.undo()
    found = {path.read_text() for path in paths if path.exists()}
    assert found in (set(), {"old"}, {"new"})
    assert (killed_at == 4) == all(path.exists() and path.read_text() == "new" for path in paths)


def test_a_set_with_one_file_that_cannot_be_written_is_left_as_it_was(tmp_path):
    (tmp_path / "1").write_text("old")
    (tmp_path / "2").mkdir()
    with (
        pytest.raises(RunError, match="2: cannot be written: there is a folder"),
        whole_or_absent(tmp_path / "1", tmp_path / "2"),
    ):
        pass
    assert (tmp_path / "1").read_text() == "old"


def test_files_may_be_read_by_those_whom_the_umask_lets(tmp_path):
    before = os.umask(0o027)
    try:
        write_tensors(tmp_path / "t.safetensors", {"x": torch.ones(2)})
        write_json(tmp_path / "a.json", {})
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o640}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": Infinity}',
        '{"a": "\\ud800"}',
        "[" * 100_000 + "]" * 100_000,
        '{"a": ' * 50_000,
        "9" * 5000 + ".",
        "\ufeff{}",
        "{}{}",
    ],
)
def test_what_is_no_json_is_a_sentence(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(RunError, match=r"a\.json: not readable as JSON") as error:
        read_json(tmp_path / "a.json")
    assert len(str(error.value)) < 500


def test_json_comes_back_bit_for_bit(tmp_path):
    value = {"a": [0.1, 5e-324, 1.7976931348623157e308, -0.0, 2**53 + 1, 10**30], "b": "é\0\u2028", "c": None}
    write_json(tmp_path / "a.json", value)
    assert repr(read_json(tmp_path / "a.json")) == repr(value)


def test_only_plain_files_of_a_sensible_size_are_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "large").write_bytes(bytes(100))
    for name, said in (
        ("pipe", "is no file"),
        ("zero", "is no file"),
        (".", "is no file"),
        ("circle", "cannot be read"),
        ("large/x", "cannot be read"),
        ("none", "there is no"),
        ("x" * 300, "cannot be read: File name too long"),
        ("large", "has 100 bytes, and such a file has 99 at most"),
    ):
        with pytest.raises(RunError, match=said):
            read_file(tmp_path / name, 99)
        with pytest.raises(RunError):
            read_tensors(tmp_path / name)

    def closed(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", closed)
    with pytest.raises(RunError, match="large: cannot be read: Permission denied"):
        read_file(tmp_path / "large", 100)


def test_where_no_folder_can_be(tmp_path):
    (tmp_path / "file").touch()
    for name, said in (("file", "is a file"), ("file/x", "Not a directory"), ("x" * 300, "File name too long")):
        with pytest.raises(RunError, match=said):
            Run(tmp_path / name).refuse_if_taken()
    Run(tmp_path / "new" / "one").refuse_if_taken()
    for name, said in (("", "must have a name"), ("a\0b", "NUL"), ("n/" * 600, "600 folders is too long")):
        with pytest.raises(ConfigError, match=said):
            as_path(name)
    assert as_path(".") == Path()


def test_damaged_lines_of_metrics_are_named(tmp_path):
    run = Run(tmp_path)
    for step in (1, 2, 3):
        run.append_metrics({"step": step, "bound": -0.1 * step}, 0.5)
    assert run.metrics(2) == [{"step": 1, "bound": -0.1}, {"step": 2, "bound": -0.2}]
    with pytest.raises(RunError, match="4 lines are wanted, and 3 are there"):
        run.metrics(4)
    whole = run.metrics_file.read_bytes()
    for damage in (b"}", b"\xff", b"[1]", b'{"step": "x"}', b'{"step": {}}', b"", b'{"step": NaN}'):
        run.metrics_file.write_bytes(whole.replace(b'{"step": 2, "bound": -0.2}', damage))
        with pytest.raises(RunError, match=r"metrics\.jsonl: line 2 is damaged"):
            run.metrics()


def test_a_file_url_is_a_path(tmp_path):
    """And no folder that is called file: here; names that only look like URLs are paths as well."""
    assert as_path("//[x") == Path("//[x")
    assert as_path("file:x.csv") == Path("file:x.csv")
    assert as_path(f"file://{tmp_path}/a b.csv") == tmp_path / "a b.csv"
