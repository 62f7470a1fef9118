"""A run folder: one writer, a saved model that is all old or all new, numbers that are finite."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from contracts.commands import call, options
from velbo import ELBO, LinearGaussian, TrainedModel, TrainingConfig, fit
from velbo.config import Budget, Recipe
from velbo.errors import DataError, RunError, TrainingError, VelboWarning
from velbo.files import read_tensors, write_tensors
from velbo.rows import Store
from velbo.training import Run, Trainer

X = np.random.default_rng(0).normal(size=(40, 3))
TRAINING = TrainingConfig(Budget(epochs=1))


def trained(latent: int, run=None) -> TrainedModel:
    return fit(X, Recipe("mlp", latent=latent, hidden=(4,)), training=TRAINING, run=run)


@pytest.fixture(scope="module")
def models() -> tuple[TrainedModel, TrainedModel]:
    return trained(2), trained(3)


def test_a_second_process_gets_a_line(tmp_path, models):
    np.save(tmp_path / "x.npy", X)
    assert call("fit", tmp_path / "x.npy", "--run", tmp_path / "r", *options())[0] == 0
    commands = (
        ["resume", tmp_path / "r"],
        ["fit", tmp_path / "x.npy", "--run", tmp_path / "new", *options()],
        ["sweep", tmp_path / "x.npy", "--run", tmp_path / "new", "--seeds", 2, *options()],
        ["refit-prior", tmp_path / "r", tmp_path / "x.npy", "--to", tmp_path / "new", "--prior", "learned"],
    )
    with Run(tmp_path / "r").locked(), Run(tmp_path / "new").locked():
        for command in commands:
            code, _, err = call(*command)
            assert code == 2
            assert "another process is writing into this folder" in err.splitlines()[-1]
        with pytest.raises(RunError, match="another process"):
            models[0].save(tmp_path / "new")
        assert call("info", tmp_path / "r")[0] == 0
    assert call("resume", tmp_path / "r")[0] == 0


@pytest.mark.parametrize("killed_at", range(10))
def test_a_model_saved_over_another_is_the_old_one_or_the_new_one(tmp_path, monkeypatch, models, killed_at):
    """Whenever it is killed: nine renames, the fifth makes it the new one, and the next writer ends the work."""
    old, new = models
    run = Run(tmp_path / "m")
    old.save(run.path)
    original, done = os.replace, []

    def rename(source, target):
        if len(done) == killed_at:
            raise KeyboardInterrupt
        done.append(target)
        original(source, target)

    monkeypatch.setattr(os, "replace", rename)
    try:
        new.save(run.path)
    except KeyboardInterrupt:
        assert killed_at < 9
    monkeypatch.undo()
    expected = old if killed_at < 5 else new
    assert TrainedModel.load(run.path).recipe == expected.recipe
    with run.locked():
        pass
    assert TrainedModel.load(run.path).recipe == expected.recipe
    files = {"README.md", "config.json", "model.safetensors", "typical.json"}
    assert {p.name for p in run.path.iterdir()} == {".lock", *files}
    new.save(run.path)
    assert TrainedModel.load(run.path).recipe == new.recipe


def test_a_training_run_is_not_saved_over(tmp_path, models):
    trained(2, tmp_path / "r")
    before = {p: p.read_bytes() for p in (tmp_path / "r").rglob("*") if p.is_file()}
    with pytest.raises(RunError, match="holds a training run, which a model that is saved would destroy; give another"):
        models[1].save(tmp_path / "r")
    assert before == {p: p.read_bytes() for p in (tmp_path / "r").rglob("*") if p.is_file()}
    Run(tmp_path / "begun").create(models[0].plan.to_json())
    with pytest.raises(RunError, match="holds a training run"):
        models[1].save(tmp_path / "begun")


def test_a_file_is_no_folder_for_a_run(tmp_path):
    (tmp_path / "f").touch()
    with pytest.raises(RunError, match="is a file, and a run is a folder; give another name"):
        Run(tmp_path / "f").create({})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(tmp_path, models, value):
    models[0].save(tmp_path / "m")
    weights = read_tensors(tmp_path / "m" / "model.safetensors")
    name = max(weights)
    weights[name].view(-1)[0] = value
    write_tensors(tmp_path / "m" / "model.safetensors", weights)
    with pytest.raises(RunError, match=f"the tensor '{name}' holds a number that is not finite"):
        TrainedModel.load(tmp_path / "m")
    code, _, err = call("info", tmp_path / "m")
    assert code == 0, err
    bad = replace(models[0], model=models[0].plan.build())
    bad.model.load_state_dict(weights)
    with pytest.raises(RunError, match=f"the tensor '{name}'"):
        bad.save(tmp_path / "n")
    assert not (tmp_path / "n").exists()


def trainer(run: Run) -> Trainer:
    oracle = LinearGaussian.random(3, 2, seed=0)
    x = oracle.sample(20, seed=0)
    return Trainer(oracle.vae(), Store.from_tensor(x), ELBO(), TRAINING, run)


def test_training_stops_at_a_state_of_the_optimizer_that_is_not_finite(tmp_path):
    """As squares of gradients of 1e20 are, which are finite themselves; nothing of it is written."""
    stopped = trainer(Run(tmp_path / "r"))
    step = stopped.step

    def overflow(index):
        step(index)
        stopped.optimizer.state[stopped.parameters[0]]["exp_avg_sq"].view(-1)[0] = torch.inf

    stopped.step = overflow  # type: ignore[method-assign]
    with pytest.raises(
        TrainingError, match=r"at step 1 the tensor 'optimizer/0/exp_avg_sq' holds .* not finite; the last"
    ):
        stopped.run()
    assert not (tmp_path / "r" / "checkpoint").exists()


def test_a_checkpoint_that_is_not_finite_is_passed_over(tmp_path):
    run = Run(tmp_path / "r")
    done = trainer(run)
    done.run()
    last = max(run.checkpoints.iterdir())
    write_folder = run.checkpoints / "000000009-000001"
    shutil.copytree(last, write_folder)
    file = write_folder / "tensors.safetensors"
    tensors = read_tensors(file)
    # in the order of the file, which is any; the counts of steps are whole numbers
    name = next(name for name, t in tensors.items() if name.startswith("ema/") and t.is_floating_point())
    tensors[name].view(-1)[0] = torch.nan
    write_tensors(file, tensors)
    with pytest.warns(VelboWarning, match=rf"the tensor '{name}' holds a number that is not finite; continuing from"):
        saved = run.read_checkpoint(done.parts.not_finite)
    assert saved is not None
    assert saved[0].step == 1
    assert not write_folder.exists()


@pytest.mark.parametrize("call_of", ["encode", "log_likelihood", "reconstruct", "sample", "impute"])
def test_results_that_are_not_finite_are_refused(models, call_of):
    """Weights of 1e30 are finite, and what is computed with them is not."""
    bad = replace(models[0], model=models[0].plan.build())
    with torch.no_grad():
        for p in bad.model.parameters():
            p.uniform_(-1e30, 1e30)
    x = X.copy()
    x[:20, 1] = np.nan
    with pytest.raises(DataError, match=r"row 0: .*(is not finite|is nan|-inf)"):
        getattr(bad, call_of)(*([10] if call_of == "sample" else [x]))
