"""Which of several readings a column gets, what is said of it, and what is refused."""

from __future__ import annotations

import pyarrow as pa
import pytest

from velbo.errors import DataError
from velbo.formats.reading import ColumnReading, Note, Reading
from velbo.formats.text import TextPart


@pytest.fixture
def part(tmp_path):
    def opened(text: str, name: str = "t.csv", **known) -> TextPart:
        (tmp_path / name).write_bytes(text.encode())
        return TextPart(tmp_path / name, Reading(**known))

    return opened


def read(part: TextPart) -> dict[str, list]:
    schema = part.schema_of([part])
    return pa.concat_tables(part.tables(schema)).to_pydict()


def notes(part: TextPart, column: str = "") -> list[Note]:
    part.schema_of([part])
    return [note for note in part.notes() if note.column == column]


class TestDecimalMark:
    def test_one_reading_is_taken_and_told(self, part):
        table = part('temp,n\n"16,9",1\n"19,0",2\n')
        assert read(table) == {"temp": [16.9, 19.0], "n": [1, 2]}
        assert notes(table, "temp") == [
            Note("In 'temp' the comma is the decimal mark, as in '16,9'.", "--type temp=text", "temp")
        ]
        assert notes(part("a;b\n1.5;2\n2.5;3\n"), "a") == [], "a point needs no words"

    @pytest.mark.parametrize(
        "text", ['a,b\n"1,234",1\n"5,678",2\n', "a\tb\n1,234\t1\n5,678\t2\n", "a;b\n1.234;1\n5.678;2\n"]
    )
    def test_two_readings_of_other_values_are_refused(self, part, text):
        words = (
            r"column 'a' holds numbers such as '1[.,]234', which is 1.*234 if the decimal mark is a point and 1.*234 "
            r"if it is a comma; say which: --decimal \. or --decimal ,"
        )
        with pytest.raises(DataError, match=rf"t\.csv: {words}"):
            read(part(text))
        mark = "," if "1,234" in text else "."
        assert read(part(text, decimal=mark))["a"] == [1.234, 5.678]
        assert read(part(text, decimal="." if mark == "," else ","))["a"] == [1234, 5678]

    def test_the_option_decides(self, part):
        table = part('a,b\n"1,234",1\n"5,678",2\n', decimal=",")
        assert read(table)["a"] == [1.234, 5.678]

    @pytest.mark.parametrize(
        ("text", "values", "option"),
        [
            # other columns
            ('a,b\n"1,234","1,5"\n"5,678","2,5"\n', [1.234, 5.678], "--decimal ."),
            ('a,b\n"1,234",1.5\n"5,678",2.5\n', [1234, 5678], "--decimal ,"),
            ("a;b\n1.234;1,5\n5.678;2,5\n", [1234, 5678], "--decimal ."),
            ("a;b\n1.234;0.5\n5.678;2.5\n", [1.234, 5.678], "--decimal ,"),
            # the delimiter
            ("a;b\n1,234;1\n5,678;2\n", [1.234, 5.678], "--decimal ."),
            ("a\tb\n1.234\t1\n5.678\t2\n", [1.234, 5.678], "--decimal ,"),
        ],
    )
    def test_what_else_is_in_the_file_decides_in_doubt(self, part, text, values, option):
        table = part(text)
        assert read(table)["a"] == values
        (note,) = notes(table, "a")
        assert note.in_doubt
        assert note.option == option

    def test_a_point_beside_commas_as_delimiters_is_in_no_doubt(self, part):
        table = part("a,b\n1.234,1\n5.678,2\n")
        assert read(table)["a"] == [1.234, 5.678]
        assert notes(table) == notes(table, "a") == []

    def test_a_file_that_has_both_is_refused_where_both_fit(self, part):
        with pytest.raises(DataError, match=r"column 'c' .*--decimal"):
            read(part('a,b,c\n1.5,"1,5","1,234"\n'))
        assert read(part('a,b,c\n1.5,"1,5","1,5"\n')) == {"a": [1.5], "b": [1.5], "c": [1.5]}

    def test_readings_of_equal_values_are_one(self, part):
        assert read(part("a,b\n$5,1e5\n$7,2e-5\n")) == {"a": [5, 7], "b": [1e5, 2e-5]}
        assert read(part("a,b\n1'234,x\n2'000,y\n")) == {"a": [1234, 2000], "b": ["x", "y"]}

    def test_marks_are_told(self, part):
        table = part('a,b\n"$1,234.50",1\n($2.00),2\n')
        assert read(table)["a"] == [1234.5, -2.0]
        words = (
            "In 'a' the comma stands between thousands, '$' does not count and brackets are a minus, as in '$1,234.50'."
        )
        assert notes(table, "a") == [Note(words, "--type a=text", "a")]


