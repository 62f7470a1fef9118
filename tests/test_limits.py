"""What numbers settings may be: the same in Python, in config.json and on the command line."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_type_hints

import numpy as np
import pytest

from contracts.commands import call
from velbo.config import (
    Budget,
    Machine,
    ObjectiveConfig,
    Optimisation,
    Recipe,
    Validation,
    Weighting,
)
from velbo.errors import ConfigError
from velbo.files import from_json
from velbo.limits import COUNT, SEED, SHARE, Checked, Limits

GROUPS: tuple[type[Any], ...] = (Recipe, ObjectiveConfig, Budget, Optimisation, Weighting, Validation, Machine)


def limits_of(group: type[Any]) -> dict[str, Limits]:
    """Field -> its limits."""
    hints = get_type_hints(group, include_extras=True)
    said = {f.name: getattr(hints[f.name], "__metadata__", ()) for f in fields(group)}
    return {name: each for name, every in said.items() for each in every if isinstance(each, Limits)}


NUMBERS = [(group, name, limits) for group in GROUPS for name, limits in limits_of(group).items()]


def test_every_number_of_every_group_has_limits():
    for group in GROUPS:
        hints = get_type_hints(group)
        numbers = {f.name for f in fields(group) if any(kind in str(hints[f.name]) for kind in ("int", "float"))}
        assert numbers == set(limits_of(group)), group


@pytest.mark.parametrize(("group", "name", "limits"), NUMBERS)
def test_nothing_beyond_the_limits(group, name, limits):
    """NaN, both infinities, a number beyond each end, a text and a list, in Python and from JSON alike."""
    is_list = "tuple" in str(get_type_hints(group)[name])
    step = 1 if "int" in str(get_type_hints(group)[name]) else 0.5
    wrong = [math.nan, math.inf, -math.inf, limits.high * 2 + step, limits.low - step, "x", [[1]], {}]
    wrong += [limits.low] * limits.above + [limits.high] * limits.below
    for value in wrong:
        given = [value] if is_list else value
        with pytest.raises(ConfigError, match=f"{name} must be"):
            group(**{name: tuple(given) if is_list else given})
        with pytest.raises(ConfigError, match=r"where: "):
            from_json(group, {name: given}, "where")


def test_the_ends_themselves():
    assert Recipe(latent=1).latent == 1
    assert Recipe(latent=65_536, hidden=(1, 65_536)).hidden == (1, 65_536)
    assert Machine(seed=2**63 - 1).seed == 2**63 - 1
    for limits, value in ((COUNT, 1), (COUNT, 10**6), (SEED, 0), (SHARE, 0.0)):
        assert limits.check("x", value) == value


def test_a_message_says_the_nearest_number_that_is_right():
    for limits, value, said in (
        (COUNT, 0, "x must be at least 1, not 0"),
        (COUNT, 10**12, "x must be at most 1,000,000, not 1000000000000"),
        (SHARE, 1, "x must be less than 1, not 1"),
        (Limits(1, 9, above=True), 1, "x must be more than 1, not 1"),
        (SHARE, math.nan, "x must be at least 0, not nan"),
    ):
        with pytest.raises(ConfigError) as error:
            limits.check("x", value)
        assert str(error.value) == said


def test_numbers_of_numpy_become_plain():
    made = Recipe(latent=np.int64(3), hidden=(np.int32(4),), dropout=np.float32(0.5))
    assert (type(made.latent), type(made.hidden[0]), type(made.dropout)) == (int, int, float)
    assert made == Recipe(latent=3, hidden=(4,), dropout=0.5)


def test_types_are_held_to():
    @dataclass(frozen=True)
    class Group(Checked):
        flag: bool = False
        word: str = ""
        many: tuple[str, ...] = ()
        some: Annotated[float | None, SHARE] = None

    assert Group(np.bool_(True), "a", ["b"], 0) == Group(True, "a", ("b",), 0.0)  # type: ignore[arg-type]
    for name, value in (("flag", 2), ("word", 1), ("many", "ab"), ("many", (1,)), ("some", "0.5"), ("some", True)):
        with pytest.raises(ConfigError, match=f"{name} must be"):
            Group(**{name: value})


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("score r x.npy -o s.npy --seed -1", "--seed. It must be at least 0"),
        ("score r x.npy -o s.npy --seed 1e23", "--seed"),
        ("evaluate r x.npy --samples 1000000000000", "at most 1,000,000"),
        ("gaps r x.npy --lr inf", "at most"),
        ("gaps r x.npy --lr nan", "more than 0"),
        ("sample r -o s.npy -n 0", "at least 1"),
        ("sweep x.npy --run s --over lr=1,2 --random 1000000000000", "at most"),
        ("sweep x.npy --run s --over lr=1e-3..1e-2 --random 100000", "--random must be at most 10,000"),
        ("sweep x.npy --run s --over lr=1..inf --random 2", "an interval is LOW..HIGH"),
        ("fit x.npy --run r --lr inf", "lr must be a finite number, not inf"),
        ("fit x.npy --run r --latent 1000000000000", "latent must be at most 65,536"),
        ("fit digits --run r --objective tvo:points=1000000000", "points must be at most 1,000"),
        ("fit digits --run r --device meta", "no device 'meta' here"),
        ("fit digits --run ", "a path must have a name"),
        ("info a\0b", "must not hold the character NUL"),
        ("info " + "n/" * 2000, "is too long"),
    ],
)
def test_on_the_command_line_it_is_one_line(command, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(*command.split(" "))
    assert (code, out) == (2, "")
    assert said in err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
