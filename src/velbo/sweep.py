"""Many trainings side by side: a grid or a random search over options, and the same for several seeds.

A trial is a run folder like any other, written before anything starts; a worker is `velbo resume` on it, one process
with one thread on a core of its own. Two such processes do more work than one process with two threads. A sweep that
is stopped or killed goes on where it was: finished trials are not done again, the others resume.

    sweep.json        what was asked for, and the settings of every trial
    trials/000/ ...   run folders, each with log.txt, and evaluation.json if test data were given
    results.csv       one line a setting, best first; over seeds: mean and standard error
"""

from __future__ import annotations

import csv
import itertools
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from dataclasses import fields as fields_of
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from .config import ObjectiveConfig, Recipe, TrainingConfig
from .errors import ConfigError, Interrupted, RunError, unknown
from .files import read_json, write_json
from .training import Run
from .training.signals import listening

POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Settings:
    """What a trial may vary: every field of these groups, by its name."""

    recipe: Recipe
    objective: ObjectiveConfig
    training: TrainingConfig

    def with_values(self, values: dict[str, Any]) -> Settings:
        """A copy with some fields set."""
        changed = self
        for name, value in values.items():
            changed = changed._with(name, value)
        return changed

    def _with(self, name: str, value: Any) -> Settings:
        for part in ("recipe", "objective"):
            group = getattr(self, part)
            if any(f.name == name for f in fields_of(group)):
                return replace(self, **{part: replace(group, **{name: value})})
        for field in fields_of(self.training):
            group = getattr(self.training, field.name)
            if any(f.name == name for f in fields_of(group)):
                changed = replace(group, **{name: value})
                return replace(self, training=replace(self.training, **{field.name: changed}))
        raise unknown("option", name, OPTIONS)

    def to_json(self) -> dict[str, Any]:
        return {part: getattr(self, part).to_json() for part in ("recipe", "objective", "training")}


def _options() -> dict[str, str]:
    groups = [Recipe(), ObjectiveConfig()]
    training = TrainingConfig()
    groups += [getattr(training, f.name) for f in fields_of(training)]
    return {f.name: str(f.type) for group in groups for f in fields_of(group)}


OPTIONS = _options()
"""Name -> type of everything that can vary."""


@dataclass(frozen=True)
class Axis:
    """One option and where its values come from: a list, or an interval drawn from on a log scale."""

    name: str
    values: tuple[Any, ...]
    interval: bool = False

    def draw(self, generator: random.Random) -> Any:
        if not self.interval:
            return generator.choice(self.values)
        low, high = self.values
        value = math.exp(generator.uniform(math.log(low), math.log(high)))
        return round(value) if isinstance(low, int) else float(f"{value:.4g}")


def parse_axis(text: str) -> Axis:
    """ "lr=1e-3,3e-3", "hidden=200,200;512", or for random search "lr=1e-4..1e-2".

    Raises:
        ConfigError: for an unknown option, no value, or a value of the wrong type.
    """
    name, _, values = text.partition("=")
    name = name.strip().lstrip("-").replace("-", "_")
    if name not in OPTIONS:
        raise unknown("option", name, OPTIONS)
    if ".." in values:
        low, high = (_value(name, part) for part in values.split("..", 1))
        if isinstance(low, str | bool | tuple) or not 0 < low < high:
            raise ConfigError(f"{text}: an interval is LOW..HIGH with 0 < LOW < HIGH")
        return Axis(name, (low, high), interval=True)
    separator = ";" if ";" in values or OPTIONS[name].startswith("tuple") else ","
    parts = [part for part in values.split(separator) if part.strip()]
    if not parts:
        raise ConfigError(f"'{text}' names no values: write {name}=A,B")
    return Axis(name, tuple(_value(name, part) for part in parts))


def _value(name: str, text: str) -> Any:
    """A value of the option's type."""
    type_, text = OPTIONS[name].split(" ")[0], text.strip()
    try:
        if type_.startswith("tuple"):
            return tuple(int(part) for part in text.split(",") if part.strip())
        if type_ == "bool":
            return {"true": True, "false": False}[text.lower()]
        return {"int": int, "float": float, "str": str}[type_](text)
    except (ValueError, KeyError):
        raise ConfigError(f"{name} takes values of type {type_}, not '{text}'") from None


