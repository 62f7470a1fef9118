"""Loggers: what each is told, and what is shown where there is no terminal.

MLflow and Weights & Biases are tried for real where they are installed (pip install mlflow-skinny wandb); everywhere
against recorders with the methods that are called, whose names and arguments those tests hold to the real packages.
"""

from __future__ import annotations

import importlib
import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from torch import nn

from contracts.commands import call, options
from velbo import VAE, Budget, Optimisation, TrainingConfig, fit, train
from velbo.errors import ConfigError, MissingExtraError
from velbo.likelihoods import Normal
from velbo.nets import MLP
from velbo.posteriors import DiagonalNormal
from velbo.priors import StandardNormal
from velbo.training import MLflow, ProgressBar, ProgressLines, TensorBoard, WandB
from velbo.training.progress import clock, where

ROWS = np.random.default_rng(0).normal(size=(40, 3))
TRAINING = TrainingConfig(Budget(epochs=2), Optimisation(batch_size=128))


class Metrics:
    """The least logger that there is."""

    def __init__(self) -> None:
        self.metrics: list[tuple[int, dict[str, Any]]] = []

    def log_metrics(self, metrics: dict[str, Any], step: int) -> None:
        self.metrics.append((step, metrics))


class Lightning(Metrics):
    """Methods of Lightning's loggers."""

    def __init__(self) -> None:
        super().__init__()
        self.settings: list[dict[str, Any]] = []
        self.ends: list[tuple[str, int]] = []

    def finalize(self, status: str) -> None:
        self.ends.append((status, len(self.metrics)))

    def log_hyperparams(self, settings: dict[str, Any]) -> None:
        self.settings.append(settings)


def fitted(*loggers: Any) -> None:
    fit(ROWS, "mlp", training=TRAINING, loggers=loggers)


def test_a_logger_needs_one_method_alone():
    logger = Metrics()
    fitted(logger)
    assert [metrics["epoch"] for _, metrics in logger.metrics] == [1, 2]
    assert [step for step, _ in logger.metrics] == [1, 2]


def test_settings_are_told_once_before_the_metrics_and_are_plain():
    logger = Lightning()
    fitted(logger)
    (settings,) = logger.settings
    assert (settings["recipe/recipe"], settings["training/budget/epochs"], settings["data/n_rows"]) == ("mlp", 2, 40)
    assert all(value is None or isinstance(value, bool | int | float | str) for value in settings.values())
    assert "3 real" in settings["schema"]


def test_the_loop_by_itself_tells_its_own_settings():
    logger = Lightning()
    model = VAE(
        nn.Sequential(MLP(3, 4), DiagonalNormal(4, 1)), nn.Sequential(MLP(1, 4), Normal(4, 3)), StandardNormal(1)
    )
    train(model, ROWS, config=TRAINING, loggers=[logger])
    assert logger.settings[0]["budget/epochs"] == 2
    assert len(logger.metrics) == 2
    assert logger.ends == [("success", 2)]


def test_a_logger_is_told_once_how_training_ended():
    """After its last metrics; of training that raises, that it failed."""
    logger = Lightning()
    fitted(logger)
    assert logger.ends == [("success", 2)]

    class Full(Lightning):
        def log_metrics(self, metrics: dict[str, Any], step: int) -> None:
            raise OSError("the disk is full")

    full, other = Full(), Lightning()
    with pytest.raises(OSError, match="disk is full"):
        fitted(other, full)
    assert (full.ends, other.ends) == ([("failed", 0)], [("failed", 1)])


@pytest.mark.filterwarnings("ignore")
def test_a_real_logger_of_lightning_has_written_its_lines_at_the_end(tmp_path):
    loggers = pytest.importorskip("pytorch_lightning.loggers")
    fitted(loggers.CSVLogger(str(tmp_path), name="mine", version="1", flush_logs_every_n_steps=1000))
    lines = (tmp_path / "mine" / "1" / "metrics.csv").read_text().splitlines()
    assert [dict(zip(lines[0].split(","), line.split(","), strict=True))["epoch"] for line in lines[1:]] == ["1", "2"]


