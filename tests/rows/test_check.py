"""A schema that was read: what contradicts itself is refused, and every schema that data gave is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from velbo.errors import ConfigError
from velbo.rows import Field, Schema, infer
from velbo.rows.check import require_sound
from velbo.rows.constraints import Combination, Constraints, Linear

RNG = np.random.default_rng(0)
TABLE = pa.table(
    {
        "age": RNG.integers(18, 90, 100),
        "income": RNG.lognormal(10, 1, 100),
        "share": RNG.random(100),
        "job": RNG.choice(["a", "b", "c"], 100),
        "flag": pa.array([None, True] * 50),
        "day": pa.array(RNG.integers(0, 10**4, 100).astype("M8[D]")),
        "same": ["x"] * 100,
    }
)


@pytest.mark.parametrize(
    "rows",
    [TABLE, RNG.normal(size=(50, 3)), RNG.integers(0, 256, (20, 4, 4)).astype(np.uint8), RNG.random((9, 2)) < 0.5],
)
def test_what_data_give_is_sound(rows):
    require_sound(infer(rows), "schema")


FIELD = Field("x", "real", (2,), low=(0.0, 1.0), high=2.0)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        (replace(FIELD, kind="reel"), "unknown kind"),
        (replace(FIELD, low=(0.0,)), "low holds 1 numbers, and the field has 2 cells"),
        (replace(FIELD, mean=()), "mean holds 0 numbers"),
        (replace(FIELD, high=float("inf")), "high holds a number that is not finite"),
        (replace(FIELD, scale=(1.0, 0.0)), "scale holds a number that is not positive"),
        (replace(FIELD, high=-1.0), "low is above high"),
        (replace(FIELD, dtype="doble"), "its type 'doble' is none of Arrow's"),
        (replace(FIELD, dtype="decimal7(1, 2)"), "is none of Arrow's"),
        (replace(FIELD, frequent=(float("nan"),)), "frequent holds a number"),
        (replace(FIELD, n_missing=-1), "n_missing must be at least 0"),
        (replace(FIELD, levels=10**9), "levels must be at most 65,536"),
        (replace(FIELD, name="x" * 10**6), "its name has 1,000,000 letters"),
        (Field("x", "categorical", categories=("a", "a")), "its categories hold a value twice"),
        (Field("x", "categorical"), "has no categories"),
        (Field("x", "categorical", categories=("a", "b"), counts=(1,)), "counts does not tell"),
        (Field("x", "categorical", categories=("a", "b"), counts=(1, -1)), "counts does not tell"),
    ],
)
def test_what_contradicts_itself(field, said):
    with pytest.raises(ConfigError) as error:
        require_sound(Schema((field, Field("y", "real"))) if field.kind != "reel" else _of(field), "f.json: schema")
    assert said in str(error.value)
    assert len(str(error.value)) < 300


def _of(field: Field) -> Schema:
    schema = object.__new__(Schema)  # the class itself refuses a kind that there is not
    object.__setattr__(schema, "fields", (field,))
    object.__setattr__(schema, "container", "pyarrow")
    return schema


def test_names_and_containers():
    with pytest.raises(ConfigError, match="two fields are called 'x'"):
        require_sound(Schema((FIELD, FIELD)), "schema")
    with pytest.raises(ConfigError, match="no container of the name 'sqlite'"):
        require_sound(Schema((FIELD,), "sqlite"), "schema")


NUMBERS = (Field("a", "real"), Field("b", "real"), Field("c", "categorical", categories=("x", "y")))
SUM = Linear("a = b", ("a", "b"), (1.0, -1.0), "=")
PAIR = Combination("a with c", ("a", "c"), ((0.0, 1.0),))


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        (replace(SUM, columns=("a", "d")), "names a column"),
        (replace(SUM, columns=("a", "a")), "names a column"),
        (replace(SUM, columns=("a", "c")), "compares names"),
        (replace(SUM, relation="~"), "relation '~' is none of"),
        (replace(SUM, coefficients=(1.0,)), "a coefficient for each column"),
        (replace(SUM, coefficients=(1.0, 0.0)), "a coefficient for each column"),
        (replace(SUM, constant=np.nan), "a coefficient for each column"),
        (replace(PAIR, values=()), "no combinations"),
        (replace(PAIR, values=((0.0,),)), "no combinations"),
        (replace(PAIR, values=((0.0, np.inf),)), "no combinations"),
        (replace(PAIR, values=((0.0, 2.0),)), "no combinations"),
        (replace(PAIR, values=((0.0, 0.5),)), "no combinations"),
    ],
)
def test_constraints_that_data_would_not_have_are_refused(constraint, said):
    """The sound ones, of which these differ in one value, are let through."""
    require_sound(Schema(NUMBERS, constraints=Constraints((SUM,), (PAIR,))), "schema")
    is_pair = isinstance(constraint, Combination)
    found = Constraints((), (constraint,)) if is_pair else Constraints((constraint,))
    with pytest.raises(ConfigError, match=said):
        require_sound(Schema(NUMBERS, constraints=found), "schema")
