"""A run on an object store: whole at every moment, and the same bits as one on a disk."""

from __future__ import annotations

from pathlib import Path

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from sklearn.datasets import load_digits

import velbo.training.mirror as mirror
from contracts.commands import call, options
from velbo import Budget, Recipe, TrainedModel, TrainingConfig, carry_out, fit, plan
from velbo.errors import Interrupted, RunError
from velbo.files import url_of
from velbo.training import Run
from velbo.training.mirror import Mirror

DIGITS = load_digits().images.astype(np.uint8)[:300]
PLAN = plan(DIGITS, Recipe("mlp", 2, (8,)), training=TrainingConfig(Budget(epochs=4)))


@pytest.fixture
def store(monkeypatch):
    """memory://box, empty; and no waiting."""
    monkeypatch.setattr(mirror, "WAITS", (0.0, 0.0))
    system = fsspec.filesystem("memory")
    empty(system)
    yield system
    empty(system)


def empty(system) -> None:
    elsewhere()
    for name in system.find("/box"):
        system.rm_file(name)


def elsewhere() -> None:
    """From here on as another process: it has no copy."""
    mirror._mirror_of.cache_clear()


class StopAfter:
    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def log_metrics(self, metrics, step):
        if metrics["epoch"] == self.n_epochs:
            raise Interrupted("enough")

    def log_progress(self, share, text):
        pass


def test_a_run_is_stopped_resumed_elsewhere_and_ends_as_one_on_a_disk(tmp_path, store):
    local = Run(tmp_path / "run")
    local.create(PLAN.to_json())
    carry_out(PLAN, DIGITS, local, report=False)
    run = Run("memory://box/run")
    run.create(PLAN.to_json())
    with pytest.raises(Interrupted):
        carry_out(PLAN, DIGITS, run, [StopAfter(2)], report=False)
    elsewhere()
    carry_out(PLAN, DIGITS, Run("memory://box/run"), report=False)
    elsewhere()
    there = Run("memory://box/run")
    for name in ("config.json", "model.safetensors", "metrics.jsonl", "typical.json"):
        assert there.file(name).read_bytes() == local.file(name).read_bytes(), name
    model = TrainedModel.load("memory://box/run")
    model.save("memory://box/saved")
    elsewhere()
    again = TrainedModel.load("memory://box/saved")
    assert np.array_equal(again.log_likelihood(DIGITS[:20], 3), model.log_likelihood(DIGITS[:20], 3))
    # each file is one object, and of the last two states alone
    n_files = len([p for p in there.path.rglob("*") if p.is_file()])
    assert n_files <= len(store.ls("/box/run/objects")) <= 2 * n_files
    with pytest.raises(
        RunError, match=r"^memory://box/run holds a run already; continue it with 'velbo resume memory:"
    ):
        fit(DIGITS, run="memory://box/run")


class DyingStore(MemoryFileSystem):
    """Goes away for good before its n-th change."""

    protocol, cachable, left = "memory", False, 0

    def pipe_file(self, path, value, mode="overwrite", **options):
        self.die()
        super().pipe_file(path, value, mode, **options)

    def rm_file(self, path):
        self.die()
        super().rm_file(path)

    def die(self):
        type(self).left -= 1
        if self.left < 0:
            raise ConnectionError("gone")


