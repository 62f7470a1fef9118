"""What is given in new rows becomes numbers at its place, and nothing else does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from velbo.errors import ConfigError, DataError, SchemaError
from velbo.rows import infer
from velbo.rows.given import given_fields, given_numbers

FRAME = pd.DataFrame({"size": [1.5, 2.5, 4.0, 0.5], "town": ["a", "b", "a", "b"], "age": [0.25, 7.0, 9.5, 3.0]})
SCHEMA = infer(FRAME)
CONDITION = ("town", "age")


def test_values_and_rows_of_any_container_stand_where_they_stand_in_a_row():
    whole = np.array([[np.nan, 1.0, 2.5], [np.nan, 1.0, 2.5]])
    for given in (
        {"town": "b", "age": 2.5},
        {"age": [2.5, 2.5], "town": ["b", "b"]},
        pd.DataFrame({"town": ["b", "b"], "age": [2.5, 2.5]}),
    ):
        np.testing.assert_array_equal(given_numbers(SCHEMA, CONDITION, given, 2), whole)
    np.testing.assert_array_equal(given_numbers(SCHEMA, CONDITION, {"town": "a"}, 1), [[np.nan, 0.0, np.nan]])


def test_blanks_at_the_ends_of_a_name_need_not_be_typed():
    """Cells come back with theirs, and ' >50K' is hard to see; two names that differ in blanks alone are told apart."""
    schema = infer(pd.DataFrame({"pay": [" <=50K", " >50K", "a", "a "], "n": [1.5, 2.5, 4.0, 0.5]}))
    for typed, code in ((">50K", 1), (" >50K ", 1), ("a", 2), ("a ", 3)):
        assert given_numbers(schema, ["pay"], {"pay": typed}, 1)[0, 0] == code
    with pytest.raises(SchemaError, match="had no ' a' in training"):
        given_numbers(schema, ["pay"], {"pay": " a"}, 1)


def test_fields_are_those_of_the_condition():
    assert [f.name for f in given_fields(SCHEMA, CONDITION)] == ["town", "age"]
    assert [f.name for f in given_fields(SCHEMA, CONDITION, ["age"])] == ["age"]
    with pytest.raises(ConfigError, match="'size'"):
        given_fields(SCHEMA, CONDITION, ["size"])


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match="given: 3 rows are needed, one for each new row, not 2"):
        given_numbers(SCHEMA, CONDITION, {"town": ["a", "b"]}, 3)
    with pytest.raises(SchemaError, match="given: 'town' had no 'c' in training"):
        given_numbers(SCHEMA, CONDITION, {"town": "c"}, 1)
    with pytest.raises(ConfigError, match="'size'"):
        given_numbers(SCHEMA, CONDITION, {"size": 1.0}, 1)
