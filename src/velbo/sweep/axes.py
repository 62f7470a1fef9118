"""What varies in a sweep: any option, over a list of values or an interval; and the settings of every trial."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from dataclasses import fields as fields_of
from typing import Any, get_args, get_origin, get_type_hints

from ..config import ObjectiveConfig, Recipe, TrainingConfig
from ..errors import ConfigError, unknown
from ..files import as_json
from ..limits import Limits

TRIALS = Limits(1, 10_000)


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
        return {part: as_json(getattr(self, part)) for part in ("recipe", "objective", "training")}


def _options() -> dict[str, Any]:
    groups = [Recipe, ObjectiveConfig, *get_type_hints(TrainingConfig).values()]
    return {name: _said(hint) for group in groups for name, hint in get_type_hints(group).items()}


def _said(hint: Any) -> Any:
    """The type of what is said: of "int | None", int."""
    others = [each for each in get_args(hint) if each is not type(None)]
    return others[0] if type(None) in get_args(hint) else hint


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
        if isinstance(low, str | bool | tuple) or not 0 < low < high < math.inf:
            raise ConfigError(f"{text}: an interval is LOW..HIGH with 0 < LOW < HIGH")
        return Axis(name, (low, high), interval=True)
    separator = ";" if ";" in values or get_origin(OPTIONS[name]) is tuple else ","
    parts = [part for part in values.split(separator) if part.strip()]
    if not parts:
        raise ConfigError(f"'{text}' names no values: write {name}=A,B")
    return Axis(name, tuple(_value(name, part) for part in parts))


def _value(name: str, text: str) -> Any:
    """A value of the option's type."""
    kind = OPTIONS[name]
    try:
        if get_origin(kind) is tuple:
            return tuple(get_args(kind)[0](part.strip()) for part in text.split(",") if part.strip())
        return {"true": True, "false": False}[text.strip().lower()] if kind is bool else kind(text.strip())
    except (ValueError, KeyError):
        raise ConfigError(f"{name} takes values of type {getattr(kind, '__name__', kind)}, not '{text}'") from None


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
    generator, found = random.Random(seed), dict[tuple[Any, ...], dict[str, Any]]()
    for _ in range(100 * n):
        trial = {axis.name: axis.draw(generator) for axis in axes}
        found.setdefault(tuple(trial.values()), trial)
        if len(found) == n:
            break
    return list(found.values())


def settings_of(axes: Sequence[Axis], seeds: int, n_random: int | None, seed: int) -> list[dict[str, Any]]:
    """What each trial sets; with several seeds every setting comes once for each.

    Raises:
        ConfigError: if there is nothing to vary, or there are too many trials.
    """
    names = [axis.name for axis in axes]
    if len(names) != len(set(names)) or (seeds > 1 and "seed" in names):
        raise ConfigError("every option varies once: --over takes each name once, and --seeds varies the seed")
    TRIALS.check("--seeds", seeds)
    TRIALS.check("--random", 1 if n_random is None else n_random)
    if not axes and seeds == 1:
        raise ConfigError("say what varies, as in --over lr=1e-3,3e-3 latent=8,16, or --seeds 5")
    settings = math.prod(len(axis.values) for axis in axes) if n_random is None else n_random
    TRIALS.check("the number of trials", settings * seeds)
    trials = grid(axes) if n_random is None else random_search(axes, n_random, seed)
    return trials if seeds == 1 else [{**trial, "seed": seed + i} for trial in trials for i in range(seeds)]