def test_a_folder_is_the_old_or_the_new_one_wherever_the_store_goes_away(store, tmp_path, monkeypatch):
    """Before each change in turn, until all of them are made."""
    for n in range(20):
        url = f"memory://box/{n}"
        first = Mirror(url)
        first.path.mkdir(parents=True)
        for name in ("a", "b", "c"):
            (first.path / name).write_text(f"old {name}")
        (first.path / "sub").mkdir()
        (first.path / "sub" / "d").write_text("same")
        first.publish()
        for name in ("a", "b"):
            (first.path / name).write_text(f"new {name}")
        (first.path / "c").unlink()
        first.publish()
        (first.path / "a").write_text("newest")
        first.store, DyingStore.left = DyingStore(), n
        try:
            first.publish()
            is_published = True
        except RunError:
            is_published = False
        new = Mirror(url)
        found = {p.name: p.read_text() for p in new.path.rglob("*") if p.is_file()}
        assert found in ({"a": "new a", "b": "new b", "d": "same"}, {"a": "newest", "b": "new b", "d": "same"})
        if is_published:
            assert found["a"] == "newest"
            assert n >= 3  # the object, the marker and what is removed
            return
    raise AssertionError("it never came to an end")


def test_a_store_that_fails_once_is_asked_again(store, monkeypatch):
    folder = Mirror("memory://box/run")
    folder.path.mkdir(parents=True)
    (folder.path / "a").write_text("x")
    asked, pipe = [], folder.store.pipe_file

    def fails_first(path, value):
        asked.append(path)
        if len(asked) == 1:
            raise ConnectionError("busy")
        pipe(path, value)

    monkeypatch.setattr(folder.store, "pipe_file", fails_first)
    folder.publish()
    new = Mirror("memory://box/run")
    assert (new.path / "a").read_text() == "x"


def test_a_marker_that_was_written_although_the_store_went_away_is_known_again(store, monkeypatch):
    """It is no other process's: the next state is written."""
    folder, pipe = Mirror("memory://box/run"), MemoryFileSystem.pipe_file
    folder.path.mkdir(parents=True)
    (folder.path / "a").write_text("1")

    def goes_away_after_the_marker(path, value):
        pipe(folder.store, path, value)
        if path.endswith("folder.json"):
            raise ConnectionError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(folder.store, "pipe_file", goes_away_after_the_marker)
        with pytest.raises(RunError, match="gone"):
            folder.publish(waits=())
    (folder.path / "a").write_text("2")
    folder.publish(waits=())
    assert (Mirror("memory://box/run").path / "a").read_text() == "2"


def test_what_two_write_or_another_has_changed_is_refused(store):
    one, two = Mirror("memory://box/run"), Mirror("memory://box/run")
    for folder in (one, two):
        folder.path.mkdir(parents=True)
        (folder.path / "a").write_text(f"{id(folder)}")
    one.publish()
    with pytest.raises(RunError, match="another process has written into this folder"):
        two.publish()
    [name] = store.ls("/box/run/objects", detail=False)
    store.pipe_file(name, b"other")
    with pytest.raises(RunError, match="the object of a is damaged"):
        Mirror("memory://box/run")
    store.pipe_file("/box/run/folder.json", b'{"files": {"../../a": "x"}}')
    with pytest.raises(RunError, match="which is not in the folder"):
        Mirror("memory://box/run")
    store.pipe_file("/box/run/folder.json", b'{"file')
    with pytest.raises(RunError, match="its marker is damaged"):
        Mirror("memory://box/run")


def test_the_command_line_takes_urls_for_runs_and_data(store, tmp_path):
    np.save(tmp_path / "x.npy", DIGITS)
    store.pipe_file("/box/x.npy", (tmp_path / "x.npy").read_bytes())
    _, _, err = call("fit", "memory://box/x.npy", "--run", "memory://box/run", *options(), "--no-report")
    assert "velbo evaluate memory://box/run DATA" in err
    elsewhere()
    out = tmp_path / "z.npy"
    assert call("encode", "memory://box/run", "memory://box/x.npy", "-o", out)[0] == 0
    assert np.load(out).shape == (300, 2)


def test_a_url_is_known_where_it_was_taken_for_a_path():
    assert url_of("s3://b/run") == url_of(Path("s3://b/run")) == "s3://b/run"
    for path in ("runs/a", Path("/tmp/s3/run"), Path("C:/run"), "file:///tmp/run", Path("a:/b")):
        assert url_of(path) is None
