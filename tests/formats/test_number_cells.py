"""Numbers as people write them."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velbo.formats.number_cells import affix_of, decimals_of, may_be_number, plain_numbers


def plain(cell: str, decimal: str, thousands: str) -> str | None:
    assert may_be_number(cell)
    return plain_numbers(pa.array([cell]), decimal, thousands, affix_of(cell))[0].as_py()


class TestPlainNumbers:
    @pytest.mark.parametrize(
        ("cell", "decimal", "thousands", "expected"),
        [
            ("-1,234.50", ".", ",", "-1234.50"),
            ("-1.234,50", ",", ".", "-1234.50"),
            ("1'234'567.5", ".", "'", "1234567.5"),
            ("1\u2019234", ".", "'", "1234"),
            ("1 234,50", ",", " ", "1234.50"),
            ("1\u202f234\u00a0567", ",", " ", "1234567"),
            ("12,5", ",", "", "12.5"),
            (",5", ",", "", ".5"),
            ("+5", ".", "", "5"),
            ("1,5e-3", ",", "", "1.5e-3"),
            ("$12.50", ".", "", "12.50"),
            ("$ 1,234", ".", ",", "1234"),
            ("-$12", ".", "", "-12"),
            ("$-12", ".", "", "-12"),
            ("US$ 5", ".", "", "5"),
            ("12,5 %", ",", "", "12.5"),
            ("9.123,50 €", ",", ".", "9123.50"),
            ("EUR 12", ".", "", "12"),
            ("(12.50)", ".", "", "-12.50"),
            ("($1,234)", ".", ",", "-1234"),
            ("\u22125", ".", "", "-5"),
            # what is written otherwise
            ("0,123", ".", ",", None),
            ("1,23", ".", ",", None),
            ("1234,567", ".", ",", None),
            ("1,2345", ".", ",", None),
            ("1.5.5", ".", "", None),
            ("12a", ".", "", None),
            ("(12.5", ".", "", None),
            ("(-12)", ".", "", None),
            ("1e", ".", "", None),
        ],
    )
    def test_cells(self, cell, decimal, thousands, expected):
        assert plain(cell, decimal, thousands) == expected

    def test_an_affix_must_be_there(self):
        assert plain_numbers(pa.array(["5 %", "5", "€5", None]), ".", "", "%").to_pylist() == ["5", None, None, None]

    @settings(max_examples=200, deadline=None)
    @given(
        st.integers(-(10**12), 10**12), st.integers(0, 99), st.sampled_from([".", ","]), st.sampled_from(["$", "%", ""])
    )
    def test_what_is_grouped_is_read_back(self, whole, cents, decimal, affix):
        groups = "," if decimal == "." else "."
        cell = f"{whole:,}.{cents:02d}".replace(",", "x").replace(".", decimal).replace("x", groups) + affix
        assert plain(cell, decimal, groups) == f"{whole}.{cents:02d}"

    def test_words_are_none(self):
        for cell in ("a1", "P12", "", "-", "x", "kg 5"):
            assert not may_be_number(cell)

    def test_which_marks_may_be_decimal(self):
        found = {
            cell: "".join(decimals_of(cell))
            for cell in ("5", "1.5", "1,5", "1.234", "1,234", "1,234.5", "0.123", "€ 1")
        }
        expected = {
            "5": ".,",
            "1.5": ".",
            "1,5": ",",
            "1.234": ".,",
            "1,234": ".,",
            "1,234.5": ".",
            "0.123": ".",
            "€ 1": ".,",
        }
        assert found == expected
