"""The Hugging Face Hub: the round trip without a network, and what is asked of its client."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from velbo import TrainedModel, fit
from velbo.config import Budget, Recipe, TrainingConfig
from velbo.errors import MissingExtraError, RunError

X = np.random.default_rng(0).normal(size=(30, 3))


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return fit(X, Recipe("mlp", latent=2, hidden=(4,)), training=TrainingConfig(Budget(epochs=1)))


class Hub:
    """A Hub of folders, with the functions of its client that are called."""

    def __init__(self, place: Path) -> None:
        self.place, self.calls = place, []

    def client(self, token=None):
        return SimpleNamespace(create_repo=self.create, upload_folder=self.upload, token=token)

    def create(self, name, private=None, exist_ok=False):
        self.calls.append(("create", name, private, exist_ok))

    def upload(self, repo_id, folder_path, commit_message, allow_patterns):
        self.calls.append(("upload", repo_id, commit_message))
        shutil.copytree(folder_path, self.place / repo_id)
        assert {p.name for p in Path(folder_path).iterdir()} - {".lock"} <= set(allow_patterns)
        return SimpleNamespace(commit_url=f"https://hub.example/{repo_id}/commit/1")

    def download(self, name, revision=None, token=None, allow_patterns=()):
        self.calls.append(("download", name, revision, token))
        if not (self.place / name).is_dir():
            raise ConnectionError("offline\nand two lines")
        return str(self.place / name)


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Hub:
    found = Hub(tmp_path / "hub")
    module = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(module, "HfApi", found.client)
    monkeypatch.setattr(module, "snapshot_download", found.download)
    return found


def test_a_folder_comes_back_without_the_hub(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    trained.save_pretrained(tmp_path / "m", evaluation=trained.evaluate(X, samples=2))
    again = TrainedModel.from_pretrained(tmp_path / "m")
    np.testing.assert_array_equal(again.log_likelihood(X, 5), trained.log_likelihood(X, 5))
    assert (tmp_path / "m" / "README.md").read_text().startswith("---\nlibrary_name: velbo")
    with pytest.raises(MissingExtraError, match=r"pip install 'velbo\[hub\]'"):
        TrainedModel.from_pretrained("someone/something")


def test_push_and_pull(trained, hub):
    where = trained.push_to_hub("me/model", private=True, message="first")
    assert where == "https://hub.example/me/model/commit/1"
    assert hub.calls == [("create", "me/model", True, True), ("upload", "me/model", "first")]
    again = TrainedModel.from_pretrained("me/model", revision="v1", token="t")
    np.testing.assert_array_equal(again.encode(X), trained.encode(X))
    assert hub.calls[-1] == ("download", "me/model", "v1", "t")


def test_what_the_hub_refuses_is_one_line(trained, hub):
    with pytest.raises(RunError, match=r"^me/none is no folder here, .* \(ConnectionError: offline and two lines\)"):
        TrainedModel.from_pretrained("me/none")
    hub.place.write_text("a file, where a folder is to be")
    with pytest.raises(RunError, match=r"^me/model was not written to the Hub"):
        trained.push_to_hub("me/model")


def test_the_client_has_what_is_asked_of_it():
    """The names and parameters of the real client."""
    import inspect

    module = pytest.importorskip("huggingface_hub")
    wanted = {
        module.snapshot_download: {"revision", "token", "allow_patterns"},
        module.HfApi.create_repo: {"private", "exist_ok"},
        module.HfApi.upload_folder: {"repo_id", "folder_path", "commit_message", "allow_patterns"},
    }
    for function, names in wanted.items():
        assert names <= set(inspect.signature(function).parameters)
