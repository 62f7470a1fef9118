"""Files are whole or absent, and hold data only."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from velbo.errors import RunError
from velbo.files import read_json, read_tensors, write_atomically, write_folder_atomically, write_json, write_tensors
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

    def cut_short(path: Path, text: str, **options: str) -> None:
        with path.open("w"):
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", cut_short)
    with pytest.raises(KeyboardInterrupt):
        run.truncate_metrics(2)
    assert [m["step"] for m in run.metrics()] == [1, 2, 3]