def grid(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """Every combination.

    Raises:
        ConfigError: for an interval, which has no list of values.
    """
    for axis in axes:
        if axis.interval:
            raise ConfigError(f"{axis.name} is an interval: say how many to draw with --random N")
    return [dict(zip((a.name for a in axes), c, strict=True)) for c in itertools.product(*(a.values for a in axes))]


def random_search(axes: Sequence[Axis], n: int, seed: int) -> list[dict[str, Any]]:
    """n combinations, each value drawn by itself; a combination of lists comes once at most."""
    generator, found = random.Random(seed), list[dict[str, Any]]()
    for _ in range(100 * n):
        trial = {axis.name: axis.draw(generator) for axis in axes}
        if trial not in found:
            found.append(trial)
        if len(found) == n:
            break
    return found


def settings_of(axes: Sequence[Axis], seeds: int, n_random: int | None, seed: int) -> list[dict[str, Any]]:
    """What each trial sets; with several seeds every setting comes once for each.

    Raises:
        ConfigError: if there is nothing to vary.
    """
    names = [axis.name for axis in axes]
    if len(names) != len(set(names)) or (seeds > 1 and "seed" in names):
        raise ConfigError("every option varies once: --over takes each name once, and --seeds varies the seed")
    if seeds < 1 or (n_random is not None and n_random < 1):
        raise ConfigError("--seeds and --random must be at least 1")
    if not axes and seeds == 1:
        raise ConfigError("say what varies, as in --over lr=1e-3,3e-3 latent=8,16, or --seeds 5")
    trials = grid(axes) if n_random is None else random_search(axes, n_random, seed)
    return trials if seeds == 1 else [{**trial, "seed": seed + i} for trial in trials for i in range(seeds)]


def cores() -> list[int]:
    """Those that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


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
        if self.file.exists():
            if read_json(self.file) != json.loads(json.dumps(spec)):
                raise RunError(f"{self.path} holds a sweep over other options; give another --run folder")
            return
        for folder, config in zip(self.folders(len(spec["trials"])), configs(), strict=True):
            if not (folder / "config.json").exists():
                Run(folder).create(config)
        write_json(self.file, spec)

    def folders(self, n: int) -> list[Path]:
        return [self.path / "trials" / f"{i:03d}" for i in range(n)]

    def run(self, jobs: int, test: str | None, samples: int, say: Callable[[str], None]) -> None:
        """Carry out what is not done yet.

        Raises:
            Interrupted: on SIGINT or SIGTERM, after every worker has saved.
        """
        trials = read_json(self.file)["trials"]
        waiting = [
            (folder, command) for folder in self.folders(len(trials)) for command in _commands(folder, test, samples)
        ]
        say(f"{len(trials)} trials, {jobs} at a time")
        with listening() as stop:
            _Workers(jobs, say).run(waiting, stop)
        if stop:
            raise Interrupted(f"stopped by {stop.name}; give the same command to continue")

    def results(self) -> list[dict[str, Any]]:
        """One record a setting, best first; also written to results.csv."""
        trials = read_json(self.file)["trials"]
        records = [_record(*pair) for pair in zip(trials, self.folders(len(trials)), strict=True)]
        records = sorted(_over_seeds(records), key=lambda r: -(r.get("log_likelihood") or r["bound"] or -math.inf))
        names = list(dict.fromkeys(name for r in records for name in r))
        with self.results_file.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(records)
        return records


def _commands(folder: Path, test: str | None, samples: int) -> list[tuple[list[str], Path | None]]:
    """What is left to do in a trial's folder, in order: (command, file for its stdout)."""
    velbo, left = [sys.executable, "-m", "velbo"], list[tuple[list[str], Path | None]]()
    if not _is_done(folder):
        left.append(([*velbo, "resume", str(folder)], None))
    evaluation = folder / "evaluation.json"
    if test is not None and not evaluation.exists():
        left.append(([*velbo, "evaluate", str(folder), test, "--json", "--samples", str(samples)], evaluation))
    return left


def _state(folder: Path) -> dict[str, Any]:
    saved = Run(folder).read_checkpoint()
    return saved[0] if saved else {}


def _is_done(folder: Path) -> bool:
    return bool(_state(folder).get("done"))


class _Workers:
    """Runs commands, so many at a time, each on a core of its own; a folder's commands one after the other."""

    def __init__(self, jobs: int, say: Callable[[str], None]) -> None:
        places = cores()
        self.free = [places[i % len(places)] for i in range(jobs)]
        self.say, self.running = say, dict[Path, tuple[subprocess.Popen[bytes], int, Path | None]]()
        self.failed = set[Path]()

    def run(self, waiting: list[tuple[Path, tuple[list[str], Path | None]]], stop: Any) -> None:
        told = False
        while waiting or self.running:
            if stop:
                waiting.clear()
                if not told:
                    for process, *_ in self.running.values():
                        process.send_signal(signal.SIGTERM)
                told = True
            for item in list(waiting):
                folder, command = item
                if folder in self.failed:
                    waiting.remove(item)
                elif self.free and folder not in self.running:
                    waiting.remove(item)
                    self.running[folder] = self._start(folder, *command)
            for folder in list(self.running):
                self._collect(folder)
            time.sleep(POLL_SECONDS)

    def _start(self, folder: Path, command: list[str], output: Path | None) -> Any:
        core = self.free.pop(0)
        partial = output.with_suffix(".tmp") if output else None
        with (folder / "log.txt").open("ab") as log, partial.open("wb") if partial else open(os.devnull, "wb") as out:
            process = subprocess.Popen(
                command,
                stdout=out,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, {core})
        return process, core, output

    def _collect(self, folder: Path) -> None:
        process, core, output = self.running[folder]
        code = process.poll()
        if code is None:
            return
        del self.running[folder]
        self.free.append(core)
        if code == 0 and output is not None:
            output.with_suffix(".tmp").replace(output)
        if code not in (0, 130):
            self.failed.add(folder)
            self.say(f"{folder.name} failed, see {folder / 'log.txt'}")
        elif code == 0:
            self.say(f"{folder.name} {'trained' if output is None else 'evaluated'}")


def _record(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    shown = {k: ",".join(map(str, v)) if isinstance(v, list) else v for k, v in settings.items()}
    record = {"trials": folder.name, **shown, "bound": _state(folder).get("best")}
    evaluation = folder / "evaluation.json"
    if evaluation.exists():
        result = read_json(evaluation)
        record |= {name: result[name] for name in ("elbo", "log_likelihood", "log_likelihood_se")}
    return record


MEASURED = ("bound", "elbo", "log_likelihood")


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
