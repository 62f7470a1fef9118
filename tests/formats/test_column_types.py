"""What explains all cells of a column, in any order and any blocks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velbo.formats.cell_values import Cells, Words
from velbo.formats.column_guess import ColumnGuess
from velbo.formats.reading import MISSING_WORDS, ColumnReading
from velbo.formats.tokenizer import Tokenizer

WORDS = Words(MISSING_WORDS)


def guessed(cells: list[str], size: int = 10**6, **known: str) -> ColumnGuess:
    guess = ColumnGuess(**known)
    for start in range(0, len(cells), size):
        text = "".join(f"{cell},\n" for cell in cells[start : start + size]).encode()
        for block in Tokenizer(Path("t.csv"), ",").blocks([text], 2):
            guess.see(Cells(block, 0, WORDS))
    return guess


def best(cells: str, size: int = 10**6, **known: str) -> ColumnReading | None:
    """Of cells between bars; None for text."""
    left = guessed(cells.split("|"), size, **known).left
    return left[0].reading if left else None


INTEGER, NUMBER, DAY, TIME = (ColumnReading(kind) for kind in ("integer", "number", "date", "time"))


class TestColumns:
    @pytest.mark.parametrize(
        ("cells", "expected"),
        [
            ("0|10|-3|0", INTEGER),
            ("9223372036854775807|-9223372036854775808", INTEGER),
            ("1|2|NA||?| nan |3", INTEGER),
            ("9223372036854775808|1", NUMBER),
            ("1|+2.5|.5|1e3|-inf|5.", NUMBER),
            ("-0|1", NUMBER),
            ("0x1F|5", None),
            ("1_000|2", None),
            ("1|x", None),
            ("true|FALSE|NA|True", ColumnReading("boolean")),
            ("true|1", None),
            ("2020-01-01|2020-12-31", DAY),
            ("2020-01-01|2020-01-01 05:00|2020-01-01T05:00:00.5", TIME),
            ("2020-02-30|2020-01-01", None),
            ("2020-01-01T00:00Z|2020-01-01T00:00:00+02:00", ColumnReading("time", date_format="%Y-%m-%dT%H:%M:%S%z")),
            ("2020-01-01 00:00:00 UTC|2020-01-01 00:00:00Z", ColumnReading("time", date_format="%Y-%m-%dT%H:%M:%S%z")),
            ("2020-01-01T00:00Z|2020-01-01", None),
            ("2020-01-01T00:00Z|2020-01-01T00:00", None),
            ("2020-1-5|2020-01-06", ColumnReading("date", date_format="%Y-%m-%d")),
            ('"16,9"|"1,5"|3', ColumnReading("number", ",")),
            ('"1,234.5"|"2,000"|7', ColumnReading("number", ".", ",")),
            ('"1,234,567"|"2,000"|7', ColumnReading("integer", ".", ",")),
            ('"1.234,5"|2.000|7', ColumnReading("number", ",", ".")),
            ("1'234|2'000'000", ColumnReading("integer", ".", "'")),
            ("1 234.5|2 000", ColumnReading("number", ".", " ")),
            ("$5|$7.50|-$1", ColumnReading("number", ".", "", "$")),
            ("5 %|12 %", ColumnReading("integer", ".", "", "%")),
            ("(12.5)|3.5", NUMBER),
            ("$5|7", None),
            ("$5|€7", None),
            ("P12|P13", None),
            ("1'234|2 000", None),
            ("31/12/2023|01/02/2023", ColumnReading("date", date_format="%d/%m/%Y")),
            ("12/31/2023|01/02/2023", ColumnReading("date", date_format="%m/%d/%Y")),
            ("31/12/2023|12/31/2023", None),
            ("31/02/2023|01/02/2023", None),
            ("31.12.23|01.02.23", ColumnReading("date", date_format="%d.%m.%y")),
            ("31 Dec 2023|1 May 2023", ColumnReading("date", date_format="%d %b %Y")),
            ("31 December 2023|1 May 2023", ColumnReading("date", date_format="%d %B %Y")),
            ("31/12/2023 10:00|01/02/2023", ColumnReading("time", date_format="%d/%m/%Y %H:%M")),
            ("31/12/2023 10:00:01 PM|01/02/2023 9:00 am", ColumnReading("time", date_format="%d/%m/%Y %I:%M:%S %p")),
            ("31/12/2023 10:00 +02:00|01/02/2023 9:00Z", ColumnReading("time", date_format="%d/%m/%Y %H:%M%z")),
            ("31/12/2023 10:00 +02:00|01/02/2023 9:00", None),
            ("10:30|11:45", None),
            ("1.10.12|2.3.04", None),
        ],
    )
    @pytest.mark.parametrize("size", [1, 1000])
    def test_are_of_the_simplest_reading_that_explains_all_cells(self, cells, expected, size):
        reverse = "|".join(reversed(cells.split("|")))
        assert [best(cells, size), best(reverse, size)] == [expected] * 2

    CELLS = st.sampled_from(
        "1 25 -7 007 1.5 1.50 0.25 1e5 2E7 3e-4 1.234 12.345 1,5 1,234 1.234,5 $5 $1,5 (3) 2020-01-01 2020-01-01T10:00 "
        "2020-01-01T10:00Z 2020-1-1 31/12/2023 01/02/2023 03/03/2023 31/12/2023T10:00 1.1.2023 12345678901234567890 NA "
        "? true 18000000000000000001 inf -0 x 0x1F 12:30".split()
    )

    @settings(max_examples=150, deadline=None)
    @given(st.lists(CELLS, min_size=1, max_size=6), st.randoms(use_true_random=False), st.integers(1, 4))
    def test_neither_the_order_nor_the_blocks_change_anything(self, cells, random, size):
        cells = [f'"{cell}"' if "," in cell else cell for cell in cells]
        whole = guessed(cells)
        shuffled = list(cells)
        random.shuffle(shuffled)
        parts = guessed(shuffled, size)
        assert [(c.reading, c.kind) for c in parts.left or ()] == [(c.reading, c.kind) for c in whole.left or ()]
        assert parts.words == whole.words
        if whole.is_numeric:
            assert parts.has_brackets == whole.has_brackets
            assert parts.code == whole.code
            assert parts.two_spellings == whole.two_spellings

    @settings(max_examples=300, deadline=None)
    @given(st.lists(CELLS, min_size=1, max_size=6), CELLS)
    def test_one_cell_more_never_brings_a_reading_back(self, cells, cell):
        cells, more = ([f'"{c}"' if "," in c else c for c in some] for some in (cells, [*cells, cell]))
        few = guessed(cells).left
        if few is not None:
            assert len(guessed(more).left or ()) <= len(few)

    def test_what_is_known_leaves_fewer_readings(self):
        assert best('"1,234"|"5,678"', decimal=",") == ColumnReading("number", ",")
        assert best('"1,234"|"5,678"', decimal=".") == ColumnReading("integer", ".", ",")
        assert best("1.5|2.5", decimal=",") is None
        assert best("1|2", decimal=",") == INTEGER
        assert best("20231231|20230101") == INTEGER
        assert best("20231231|20230101", date_format="%Y%m%d") == ColumnReading("date", date_format="%Y%m%d")
        assert best("23/12/31|23/01/02", date_format="%y/%m/%d") == ColumnReading("date", date_format="%y/%m/%d")


class TestCodes:
    @pytest.mark.parametrize(
        ("cells", "code"),
        [
            ("0012.1|5", "zeros"),
            ("007|8", "zeros"),
            ("+0012|8", "zeros"),
            ("-007|8", "zeros"),
            ('"00,5"|"1,5"', "zeros"),
            ("034E1|5", "zeros"),
            ("0|0.5|-0.5|+0.25|10", ""),
            ("18000000000000229651|18000000000000229652", "long"),
            ("18000000000000000000|1", ""),
            ("9007199254740993|1", ""),
            ("9007199254740993|1.5", "long"),
            ("34E1|5", "exponents"),
            ("34e1|5", "exponents"),
            ("34E1|0.5", ""),
            ("3.4E1|5", ""),
            ("1e-05|1e+05", ""),
        ],
    )
    def test_speak_against_numbers(self, cells, code):
        cells = cells.split("|")
        for some in (cells, cells[::-1]):
            for size in (1, 1000):
                assert guessed(some, size).code == code

    def test_two_spellings_of_one_number(self):
        assert guessed(["1.10", "1.9", "1.1"]).two_spellings == ("1.1", "1.10")
        assert guessed(["1.10", "1.90"]).two_spellings is None
        assert guessed(["1", "1.0", "2"]).two_spellings is None
        many = [f"{i / 100:.2f}" for i in range(150, 1500)]
        assert guessed([*many, "1.5"]).two_spellings is None, "measurements, not versions"

    def test_words_are_counted_with_and_without_quotes(self):
        guess = guessed(["NA", " NA ", '"NA"', "", '""', "x", "na"])
        assert guess.words == {"NA": 2, "": 1, "na": 1}
        assert guess.quoted_words == {"NA": 1, "": 1}
