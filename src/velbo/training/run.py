"""A run is a folder.

    config.json                 what to build, the schema, the objective, the training, versions, the data's fingerprint
    model.safetensors           the best weights so far (by the validation bound), averaged
    metrics.jsonl               one line an evaluation; the same bits for the same seed, interrupted or not
    clock.jsonl                 seconds of training at each of those lines; differs from run to run
    README.md                   the card of the model; see velbo.card
    reference.safetensors       of a model of anomalies, latents of training rows; see velbo.evaluation.reference
    typical.json                what cells are worth in most training rows; see velbo.evaluation.typical
    training_scores.json        scores of training rows, once they were asked for; see scores.py
    report.html                 one page of the model, where the extra `report` is; see velbo.report.page
    checkpoint/                 state and tensors of the training, as it goes; see checkpoints.py

Whoever writes holds the folder's lock; readers need none.

On an object store no file is renamed; see mirror.py.

A model that is saved by itself is config.json and model.safetensors, both new or both old: they are written into the
folder .saved, which appears by one rename, and moved from there one after the other. What is in .saved goes before what
is beside it.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RunError, VelboWarning
from ..files import (
    as_path,
    locked,
    read_file,
    remove_temporaries,
    require_place,
    url_of,
    write_folder_atomically,
    write_json,
    write_tensors,
    write_text,
)
from . import checkpoints, metrics, typical
from .mirror import mirror_of
from .model_files import CONFIG, MODEL, REFERENCE, TYPICAL, ModelFiles
from .state import History, State

if TYPE_CHECKING:
    from torch import Tensor

MAX_CARD = 2**26
REPORT, SCORES = "report.html", "training_scores.json"
CARD, MARK = "README.md", "<!-- This card is written by velbo."


class Run(ModelFiles):
    """The files of one run.

    Args:
        path: of the folder, which need not exist yet; or a URL of an object store, of which there is a copy on this
            machine, see mirror.py.

    Attributes:
        path: of the files.
        place: the same, or the URL.
    """

    def __init__(self, path: str | Path) -> None:
        url = url_of(path)
        self._mirror = None if url is None else mirror_of(url)
        self.path = as_path(path) if self._mirror is None else self._mirror.path
        self.place: str | Path = url or self.path
        self.metrics_file = self.path / "metrics.jsonl"
        self.clock_file = self.path / "clock.jsonl"
        self.checkpoints = self.path / "checkpoint"
        self._saved, self._is_locked = self.path / ".saved", False

    @property
    def scores_file(self) -> Path:
        """Scores of training rows."""
        return self.path / SCORES

    @property
    def report_file(self) -> Path:
        """One page of the model."""
        return self.path / REPORT

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Inside the block this object alone writes into the folder. What a killed process left undone is done first.

        Raises:
            RunError: if another process does, or the folder cannot be written.
        """
        if self._is_locked:
            yield
            return
        with locked(self.path):
            self._is_locked = True
            try:
                self._tidy()
                yield
                self.publish()
            finally:
                self._is_locked = False

    def publish(self) -> None:
        """Write what is new to the store, if the run is on one.

        Raises:
            RunError: if it does not take it.
        """
        if self._mirror is not None:
            self._mirror.publish()

    def refresh(self) -> None:
        """Read what another process has written to the store, if the run is on one."""
        if self._mirror is not None:
            self._mirror.fetch()

    def _tidy(self) -> None:
        others = (self._saved, self.metrics_file, self.clock_file, self.checkpoints)
        own = {CONFIG, MODEL, REFERENCE, TYPICAL, REPORT, SCORES, CARD, *(path.name for path in others)}
        remove_temporaries(self.path, lambda _, name: name in own)
        remove_temporaries(self.checkpoints, lambda *_: True)
        self._move_saved()

    def refuse_if_locked(self) -> None:
        """Raise RunError if another process writes into the folder."""
        with self.locked():
            pass

    def create(self, config: dict[str, Any]) -> None:
        """Start the folder.

        Raises:
            RunError: if there is a run in it already, or it cannot be written.
        """
        self.refuse_if_taken()
        with self.locked():
            self.refuse_if_taken()
            write_json(self.path / CONFIG, config)

    def refuse_if_taken(self) -> None:
        """Raise RunError if there is a run in the folder, or no folder can be there."""
        require_place(self.path)
        if self.config_file.exists():
            raise RunError(
                f"{self.place} holds a run already; continue it with 'velbo resume {self.place}', "
                "or give another folder"
            )

    def write_model(self, weights: dict[str, Tensor]) -> None:
        write_tensors(self.path / MODEL, weights)

    # a model by itself

    def save(
        self,
        config: Any,
        weights: Mapping[str, Tensor],
        log_p: Sequence[float] = (),
        others: Mapping[str, Any] | None = None,
        card: str = "",
        reference: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Write a model, over one that was saved here before; whenever this process is killed, all files are of one.

        Args:
            config: for config.json.
            weights: for model.safetensors.
            log_p: for typical.json.
            others: name of a further JSON file -> what it holds.
            card: for README.md; nothing is written if it is empty, or if another's README.md is there.
            reference: for reference.safetensors, if there is one.

        Raises:
            RunError: if the folder holds a training run, or it cannot be written.
        """

        def write(folder: Path) -> None:
            write_tensors(folder / MODEL, weights)
            if reference:
                write_tensors(folder / REFERENCE, reference)
            for name, value in {CONFIG: config, TYPICAL: typical.to_json(log_p), **(others or {})}.items():
                write_json(folder / name, value)
            if card and self._may_write_card():
                write_text(folder / CARD, card)

        with self.locked():
            self._refuse_training()
            write_folder_atomically(self._saved, write)
            self._move_saved()

    def _refuse_training(self) -> None:
        is_untrained = self.config_file.exists() and not self.model_file.exists()
        if is_untrained or self.metrics_file.exists() or self.checkpoints.exists():
            raise RunError(
                f"{self.place} holds a training run, which a model that is saved would destroy; give another folder"
            )

    def _move_saved(self) -> None:
        if self._saved.is_dir():
            try:
                for file in sorted(self._saved.iterdir()):
                    os.replace(file, self.path / file.name)
                self._saved.rmdir()
            except OSError as error:
                raise RunError(f"{self.path}: cannot be written: {error}") from error

    def write_card(self, text: str) -> None:
        """README.md; one that another has written, or taken velbo's mark out of, is left as it is."""
        if self._may_write_card():
            write_text(self.path / CARD, text)

    def _may_write_card(self) -> bool:
        file = self.path / CARD
        return not os.path.lexists(file) or MARK.encode() in read_file(file, MAX_CARD)

    def write_reference(self, tensors: Mapping[str, Tensor]) -> None:
        write_tensors(self.path / REFERENCE, tensors)

    def write_typical(self, log_p: Sequence[float]) -> None:
        """What a cell of each column is worth in most training rows, nats; NaN where it is not known."""
        write_json(self.path / TYPICAL, typical.to_json(log_p))

    # training

    def write_checkpoint(self, state: State, tensors: dict[str, Tensor]) -> None:
        """Drop all but the last checkpoints, and write a state."""
        if not checkpoints.write(self.checkpoints, state, tensors):
            return
        try:
            if self._mirror is not None:
                self._mirror.publish(waits=())  # training waits meanwhile, and the next one comes soon
        except RunError as error:
            warnings.warn(f"{error}; training goes on, and the next checkpoint is tried", VelboWarning, stacklevel=2)

    def read_checkpoint(
        self, not_finite: Callable[[dict[str, Tensor]], str | None] = lambda _: None
    ) -> tuple[State, dict[str, Tensor]] | None:
        """As `velbo.training.checkpoints.read`."""
        return checkpoints.read(self.checkpoints, not_finite)

    def write_only_checkpoint(self, state: State, tensors: dict[str, Tensor]) -> None:
        """Write the state of a run that is done, which says so only once no earlier checkpoint is left anywhere; see
        privacy.py.

        Raises:
            RunError: if the store, where the run is on one, does not take it.
        """
        checkpoints.write_only(self.checkpoints, replace(state, done=False), tensors)
        if self._mirror is not None:
            self._mirror.publish(keeps_before=False)
        checkpoints.rewrite_state(self.checkpoints, state)
        self.publish()

    def state(self) -> State | None:
        """Where training was when it was saved last; None if it was not, or cannot be read."""
        return checkpoints.last_state(self.checkpoints)

    def append_metrics(self, record: dict[str, Any], seconds: float) -> None:
        metrics.append(self.metrics_file, record)
        metrics.append(self.clock_file, {"step": record["step"], "seconds": round(seconds, 3)})

    def metrics(self, n_lines: int | None = None) -> list[dict[str, Any]]:
        """Every line of metrics.jsonl, or the first.

        Raises:
            RunError: if one is damaged, or there are fewer than ``n_lines``.
        """
        return metrics.read(self.metrics_file, n_lines)

    def history(self) -> History:
        """What training has left so far; nothing where it is damaged, for a model can be used without it."""
        state = self.state()
        try:
            records = self.metrics(state.n_metrics) if state else []
        except RunError:
            return History()
        if state is None:
            return History(records)
        best = math.nan if state.best is None else state.best
        return History(records, best, state.step, state.skipped, state.seconds, state.stale)

    def truncate_metrics(self, n_lines: int) -> None:
        """Keep the first lines: what a killed run wrote after its last checkpoint is written again."""
        for file in (self.metrics_file, self.clock_file):
            metrics.truncate(file, n_lines)