class TestDayAndMonth:
    AMBIGUOUS = "when,n\n01/02/2023,1\n03/04/2023,2\n"

    def test_some_day_decides_for_its_column(self, part):
        table = part("eu,us\n31/12/2023,12/31/2023\n01/02/2023,02/01/2023\n")
        rows = read(table)
        assert rows["eu"] == rows["us"]
        assert notes(table, "eu") == [
            Note("The dates of 'eu' are read as %d/%m/%Y: '31/12/2023' is 2023-12-31.", "--type eu=text", "eu")
        ]

    def test_dates_without_one_are_refused(self, part):
        words = r"column 'when' holds dates such as '01/02/2023', .* --date-format %d/%m/%Y or --date-format %m/%d/%Y"
        with pytest.raises(DataError, match=words):
            read(part(self.AMBIGUOUS))

    @pytest.mark.parametrize(("date_format", "month"), [("%d/%m/%Y", 2), ("%m/%d/%Y", 1), ("%d.%m.%Y", 2)])
    def test_the_option_decides(self, part, date_format, month):
        table = part(self.AMBIGUOUS, date_format=date_format)
        assert read(table)["when"][0].month == month

    @pytest.mark.parametrize(
        ("text", "month"),
        [
            ("when,then\n01/02/2023,31/12/2023\n03/04/2023,01/01/2023\n", 2),
            ("when,then\n01/02/2023,12/31/2023\n03/04/2023,01/01/2023\n", 1),
            ("when,then\n01/02/2023,31.12.2023\n03/04/2023,01.01.2023\n", 2),
            ("when;n\n01/02/2023;1\n03/04/2023;2\n", 2),
            ('when,n\n01/02/2023,"1,5"\n03/04/2023,"2,5"\n', 2),
        ],
    )
    def test_what_else_is_in_the_file_decides_in_doubt(self, part, text, month):
        table = part(text)
        assert read(table)["when"][0].month == month
        (note,) = notes(table, "when")
        assert note.in_doubt
        assert note.option == ("--date-format %m/%d/%Y" if month == 2 else "--date-format %d/%m/%Y")

    def test_days_that_are_their_months_are_in_no_doubt(self, part):
        table = part("when,n\n01/01/2023,1\n02/02/2023,2\n")
        assert [day.month for day in read(table)["when"]] == [1, 2]
        assert not notes(table, "when")[0].in_doubt

    def test_whole_numbers_may_be_days(self, part):
        (note,) = notes(part("day,n\n20231231,1\n20230101,2\n"), "day")
        assert note.in_doubt
        assert note.option == "--type day=date --date-format %Y%m%d"
        table = part("day,n\n20231231,1\n", columns={"day": ColumnReading("date")}, date_format="%Y%m%d")
        assert [str(day) for day in read(table)["day"]] == ["2023-12-31"]
        assert notes(part("id,n\n20231301,1\n"), "id") == []

    def test_dots_are_day_first(self, part):
        table = part("when,n\n01.02.2023,1\n")
        assert read(table)["when"][0].month == 2