class Recorder:
    """Whatever is called, with its arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        def called(*arguments: Any, **named: Any) -> None:
            self.calls.append((name, arguments, named))

        return called

    def named(self, name: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        return [(arguments, named) for called, arguments, named in self.calls if called == name]


class Refused(Exception):
    """As both packages have one of their own."""


@pytest.fixture
def recorded_mlflow(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()

    class Client(Recorder):
        def __init__(self, uri: str | None) -> None:
            if uri == "refused":
                raise Refused("no such store")
            super().__init__()
            self.calls = recorder.calls

        def get_experiment_by_name(self, name: str) -> Any:
            return SimpleNamespace(experiment_id="7") if name == "known" else None

        def create_experiment(self, name: str) -> str:
            recorder.calls.append(("create_experiment", (name,), {}))
            return "8"

        def create_run(self, place: str, run_name: str | None) -> Any:
            recorder.calls.append(("create_run", (place, run_name), {}))
            return SimpleNamespace(info=SimpleNamespace(run_id="r"))

    module, entities, exceptions = (ModuleType(name) for name in ("mlflow", "mlflow.entities", "mlflow.exceptions"))
    module.MlflowClient = Client
    entities.Metric = lambda key, value, timestamp, step: (key, value, step)
    entities.Param = lambda key, value: (key, value)
    exceptions.MlflowException = Refused
    for part in (module, entities, exceptions):
        monkeypatch.setitem(sys.modules, part.__name__, part)
    return recorder


@pytest.mark.parametrize(("experiment", "place"), [("known", "7"), ("new", "8")])
def test_mlflow_has_one_run_with_settings_and_metrics_and_ends_it(recorded_mlflow, experiment, place):
    fitted(MLflow("mine", experiment))
    assert recorded_mlflow.named("create_run") == [((place, "mine"), {})]
    assert len(recorded_mlflow.named("create_experiment")) == (experiment == "new")
    batches = [named for _, named in recorded_mlflow.named("log_batch")]
    assert ("recipe/recipe", "mlp") in batches[0]["params"]
    names = [[key for key, *_ in batch["metrics"]] for batch in batches if "metrics" in batch]
    assert names[0] == names[1]
    assert {"train_bound", "validation_bound", "epoch"} <= set(names[0])
    assert [batch["metrics"][0][2] for batch in batches if "metrics" in batch] == [1, 2]
    assert recorded_mlflow.calls[-1] == ("set_terminated", ("r", "FINISHED"), {})


def test_mlflow_is_told_of_a_failure(recorded_mlflow):
    logger = MLflow()
    logger.log_metrics({"a": 1.0}, 1)
    logger.__exit__(RuntimeError)
    assert recorded_mlflow.calls[-1] == ("set_terminated", ("r", "FAILED"), {})


def test_what_mlflow_refuses_is_said(recorded_mlflow):
    with pytest.raises(ConfigError, match="MLflow cannot begin a run: no such store"):
        fitted(MLflow(uri="refused"))


@pytest.fixture
def recorded_wandb(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder, module = Recorder(), ModuleType("wandb")

    def init(**options: Any) -> Any:
        if options.get("mode") == "refused":
            raise Refused("no key")
        recorder.calls.append(("init", (), options))
        recorder.__dict__["config"] = recorder
        return recorder

    module.init, module.Error = init, Refused
    monkeypatch.setitem(sys.modules, "wandb", module)
    return recorder


def test_wandb_has_one_run_with_settings_and_metrics_and_ends_it(recorded_wandb):
    fitted(WandB("mine", mode="offline"))
    assert recorded_wandb.calls[0] == ("init", (), {"name": "mine", "project": "velbo", "mode": "offline"})
    (((settings,), _),) = recorded_wandb.named("update")
    assert settings["recipe/recipe"] == "mlp"
    told = recorded_wandb.named("log")
    assert [named for _, named in told] == [{"step": 1}, {"step": 2}]
    assert "validation_bound" in told[0][0][0]
    assert recorded_wandb.calls[-1] == ("finish", (), {"exit_code": 0})


def test_what_wandb_refuses_is_said(recorded_wandb):
    with pytest.raises(ConfigError, match="Weights & Biases cannot begin a run: no key"):
        fitted(WandB(mode="refused"))


@pytest.mark.filterwarnings("ignore")
def test_the_real_mlflow(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = f"file:{tmp_path}"
    logger = MLflow("mine", "tests", uri)
    fitted(logger)
    client = importlib.import_module("mlflow").MlflowClient(uri)
    run = client.get_run(logger.run_id)
    assert run.data.params["recipe/recipe"] == "mlp"
    assert run.info.status == "FINISHED"
    assert [m.step for m in client.get_metric_history(logger.run_id, "validation_bound")] == [1, 2]


@pytest.mark.filterwarnings("ignore")
def test_the_real_wandb(tmp_path):
    pytest.importorskip("wandb")
    logger = WandB("mine", mode="offline", dir=str(tmp_path))
    fitted(logger)
    assert logger.run.config["recipe/recipe"] == "mlp"
    assert next(tmp_path.rglob("*.wandb")).stat().st_size > 1000


def test_a_logger_whose_package_is_missing_says_what_to_install(monkeypatch, tmp_path):
    """On the command line before the run folder is written."""
    for name, make in (("tensorboard", lambda: TensorBoard(tmp_path)), ("mlflow", MLflow), ("wandb", WandB)):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingExtraError, match=rf"velbo\[{name}\]"):
            make()
    code, _, err = call("fit", "iris", *options("--run", tmp_path / "run", "--log", "wandb"))
    assert (code, "velbo[wandb]" in err) == (2, True)
    assert not (tmp_path / "run").exists()


def test_tensorboard_has_metrics_and_settings(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fitted(TensorBoard(tmp_path))
    found = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in found.Scalars("validation_bound")] == [1, 2]
    (text,) = found.Tensors("settings/text_summary")
    assert b"recipe/recipe = mlp" in text.tensor_proto.string_val[0]


class Lines:
    """Lines with the seconds at which they came, by a clock that is set."""

    def __init__(self, seconds: float = 30.0) -> None:
        self.time, self.said = 0.0, list[tuple[float, str]]()
        self.logger = ProgressLines(lambda text: self.said.append((self.time, text)), seconds, lambda: self.time)

    def train(self, epochs: int, steps: int, seconds_a_step: float) -> list[tuple[float, str]]:
        n = epochs * steps
        for step in range(1, n + 1):
            self.time += seconds_a_step
            record = {"epoch": (step - 1) // steps + 1, "train_bound": -1.0}
            if step % steps == 0:
                record |= {"validation_bound": -2.0}
            self.logger.log_progress(step / n, where(record))
            if step % steps == 0:
                self.logger.log_metrics(record, step)
        return self.said


def test_of_short_epochs_a_line_comes_after_the_first_and_every_half_minute():
    said = Lines().train(epochs=100, steps=8, seconds_a_step=0.125)  # exact in binary
    assert [time for time, _ in said] == [1, 31, 61, 91]
    assert said[1][1] == "epoch 31  train bound -1.00  validation -2.00 nats  (31%, 0:01:09 left)"


def test_of_long_epochs_a_line_comes_every_half_minute_and_at_their_end():
    said = Lines().train(epochs=2, steps=10, seconds_a_step=10)
    assert [round(time) for time, _ in said] == [40, 70, 100, 130, 160, 190]
    assert ["validation" in text for _, text in said[:3]] == [False, False, True]


def test_the_time_left_of_a_resumed_run_is_that_of_what_is_left():
    """It begins in the middle of its budget: a quarter in 10 s leaves 10 s for the other."""
    lines = Lines(seconds=5)
    lines.logger.log_progress(0.5, "a")
    lines.time = 10
    lines.logger.log_progress(0.75, "b")
    assert lines.said == [(10, "b  (75%, 0:00:10 left)")]


def test_clock():
    assert [clock(s) for s in (0.4, 59.6, 3600, 360000)] == ["0:00:00", "0:01:00", "1:00:00", "100:00:00"]


def test_the_bar_fits_into_80_columns(capsys, monkeypatch):
    """With the largest numbers that are likely; time left stands before the text."""
    monkeypatch.setenv("COLUMNS", "80")
    with ProgressBar() as bar:
        bar.log_progress(0.5, "")
        bar.log_metrics({"epoch": 100, "train_bound": -12345.67, "validation_bound": -12345.67}, 1)
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.endswith("50% --:-- left epoch 100  train bound -12345.67  validation -12345.67")
    assert len(line) <= 80


def test_off_a_terminal_an_epoch_is_a_plain_line(tmp_path):
    code, _, err = call("fit", "iris", *options("--run", tmp_path / "run", "--epochs", 3))
    assert code == 0
    (line,) = [line for line in err.splitlines() if line.startswith("epoch")]
    assert line.startswith("epoch 1  train bound -")
    assert "\x1b" not in err
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    assert f"validation {last['validation_bound']:.2f} nats" in line
