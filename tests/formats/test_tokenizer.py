"""Cuts of a text: against the csv module of the standard library, in pieces of any size."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velbo.errors import DataError
from velbo.formats.tokenizer import Tokenizer
from velbo.formats.tokens import Block

CELLS = st.text('ab",; \n\r\té#😀', max_size=5)
TABLES = st.integers(2, 4).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=6)
)


def blocks(text: str, width: int, size: int = 10**6, delimiter: str = ",") -> list[Block]:
    data = text.encode()
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    return list(Tokenizer(Path("t.csv"), delimiter).blocks(pieces, width))


def rows(cut: list[Block]) -> list[list[str]]:
    return [
        list(row)
        for block in cut
        for row in zip(*(block.tokens(j).to_pylist() for j in range(block.width)), strict=True)
    ]


def unquoted(token: str) -> str:
    return token[1:-1].replace('""', '"') if token.startswith('"') else token


class TestTokenizer:
    @settings(max_examples=300, deadline=None)
    @given(TABLES, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.sampled_from([1, 2, 7, 1000]))
    def test_what_python_writes_is_cut_as_python_reads_it(self, table, line_end, ends, size):
        file = io.StringIO(newline="")
        csv.writer(file, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(table)
        text = file.getvalue() if ends else file.getvalue()[: -len(line_end)]
        cut = blocks(text, len(table[0]), size)
        assert [[unquoted(token) for token in row] for row in rows(cut)] == table

    @settings(max_examples=200, deadline=None)
    @given(TABLES, st.sampled_from([1, 3, 1000]))
    def test_tokens_and_what_is_between_them_are_the_text(self, table, size):
        text = "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in table) + "\n\n  \n"
        cut = blocks(text, len(table[0]), size)
        assert b"".join(block.data for block in cut).decode() == text
        for block in cut:
            for i in range(len(block)):
                for j in range(block.width):
                    token = block.data[block.starts[i, j] : block.ends[i, j]].decode()
                    assert token == block.tokens(j)[i].as_py()

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('a,5" pipe\n6",b\n', [["a", '5" pipe'], ['6"', "b"]]),
            ('a, "b, c" \n "d" ,e\n', [["a", '"b, c"'], ['"d"', "e"]]),
            ('a, "b\n"c" ,d', [["a", ' "b'], ['"c"', "d"]]),
            ("a,b\n\n  \n\t\nc,d\n", [["a", "b"], ["c", "d"]]),
            (",\n,\n", [["", ""], ["", ""]]),
            ("a,b\rc,d\r\ne,f\n", [["a", "b"], ["c", "d"], ["e", "f"]]),
        ],
    )
    @pytest.mark.parametrize("size", [1, 1000])
    def test_quotes_elsewhere_than_around_cells_and_blank_lines(self, text, expected, size):
        assert rows(blocks(text, 2, size)) == expected

    def test_blanks_as_delimiters(self):
        assert rows(blocks('"a b" 5"\n"c" d\n', 2, delimiter=" ")) == [['"a b"', '5"'], ['"c"', "d"]]

    def test_one_column_without_a_delimiter(self):
        assert rows(blocks('a,b\n""\n\n"c\n"\n', 1, delimiter="")) == [["a,b"], ['""'], ['"c\n"']]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("a,b\n1\n", "line 2 has 1 cell, the first line has 2$"),
            ('a,b\n\n"x\ny",2\n  \n3,4,5\n', "line 6 has 3 cells, the first line has 2$"),
            ("a,b\n1,2,\n", "line 2 has 3 cells, .* it ends with a delimiter, which makes an empty last cell"),
            ("a,b\n#1\n", "line 2 has 1 cell, .* is it a comment"),
            ('a,b\n1,"open\n3,4\n', r"line 2: the quote before 'open\\n3,4\\n' is not closed"),
            ('a,b\n1,"x" y\n3,4\n', """line 2: the cell '"x" y.* goes on after its closing quote"""),
            ('a,b\n1,"open\n3,"x"\n', "line 2: the cell .* goes on after its closing quote"),
        ],
    )
    def test_what_is_no_table_is_told_by_its_line(self, text, words):
        for size in (1, 1000):
            with pytest.raises(DataError, match=rf"(?s)t\.csv: {words}"):
                blocks(text, 2, size)

    def test_bytes_that_are_no_text(self):
        for data, words in (
            ("ü,b\n1,\xfc\n".encode("latin-1"), "line 1 is not in UTF-8"),
            (b"a,b\n1,\0\n", "line 2 holds a zero byte"),
        ):
            with pytest.raises(DataError, match=words):
                list(Tokenizer(Path("t.csv"), ",").blocks([data], 2))

    def test_a_record_without_end_is_not_kept(self, monkeypatch):
        monkeypatch.setattr("velbo.formats.tokenizer.LONGEST_RECORD", 1000)

        def pieces():
            yield b'a,b\n1,"open\n'
            for _ in range(100):
                yield b"1,2\n" * 10
            raise AssertionError

        with pytest.raises(DataError, match="line 2: the quote before 'open"):
            list(Tokenizer(Path("t.csv"), ",").blocks(pieces(), 2))

    def test_the_line_of_a_row_is_that_of_the_file(self):
        text = 'a,b\n\n"x\ny",2\n3,4\n' * 3
        for size in (1, 5, 1000):
            lines = [block.line_of(i) for block in blocks(text, 2, size) for i in range(len(block))]
            assert lines == [1, 3, 5, 6, 8, 10, 11, 13, 15]
