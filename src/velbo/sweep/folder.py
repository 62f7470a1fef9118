"""The folder of a sweep, and the table of its results."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from ..build import is_own
from ..errors import Interrupted, RunError
from ..files import locked, read_json, remove_temporaries, write_json, write_text
from ..training import Run
from ..training.signals import listening
from ..training.state import State
from .workers import Command, Starter, Workers

MEASURED = ("bound", "elbo", "log_likelihood")


class Sweep:
    """The folder of a sweep.

    Args:
        path: of the folder, which need not exist yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.file, self.results_file = self.path / "sweep.json", self.path / "results.csv"

    def create(self, spec: dict[str, Any], configs: Callable[[], list[dict[str, Any]]]) -> None:
        """Write every trial's folder, or find that they are there.

        Args:
            spec: what was asked for, with ``trials``: the settings of each.
            configs: the config.json of each; called only for a new sweep.

        Raises:
            RunError: if the folder holds another sweep.
        """
        if self.file.exists() and read_json(self.file) != json.loads(json.dumps(spec)):
            raise RunError(f"{self.path} holds a sweep over other options; give another --run folder")
        runs = [Run(folder) for folder in self.folders(len(spec["trials"]))]
        if self.file.exists() and all(run.config_file.exists() for run in runs):
            return
        # the options first: trials that a killed process left are then known to be of these
        write_json(self.file, spec)
        for run, config in zip(runs, configs(), strict=True):
            if not run.config_file.exists():
                run.create(config)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Inside the block no other process carries out this sweep.

        Raises:
            RunError: if one does, or the folder cannot be written.
        """
        with locked(self.path):
            remove_temporaries(self.path, lambda *_: True)
            yield

    def folders(self, n: int) -> list[Path]:
        return [self.path / "trials" / f"{i:03d}" for i in range(n)]

    def run(
        self, starter: Starter, test: str | None, samples: int, say: Callable[[str], None], recipe: str = "auto"
    ) -> list[str]:
        """Carry out what is not done yet.

        Args:
            starter: where trials run.
            test: data to evaluate every model on.
            samples: importance samples of that.
            say: for each trial that ends.
            recipe: of trials that set none, as the user typed it: the parts of an import path are the user's word.

        Returns:
            The names of trials that failed.

        Raises:
            Interrupted: on SIGINT or SIGTERM, after every worker has saved.
        """
        trials = read_json(self.file)["trials"]
        waiting = [
            (folder, command)
            for folder, settings in zip(self.folders(len(trials)), trials, strict=True)
            for command in _commands(folder, settings.get("recipe", recipe), test, samples)
        ]
        say(f"{len(trials)} trials, {starter.n} at a time")
        workers = Workers(starter, say)
        with listening() as stop:
            workers.run(waiting, stop)
        if stop:
            raise Interrupted(f"stopped by {stop.name}; give the same command to continue")
        return sorted(folder.name for folder in workers.failed)

    def results(self) -> list[dict[str, Any]]:
        """One record a setting, best first; also written to results.csv."""
        trials = read_json(self.file)["trials"]
        records = [_record(*pair) for pair in zip(trials, self.folders(len(trials)), strict=True)]
        records = sorted(_over_seeds(records), key=_rank, reverse=True)
        names = list(dict.fromkeys(name for r in records for name in r))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        writer.writerows(records)
        write_text(self.results_file, text.getvalue())
        return records


def _commands(folder: Path, recipe: str, test: str | None, samples: int) -> list[Command]:
    """What is left to do in a trial's folder, in order."""
    left, parts = list[Command](), ("--model", recipe) if is_own(recipe) else ()
    name = str(folder.absolute())
    if not _is_done(folder):
        left.append(Command(("resume", name, "--no-report", *parts)))
    evaluation = folder / "evaluation.json"
    if test is not None and not evaluation.exists():
        words = ("evaluate", name, test, "--json", "--samples", str(samples), *parts)
        left.append(Command(words, evaluation))
    return left


def _state(folder: Path) -> State:
    saved = Run(folder).read_checkpoint()
    return saved[0] if saved else State()


def _is_done(folder: Path) -> bool:
    run = Run(folder)
    return _state(folder).done and run.model_file.exists() and run.typical_file.exists()


def _record(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    shown = {k: ",".join(map(str, v)) if isinstance(v, list) else v for k, v in settings.items()}
    record = {"trials": folder.name, **shown, "bound": _state(folder).best}
    evaluation = folder / "evaluation.json"
    if evaluation.exists():
        result = read_json(evaluation)
        record |= {name: result[name] for name in ("elbo", "log_likelihood", "log_likelihood_se")}
    return record


def _rank(record: dict[str, Any]) -> float:
    """By the log-likelihood of test data where it is known, else by the validation bound."""
    known = [record[name] for name in ("log_likelihood", "bound") if record.get(name) is not None]
    return float(known[0]) if known else -math.inf


def _over_seeds(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Trials that differ only in their seed, as one record with means and standard errors over seeds."""
    groups: dict[str, list[dict[str, Any]]] = {}
    apart = {"trials", "seed", "log_likelihood_se", *MEASURED}
    for record in records:
        groups.setdefault(repr({k: v for k, v in record.items() if k not in apart}), []).append(record)
    return [_joined(group) if len(group) > 1 else group[0] for group in groups.values()]


def _joined(group: list[dict[str, Any]]) -> dict[str, Any]:
    joined = {k: v for k, v in group[0].items() if k not in ("seed", "log_likelihood_se")}
    joined |= {"trials": f"{group[0]['trials']}-{group[-1]['trials']}", "seeds": len(group)}
    for name in MEASURED:
        values = [r[name] for r in group if r.get(name) is not None]
        if name in joined and values:
            joined[name] = mean(values)
            joined[f"{name}_se"] = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return joined
