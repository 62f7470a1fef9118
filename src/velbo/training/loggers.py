"""Where metrics go besides the run folder: anything with `log_metrics`, such as a logger of Lightning's.

    log_metrics(metrics, step)      after every evaluation, one an epoch                  needed
    log_hyperparams(settings)       once, before training: names and plain values         called where there is one
    log_progress(share, text)       after every few steps: the share of the budget that
                                    is used up, and where training is, in words           called where there is one
    finalize(status)                once, at the end: "success", or "failed" where
                                    training was stopped or could not go on               called where there is one

A logger that is a context manager is entered before training and left after it. `TensorBoard`, `MLflow` and `WandB`
need the extra of that name; nothing of them is imported before training starts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol, Self

from ..errors import ConfigError, need


class Logger(Protocol):
    """The one method that every logger has; see the head of this module for the others."""

    def log_metrics(self, metrics: dict[str, Any], step: int) -> None: ...


@contextmanager
def opened(loggers: Iterable[Logger], settings: Mapping[str, Any]) -> Iterator[None]:
    """Inside the block loggers are open: those that are context managers are entered, all are told the settings, and at
    the end of it what came of the training.
    """
    with ExitStack() as stack:
        for logger in loggers:
            if isinstance(logger, AbstractContextManager):
                stack.enter_context(logger)
            stack.push(_finalizing(logger))
        tell_settings(loggers, settings)
        yield


def _finalizing(logger: Logger) -> Callable[..., None]:
    def leave(error: type[BaseException] | None, *_: object) -> None:
        if isinstance(tell := getattr(logger, "finalize", None), Callable):
            tell("success" if error is None else "failed")

    return leave


def tell_settings(loggers: Iterable[Logger], settings: Mapping[str, Any]) -> None:
    """``log_hyperparams`` of every logger that has it, with nested names joined by a stroke: recipe/latent."""
    plain = dict(_flat(settings))
    for logger in loggers:
        if isinstance(tell := getattr(logger, "log_hyperparams", None), Callable):
            tell(plain)


def tell_progress(loggers: Iterable[Logger], share: float, text: str) -> None:
    """``log_progress`` of every logger that has it."""
    for logger in loggers:
        if isinstance(tell := getattr(logger, "log_progress", None), Callable):
            tell(share, text)


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}/")
        elif value is None or isinstance(value, bool | int | float | str):
            yield f"{before}{name}", value
        else:
            yield f"{before}{name}", ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """What can be drawn over steps."""
    plain = {name: value for name, value in metrics.items() if isinstance(value, int | float) and name != "step"}
    return {name: float(value) for name, value in plain.items() if math.isfinite(value)}


class TensorBoard:
    """Writes event files that TensorBoard shows, from the first metrics on.

    Args:
        folder: to write into.

    Raises:
        MissingExtraError: if tensorboard is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        need("tensorboard", "tensorboard")
        self.folder, self._open = str(folder), None

    @property
    def writer(self) -> Any:
        """Of this process: what is opened is not sent to another."""
        from torch.utils.tensorboard import SummaryWriter

        self._open = self._open or SummaryWriter(self.folder)
        return self._open

    def log_hyperparams(self, settings: Mapping[str, Any]) -> None:
        lines = [f"    {name} = {value}" for name, value in settings.items()]
        self.writer.add_text("settings", "\n".join(lines))

    def log_metrics(self, metrics: dict[str, Any], step: int) -> None:
        for name, value in _numbers(metrics).items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()


class MLflow:
    """One run of MLflow, where MLFLOW_TRACKING_URI says or in the folder that MLflow takes by itself.

    Args:
        name: of the run; MLflow's own if not given.
        experiment: that it belongs to.
        uri: of the server, the database or the folder.

    Raises:
        MissingExtraError: if MLflow is not installed; mlflow-skinny is enough.
        ConfigError: when training starts, if MLflow refuses to begin a run.
    """

    MOST_LETTERS = 6000
    """Of a setting; MLflow refuses longer ones."""

    def __init__(self, name: str | None = None, experiment: str = "velbo", uri: str | None = None) -> None:
        need("mlflow", "mlflow")
        self.name, self.experiment, self.uri = name, experiment, uri
        self._client: Any = None
        self.run_id = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if self._client is not None:
            self._client.set_terminated(self.run_id, "FINISHED" if error is None else "FAILED")

    def _begun(self) -> Any:
        """The client, with a run that is its own: another that a program has open is left alone."""
        if self._client is None:
            refused = need("mlflow.exceptions", "mlflow").MlflowException
            try:
                client = need("mlflow", "mlflow").MlflowClient(self.uri)
                found = client.get_experiment_by_name(self.experiment)
                place = found.experiment_id if found else client.create_experiment(self.experiment)
                self.run_id = client.create_run(place, run_name=self.name).info.run_id
            except refused as error:
                raise ConfigError(f"MLflow cannot begin a run: {error}") from error
            self._client = client
        return self._client

    def log_hyperparams(self, settings: Mapping[str, Any]) -> None:
        param = need("mlflow.entities", "mlflow").Param
        params = [param(name, str(value)[: self.MOST_LETTERS]) for name, value in settings.items()]
        client = self._begun()
        for start in range(0, len(params), 100):  # MLflow takes no more at a time
            client.log_batch(self.run_id, params=params[start : start + 100])

    def log_metrics(self, metrics: dict[str, Any], step: int) -> None:
        client, metric, now = self._begun(), need("mlflow.entities", "mlflow").Metric, int(time.time() * 1000)
        client.log_batch(self.run_id, metrics=[metric(k, v, now, step) for k, v in _numbers(metrics).items()])


class WandB:
    """One run of Weights & Biases; without a network it is written beside, with WANDB_MODE=offline.

    Args:
        name: of the run; its own if not given.
        project: that it belongs to.
        options: of ``wandb.init``, such as mode="offline" or dir=....

    Raises:
        MissingExtraError: if wandb is not installed.
        ConfigError: when training starts, if there is no way to begin a run, as without a key and without offline mode.
    """

    def __init__(self, name: str | None = None, project: str = "velbo", **options: Any) -> None:
        need("wandb", "wandb")
        self.options = {"name": name, "project": project, **options}
        self.run: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if self.run is not None:
            self.run.finish(exit_code=0 if error is None else 1)

    def _begun(self) -> Any:
        if self.run is None:
            wandb = need("wandb", "wandb")
            try:
                self.run = wandb.init(**self.options)
            except wandb.Error as error:
                raise ConfigError(f"Weights & Biases cannot begin a run: {error}") from error
        return self.run

    def log_hyperparams(self, settings: Mapping[str, Any]) -> None:
        self._begun().config.update(dict(settings))

    def log_metrics(self, metrics: dict[str, Any], step: int) -> None:
        self._begun().log(_numbers(metrics), step=step)
