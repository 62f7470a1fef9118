"""Delimiters, found and refused, by the structure of the lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from velbo.errors import DataError
from velbo.formats.dialect import Dialect, Sample


def dialect(text: str, name: str = "t.csv", asked: str | None = None, is_whole: bool = True) -> Dialect:
    return Sample(Path(name), text.encode(), is_whole).dialect(asked)


class TestDelimiter:
    @pytest.mark.parametrize(
        ("text", "delimiter", "width"),
        [
            ("a,b\n1,2\n", ",", 2),
            ("a;b;c\n1,5;2,5;x\n3,5;4,5;y\n", ";", 3),
            ("1,5;2,5\n3,5;4,5\n", ";", 2),
            ("1.234,50 €;x\n1.000,00 €;y\n", ";", 2),
            ("name\tn\nDoe, John\t1\nRoe, Ann\t2\n", "\t", 2),
            ("last, first\tn\nDoe, John\t1\nRoe, Ann\t2\n", "\t", 2),
            ("a|b\nx, y|1.5\nz, z|2.5\n", "|", 2),
            ('id,text\n1,"a; b; c"\n2,"d"\n3,"e;"\n', ",", 2),
            ('id;text\n1;"a, b, c"\n2;"d"\n', ";", 2),
            ("film,genres\nA,Drama|War\nB,Comedy\n", ",", 2),
            ("a^b\n1^x y\n2^z z\n", "^", 2),
            ("x y z\n1.5 2 3\n4.5 5 6\n", " ", 3),
            ("root:0:x\nann:1:y\n", ":", 3),
            ('a,b\n1,"x\ny;z\n;"\n2,"\n\n"\n', ",", 2),
            ("t,v\n10:30:00,1\n11:45:00,2\n", ",", 2),
            ("a;b\n\n\n1;2\n   \n", ";", 2),
        ],
    )
    @pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.data"])
    def test_of_regular_lines_whatever_the_suffix(self, text, delimiter, width, name):
        assert dialect(text, name) == Dialect(delimiter, width)

    @pytest.mark.parametrize(
        ("text", "delimiter"),
        [
            ("x\n1.5\n2.5\n", ","),
            ("name\nNew York\nLos Angeles\nRome\n", ","),
            ("name\nNew York\nOld Town\n", ","),
            ("t\n10:30:00\n11:45:00\n", ","),
            ("t\n2024-01-01 10:30\n2024-01-02 11:45\n", ","),
            ("name\nBob\nAnn; Roe\nCy\n", ","),
            ("temp\n16,9\n19,9\n21\n", ""),
            ("sum\n1.234,50\n2.000,00\n", ""),
            ("n\n1\n2,5\n", ""),
        ],
    )
    def test_one_column(self, text, delimiter):
        assert dialect(text) == Dialect(delimiter, 1)

    def test_a_tie_is_broken_by_the_suffix(self):
        text = "a,b\tc\nd,e\tf\n"
        assert dialect(text, "t.csv").delimiter == ","
        assert dialect(text, "t.tsv").delimiter == "\t"
        assert dialect(text, "t.TSV.gz").delimiter == "\t"

    def test_what_is_said_counts(self):
        assert dialect("a,b;c\nd,e;f\n", asked=";") == Dialect(";", 2)
        assert dialect("a b\n", asked=" ") == Dialect(" ", 2)
        assert dialect("a\tb\n", asked="\\t") == dialect("a\tb\n", asked="tab") == Dialect("\t", 2)
        assert dialect("a,b\n1,2\n", asked=";") == Dialect(";", 1)
        assert dialect("sep=;\r\na,b;c\n") == Dialect(";", 2, skip=7)
        assert dialect('"sep=|"\na|b\n') == Dialect("|", 2, skip=8)
        for asked in (";;", "é", '"', "\n"):
            with pytest.raises(DataError, match=r"--delimiter .*give one character"):
                dialect("a,b\n", asked=asked)

    def test_a_cut_off_last_line_does_not_count(self):
        assert dialect("a;b\n1;2\n3", is_whole=False) == Dialect(";", 2)
        assert dialect('a,b\n1,2\n3,"x\n', is_whole=False) == Dialect(",", 2)


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("a,b\n1,2\n3\n", r"line 3 has 1 cell, the first line has 2$"),
            ("a;b\n1;2\n3;4;5\n6;7\n", r"line 3 has 3 cells, the first line has 2$"),
            ("1,2\n" * 500 + "3\n", "line 501 has 1 cell"),
            ("sep=;\na;b\n1;2;3\n4;5\n", "line 3 has 3 cells"),
            (
                "# by the lab\na,b\n1,2\n3,4\n",
                "line 1, '# by the lab', has 1 cell, .* is it a comment or a title. Remove",
            ),
            (
                "\nReport of 2023\n\na,b,c\n1,2,3\n",
                "line 2, 'Report of 2023', has 1 cell, the lines below it have 3; is it",
            ),
            ("a,b\n1,2\n# end\n", "line 3 has 1 cell, .*is it a comment"),
            ("a,b,\n1,2,\n3,4,\n", "each line ends with the delimiter ',', which makes an empty last column"),
            ("a,b\n1,2,\n3,4,\n", "line 1, 'a,b', has 2 cells, .* each of these ends with a delimiter"),
            ("a,b\nx,1,2\ny,3,4\n", "line 1, .* does a name lack in it, as that of row numbers"),
            ("a,b\n1,2,\n3,4\n", "line 2 has 3 cells, .* it ends with a delimiter"),
            ("text\nHello, you\nno, not, so\nfine\n", "line 2 has 2 cells, the first line has 1"),
            ("", "the file is empty"),
            ("\n  \n", "the file is empty"),
            ("sep=,\n", "the file is empty"),
            ('"a",b\n"x",1\n3\n', "line 3 has 1 cell"),
            ('a,b\n1,"x\n', "line 2: the quote before 'x.n' is not closed"),
            ("a,b\n1,\0\n", "line 2 holds a zero byte"),
        ],
    )
    def test_the_line_that_differs_is_named(self, text, words):
        with pytest.raises(DataError, match=rf"t\.csv: .*{words}"):
            dialect(text)

    def test_a_line_longer_than_the_sample(self):
        with pytest.raises(DataError, match="a line is longer than 2008 bytes; is a quote opened there and not closed"):
            dialect('"' + "1,2,3\n" * 334 + "xyz", is_whole=False)
