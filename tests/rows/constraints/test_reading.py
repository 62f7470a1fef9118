"""Constraints as people write them."""

from __future__ import annotations

import pytest

from velbo.errors import ConfigError
from velbo.rows import Field
from velbo.rows.constraints import Combination, Linear
from velbo.rows.constraints.reading import constraints_of

FIELDS = [
    *(Field(name, "real") for name in ("start", "end", "a", "b", "c", "capital-gain", "with tax", "b > a", "x=1")),
    *(Field(name, "real") for name in ("+", "=", "with", "<= >", "tick`s", "5")),
    Field("grade", "ordinal", categories=(1, 2, 3)),
    Field("town", "categorical", categories=("Jena", "Delft")),
    Field("country", "categorical", categories=("DE", "NL")),
    Field("id", "drop"),
    Field("image", "byte", (2, 2)),
]


def only(text: str) -> Linear | Combination:
    (found,) = constraints_of(text, FIELDS)
    return found


@pytest.mark.parametrize(
    ("text", "columns", "coefficients", "relation", "constant"),
    [
        ("start <= end", ("start", "end"), (1, -1), "<=", 0),
        ("end >= start", ("start", "end"), (1, -1), "<=", 0),
        ("end > start", ("start", "end"), (1, -1), "<", 0),
        ("start<end", ("start", "end"), (1, -1), "<", 0),
        ("a + b = c", ("a", "b", "c"), (1, 1, -1), "=", 0),
        ("a+b=c", ("a", "b", "c"), (1, 1, -1), "=", 0),
        ("a + 2.5 <= capital-gain", ("a", "capital-gain"), (1, -1), "<=", -2.5),
        ("18 <= a", ("a",), (-1,), "<=", -18),
        ("b > a <= x=1", ("b > a", "x=1"), (1, -1), "<=", 0),
        ("grade < with tax", ("grade", "with tax"), (1, -1), "<", 0),
        ("`+` <= a", ("+", "a"), (1, -1), "<=", 0),
        ("`+` + `=` = `<= >`", ("+", "=", "<= >"), (1, 1, -1), "=", 0),
        ("`with`<`b > a`", ("with", "b > a"), (1, -1), "<", 0),
        ("`a`+ b =c", ("a", "b", "c"), (1, 1, -1), "=", 0),
        ("a +b= c", ("a", "b", "c"), (1, 1, -1), "=", 0),
        ("tick`s <= a", ("tick`s", "a"), (1, -1), "<=", 0),
        ("`tick``s` <= a", ("tick`s", "a"), (1, -1), "<=", 0),
        ("a <= 1e+5", ("a",), (1,), "<=", 1e5),
        ("a <= `5` + 5.0", ("a", "5"), (1, -1), "<=", 5),
        ("x=1 < b", ("x=1", "b"), (1, -1), "<", 0),
    ],
)
def test_inequalities_and_sums(text, columns, coefficients, relation, constant):
    assert only(text) == Linear(text, columns, coefficients, relation, constant)


def names_of(text: str, *known: str) -> tuple[str, ...]:
    """Columns of a constraint, where these are known."""
    (found,) = constraints_of(text, [Field(name, "real") for name in known])
    return found.columns


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("`a``b` <= city", ("a`b", "city")),
        ("a`b <= a`", ("a`b", "a`")),
        ("`a``` <= a`b", ("a`", "a`b")),
        ("a`b <= `city`", ("a`b", "city")),
        ("x`b` <= city", ("x`b`", "city")),
        ("`b`+a` = city", ("b", "a`", "city")),
    ],
)
def test_a_name_in_backticks_comes_before_names_that_hold_one(text, columns):
    assert names_of(text, "a`b", "a`", "b", "x`b`", "city") == columns


def test_a_name_that_holds_a_sign_is_none_within_a_longer_one():
    known = ("_x+y", "z_x", "y", "city", "x+y_", "y_z", "x")
    assert names_of("z_x+y=city", *known) == ("z_x", "y", "city")
    assert names_of("x+y_z=city", *known) == ("x", "y_z", "city")
    assert names_of("_x+y=city", *known) == ("_x+y", "city")


@pytest.mark.parametrize(
    ("text", "columns", "constant"),
    [
        ("x1e+b=total", ("x1e", "b", "total"), 0),
        ("1e+b=total", ("1e", "b", "total"), 0),
        ("b+x1e+5 = total", ("b", "x1e", "total"), -5),
        ("b+1e+5 = total", ("b", "total"), -1e5),
        ("b + -2.5E+2+x1e = total", ("b", "x1e", "total"), 250),
        (".5e+1 <= b", ("b",), -5),
        ("1e + 5 = total", ("1e", "total"), -5),
    ],
)
def test_a_plus_belongs_to_a_number_where_all_before_it_is_one(text, columns, constant):
    (found,) = constraints_of(text, [Field(name, "real") for name in ("x1e", "1e", "b", "total")])
    assert isinstance(found, Linear)
    assert (found.columns, found.constant) == (columns, constant)


def test_messages_show_names_as_they_were_written():
    with pytest.raises(ConfigError, match="unknown column") as raised:
        names_of("`b` `c` <= 2 a`", "b", "a`")
    assert "\0" not in str(raised.value)
    assert "'`b` `c`'" in str(raised.value)


def test_chains_are_several():
    assert [c.columns for c in constraints_of("0 <= a <b", FIELDS)] == [("a",), ("a", "b")]
    low, high = constraints_of("0 <= a < b", FIELDS)
    assert (low.columns, high.columns) == (("a",), ("a", "b"))
    assert isinstance(low, Linear)
    assert isinstance(high, Linear)
    assert (low.relation, high.relation) == ("<=", "<")


def test_combinations():
    assert only("town with country") == Combination("town with country", ("town", "country"))
    assert only("`with` with `town`").columns == ("with", "town")
    assert only("town with country with grade").columns == ("town", "country", "grade")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("start", "is none: write 'start <= end'"),
        ("start <= ende", r"unknown column \(of constraint 'start <= ende'\) 'ende'"),
        ("start == end", "is none: write 'start <= end'"),
        ("town <= country", "'town' holds names; .* 'town with OTHER'"),
        ("a + a = c", "each of them once"),
        ("1 <= 2", "needs columns"),
        ("id with town", "'id'"),
        ("image <= a", "'image'"),
        ("+ <= a", r"is none: write .*goes into backticks: `\+` <= total"),
        ("= = a", "goes into backticks"),
        ("a + + b = c", "goes into backticks"),
        ("`nobody` <= a", "'nobody'"),
        ("x=10 <= a", "'x'"),
    ],
)
def test_what_declares_nothing_is_refused(text, said):
    with pytest.raises(ConfigError, match=said):
        constraints_of(text, FIELDS)
