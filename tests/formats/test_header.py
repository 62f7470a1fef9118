"""Whether the first line is a header, by the lines below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from velbo.formats.cell_values import Words
from velbo.formats.dialect import Sample
from velbo.formats.header import Header, header_of
from velbo.formats.reading import MISSING_WORDS


def header(text: str, known: tuple[str, ...] = ()) -> Header:
    sample = Sample(Path("t.csv"), text.encode(), is_whole=True)
    return header_of(sample.first_rows(sample.dialect(), 101), Words(MISSING_WORDS), known)


YES, NO, YES_IN_DOUBT, NO_IN_DOUBT = Header(True), Header(False), Header(True, True), Header(False, True)


class TestHeader:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            # a cell above a column of another type
            ("a,b\n1,2\n", YES),
            ("name,n\nAnn,1\nBob,2\n", YES),
            ("when,what\n2020-01-01,x\n2020-01-02,y\n", YES),
            ("ok,x\ntrue,a\nfalse,b\n", YES),
            ("id,a,a\n1,2,3\n", YES),
            ("country,2019,2020,total\nDE,1,2,3\nFR,4,5,6\n", YES),
            ("account,x\n0012,a\n0013,b\n", YES),
            (",a,b\n0,x,y\n1,z,y\n", YES),
            # a cell above a column of its own type
            ("1,2\n3,4\n", NO),
            ("1,2,3\n4,5,6\n", NO),
            ("0,1,2\n3,4,5\n", NO),
            ("5.1,3.5,setosa\n4.9,3.0,setosa\n", NO),
            ("25, ?, Male\n61, Private, Female\n42, ?, Male\n", NO),
            ("5.1,3.5,setosa\n4.9,3.0,virginica\n", NO_IN_DOUBT),
            ("10:30,Ann\n11:45,Bob\n", NO_IN_DOUBT),
            ("A07,Ann\nB13,Bob\n", NO_IN_DOUBT),
            ("q1,name\nA07,Ann\n", YES),
            ("0,x\n1,y\n", NO_IN_DOUBT),
            ("1,?\n3,\n", NO),
            (",5\n1,2\n", NO),
            ('""\n5\n', NO),
            ("2020-01-01,1\n2020-01-02,2\n", NO),
            ('"1","2"\n"3","4"\n', NO),
            # words that are equal or come again
            ("p,x,p\ne,x,s\np,y,s\n", NO_IN_DOUBT),
            ("Ann,Rome\nBob,Paris\nAnn,Rome\n", NO_IN_DOUBT),
            ("name,city\nAnn,Rome\nBob,Paris\n", YES),
            # numbers that count
            ("country,2019,2020,2021\nDE,1.5,2.5,3.5\nFR,4.5,5.5,6.5\n", YES_IN_DOUBT),
            ("2019,2020\n17,18\n19,20\n", YES_IN_DOUBT),
            ("1990,1991\n1992,1993\n", NO),
            ("0,1,2\n7,8,8\n9,9,9\n", YES_IN_DOUBT),
            ("0,1\n0.5,0.25\n0.75,0.5\n", YES_IN_DOUBT),
            # quotes
            ('"5","6"\n7,8\n', YES),
            ('"1"\n""\n2\n', YES),
            ('"Ann","Rome"\n"Bob",NA\n"Ann","Rome"\n', NO_IN_DOUBT),
            # one line
            ("a,b\n", YES),
            ("1,2\n", NO),
        ],
    )
    def test_by_what_is_below(self, text, expected):
        assert header(text) == expected

    def test_names_that_are_known_tell(self):
        assert header("a,b\na,c\na,b\n") == NO_IN_DOUBT
        assert header("a,b\na,c\na,b\n", known=("a", "b", "c")) == YES
        assert header("2019,2020\n2021,2022\n", known=("2019", "2020")) == NO
        assert header("0,1,2\n3,4,5\n", known=("0", "1", "2")) == NO
