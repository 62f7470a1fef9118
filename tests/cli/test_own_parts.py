"""Parts of a user's own from the shell: `--recipe my_parts:make`, and every verb with `--model my_parts:make`."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest

from contracts.commands import call, run_workers_here
from contracts.own_parts import PATH, module_here
from velbo import TrainedModel

QUICK = ("--recipe", PATH, "--hidden", 8, "--latent", 2, "--epochs", 2)
REFUSED = (
    f"velbo: its parts are made by '{PATH}', and velbo runs no code that a file names; if that module is yours, "
    f"say so: --model {PATH} on the command line, model='{PATH}' in Python\n"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch, module_here(folder):
        patch.chdir(folder)
        rng = np.random.default_rng(0)
        rows = pd.DataFrame({"a": rng.normal(size=120), "b": rng.normal(size=120), "c": rng.integers(0, 2, 120)})
        rows.loc[::7, "a"] = np.nan
        rows.to_csv("x.csv", index=False)
        code, _, err = call("fit", "x.csv", "--run", "run", *QUICK)
        assert code == 0, err
        assert f"model: {PATH}, 2 latents, likelihood" in err
        assert f"velbo evaluate run DATA --model {PATH}" in err
        assert call("encode", "run", "x.csv", "-o", "z.npy", "--model", PATH)[0] == 0
    return folder


VERBS = {
    "evaluate": ("evaluate", "run", "x.csv", "--samples", 4),
    "encode": ("encode", "run", "x.csv", "-o", "codes.csv"),
    "decode": ("decode", "run", "z.npy", "-o", "decoded.csv"),
    "reconstruct": ("reconstruct", "run", "x.csv", "-o", "again.csv"),
    "sample": ("sample", "run", "-n", 5, "-o", "new.csv"),
    "score": ("score", "run", "x.csv", "-o", "scores.csv", "--samples", 4),
    "explain": ("score", "run", "x.csv", "-o", "why.csv", "--samples", 4, "--explain"),
    "impute": ("impute", "run", "x.csv", "-o", "full.csv", "--samples", 10),
    "impute -n": ("impute", "run", "x.csv", "-o", "full.csv", "-n", 2, "--samples", 10),
    "compare": ("compare", "run", "x.csv", "x.csv"),
    "doctor": ("doctor", "run", "x.csv", "--samples", 8),
    "gaps": ("gaps", "run", "x.csv", "--samples", 4, "--steps", 3),
    "anneal": ("anneal", "run", "x.csv", "--rows", 5, "--temperatures", 5, "--chains", 2),
    "rate-distortion": ("rate-distortion", "run", "x.csv", "-o", "rd.csv", "--rows", 5, "--temperatures", 5),
    "quality": ("quality", "run", "x.csv", "--features", "latent", "--rows", 60),
    "refit-prior": ("refit-prior", "run", "x.csv", "--to", "better", "--epochs", 1),
    "resume": ("resume", "run"),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.filterwarnings("ignore::velbo.errors.CollapseWarning")
def test_every_verb_takes_the_parts_and_none_imports_them_by_itself(folder, monkeypatch, verb):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("my_parts", None)
    assert call(*VERBS[verb]) == (2, "", REFUSED)
    assert "my_parts" not in sys.modules
    code, _, err = call(*VERBS[verb], "--model", PATH)
    assert code == 0, err
    if verb == "refit-prior":
        assert call("evaluate", "better", "x.csv", "--samples", 2, "--model", PATH)[0] == 0


def test_info_tells_of_a_run_without_its_code(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("my_parts", None)
    code, out, _ = call("info", "run", "--json")
    assert code == 0
    assert json.loads(out)["recipe"]["recipe"] == PATH
    assert "my_parts" not in sys.modules
    learned = TrainedModel.load("run", PATH).model.parameters()
    assert json.loads(out)["parameters"] == sum(p.numel() for p in learned) > 50


def test_config_of_another_run_asks_for_the_path(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("my_parts", None)
    arguments = ("fit", "x.csv", "--run", "next", "--config", "run/config.json", "--epochs", 1)
    code, _, err = call(*arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert f"velbo runs no code that a file names; if that module is yours, say so: --recipe {PATH}" in err
    assert "my_parts" not in sys.modules
    assert not (folder / "next").exists()
    assert call(*arguments, "--recipe", PATH)[0] == 0


def test_a_sweep_hands_the_path_on_to_its_workers(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    run_workers_here(monkeypatch)
    sweep = (
        "sweep",
        "x.csv",
        "--over",
        f"recipe={PATH},mlp",
        "--hidden",
        4,
        "--latent",
        2,
        "--epochs",
        1,
        "--run",
        "s",
    )
    code, out, err = call(*sweep, "--test", "x.csv", "--samples-of-test", 2)
    assert (code, "failed" in err) == (0, False), err
    assert PATH in out
    code, out, err = call("sweep", "x.csv", *QUICK, "--seeds", 2, "--run", "seeds")
    assert (code, "failed" in err) == (0, False), err


def test_a_wrong_model_writes_no_run_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for path in ("my_parts:tuple_", "my_parts:fails", "my_parts:maek", "absent:make"):
        code, out, err = call("fit", "x.csv", "--run", "wrong", "--recipe", path, "--epochs", 1)
        assert (code, out, err.count("velbo:")) == (2, "", 1), err
        assert not (folder / "wrong").exists()