class TestText:
    def test_codes_are_text_and_told(self, part):
        table = part("account,ref,n\n0012.1,18000000000000229651,1\n300.4,18000000000000229652,2\n")
        assert read(table)["account"] == ["0012.1", "300.4"]
        assert read(table)["ref"] == ["18000000000000229651", "18000000000000229652"]
        (account,), (ref,) = notes(table, "account"), notes(table, "ref")
        assert account == Note(
            "'account' is text: some of its numbers begin with 0, such as '0012.1'.",
            "--type account=number",
            "account",
            True,
        )
        assert "more digits than 64 bits hold, such as '18000000000000229651'" in ref.text
        columns = {"account": ColumnReading("number")}
        assert read(part("account,n\n0012.1,1\n300.4,2\n", columns=columns))["account"] == [12.1, 300.4]

    def test_numbers_that_are_versions_are_in_doubt(self, part):
        table = part("version,n\n1.10,1\n1.9,2\n1.1,3\n")
        assert read(table)["version"] == [1.1, 1.9, 1.1]
        assert notes(table, "version") == [
            Note(
                "'version' has both '1.1' and '1.10', which are one number; are they versions or codes?",
                "--type version=text",
                "version",
                in_doubt=True,
            )
        ]

    def test_numbers_in_quotes_are_text_where_others_are_not_in_quotes(self, part):
        table = part('"zip","n","ok"\n"123",1,"true"\n"456",2,"false"\n')
        assert read(table) == {"zip": ["123", "456"], "n": [1, 2], "ok": ["true", "false"]}
        (note,) = notes(table, "zip")
        assert note.in_doubt
        assert note.option == "--type zip=integer"
        assert read(part('"zip","n"\n"123","1"\n"456","2"\n')) == {"zip": [123, 456], "n": [1, 2]}
        assert read(part('zip,n\n"123",1\n456,2\n')) == {"zip": [123, 456], "n": [1, 2]}
        assert read(part('day,n\n"2020-01-01",1\n'))["day"][0].year == 2020

    def test_names_that_a_shell_would_cut_are_in_quotes(self, part):
        assert notes(part("my zip,n\n007,1\n"), "my zip")[0].option == "--type 'my zip=integer'"


class TestWords:
    def test_are_counted_and_told(self, part):
        table = part("drink,n\nNone,1\nbeer,NA\n,\nNone,3\n")
        assert read(table) == {"drink": [None, "beer", None, None], "n": [1, None, None, 3]}
        assert notes(table) == [
            Note("Cells that count as missing: 2 'None', 2 blank, 1 'NA'.", "--missing-words WORD,WORD")
        ]
        assert notes(table, "drink") == [
            Note(
                "'drink' is text, and 2 cells that are 'None' are counted as missing.",
                "--missing-words 'nan,na,n/a,null,?'",
                "drink",
                in_doubt=True,
            )
        ]
        assert notes(table, "n") == []

    def test_can_be_said(self, part):
        text = "drink,n\nNone,1\nbeer,-99\n,\nnone,3\n"
        assert read(part(text, missing_words=("-99",))) == {
            "drink": ["None", "beer", None, "none"],
            "n": [1, None, None, 3],
        }
        assert read(part(text, missing_words=()))["n"] == [1, -99, None, 3]
        assert read(part("x,y\nÄ,1\nb,2\n", missing_words=("Ä",)))["x"] == [None, "b"]

    def test_in_quotes_are_text_unless_all_cells_are(self, part):
        table = part('country,n\n"NA",1\nDE,2\nNA,3\n"",4\n,5\n')
        assert read(table)["country"] == ["NA", "DE", None, "", None]
        assert [
            (note.text.partition(", and ")[2], note.option.partition(" ")[2]) for note in notes(table, "country")
        ] == [
            ("1 cell that is 'NA' is counted as missing.", "'nan,n/a,null,none,?'"),
            ("1 cell that is 'NA' is in quotes and therefore not counted as missing.", "'nan,na,n/a,null,none,?'"),
            ("1 cell that is empty is in quotes and therefore not counted as missing.", "'nan,na,n/a,null,none,?'"),
        ]
        everywhere = '"country","n"\n"NA","1"\n"DE","2"\n"","3"\n'
        assert read(part(everywhere)) == {"country": [None, "DE", None], "n": [1, 2, 3]}
        assert read(part('country,n\n"NA",1\nDE,2\n', missing_words=("NA",)))["country"] == [None, "DE"]

    def test_in_quotes_are_missing_among_numbers(self, part):
        assert read(part('a,b\n1,"NA"\n2,3\n4,""\n')) == {"a": [1, 2, 4], "b": [None, 3, None]}
        assert read(part('a,b\n1,"NA"\n2,"NA"\n'))["b"] == ["NA", "NA"]
        assert read(part("a,b\n1,NA\n2,\n"))["b"] == [None, None]

    def test_an_only_column_has_quotes_for_missing_values(self, part):
        assert read(part('a\nx\n""\n"NA"\n')) == {"a": ["x", None, "NA"]}
