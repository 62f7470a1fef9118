"""Texts with some cells changed: all other characters as they were, the new cells as their column is written."""

from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from velbo.formats.reading import ColumnReading, Reading
from velbo.formats.text import TextPart

EUROPE = (
    'sep=;\r\n\r\nid;"temp";when;note;pay;on;ok\r\n'
    '18000000000000229651;"1,50";2024-01-01T00:00:00+02:00;"NA";12,5 %;31/12/2023;TRUE\r\n\r\n'
    "18000000000000000000; 2,0 ;;a;3 %;1/2/2023;\n"
    '034E1;;2024-01-02T00:00:00+02:00;"x;y";;;FALSE\r\n   \r\n'
    "0012;7,10;2024-01-03T00:00:00+02:00;;5 %;01/02/2023;TRUE"
)
FILLED = {
    "id": "new",
    "temp": 3.25,
    "when": dt.datetime(2024, 5, 5, 3, tzinfo=dt.UTC),
    "note": "n;b",
    "pay": -0.125,
    "on": dt.date(2020, 3, 4),
    "ok": True,
}


def splice(parts: list[TextPart], targets: list[Path], change) -> int:
    return TextPart.splice(parts, TextPart.schema_of(parts), targets, change)


def filled(*more):
    """Fills all missing cells, and adds columns."""

    def change(table: pa.Table):
        masks = {name: np.asarray(table[name].is_null()) for name in table.column_names}
        new = pa.table({name: pc.fill_null(table[name], FILLED[name]) for name in table.column_names})
        for name, value in more:
            new = new.append_column(name, pa.array([value] * len(new)))
        return [(new, masks)]

    return change


def unchanged(table: pa.Table):
    return [(table, {})]


def copied(folder: Path, text: str | bytes, change, suffix: str = ".csv", target: str = "", **known) -> bytes:
    source, copy = folder / f"source{suffix}", folder / f"copy{target or suffix}"
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    splice([TextPart(source, Reading(**known))], [copy], change)
    return copy.read_bytes()


class TestUnchanged:
    @pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
    def test_texts_are_the_same_bytes(self, tmp_path, codec):
        whole = EUROPE.encode(codec)
        assert copied(tmp_path, whole, unchanged) == whole
        assert copied(tmp_path, gzip.compress(whole), unchanged, target=".csv.gz")[:2] == b"\x1f\x8b"
        assert gzip.decompress((tmp_path / "copy.csv.gz").read_bytes()) == whole

    CELLS = st.text('ab,"\n\r\té \u00a0;#1.5', max_size=5)

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=6), st.data())
    def test_any_mask_leaves_all_other_tokens(self, table, data):
        """In a file with any texts in quotes or without, lines ends and blank lines of all sorts."""
        tokens, gaps = [], ["x,y"]
        for row in table:
            for cell in row:
                plain = not set(cell) & set(',"\n\r') and data.draw(st.booleans())
                tokens.append(cell if plain else '"' + cell.replace('"', '""') + '"')
            gaps += [data.draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\r\n \n"])), ","]
        pieces = [gaps[0], *(piece for pair in zip(gaps[1:], tokens, strict=True) for piece in pair), "\n"]
        mask = data.draw(st.lists(st.booleans(), min_size=len(tokens), max_size=len(tokens)))
        expected = list(pieces)
        for i, is_new in enumerate(mask):
            if is_new:
                expected[2 * i + 2] = "new"
        masks = {"x": np.array(mask[0::2]), "y": np.array(mask[1::2])}

        def change(rows: pa.Table):
            assert len(rows) == len(table)
            return [(pa.table({name: ["new"] * len(rows) for name in masks}), masks)]

        with TemporaryDirectory() as folder:
            known = {"columns": dict.fromkeys(masks, ColumnReading("text")), "header": True, "delimiter": ","}
            written = copied(Path(folder), "".join(pieces), change, **known).decode()
        # a new cell has quotes where the first one of its column has some
        assert written.replace('"new"', "new") == "".join(expected).replace('"new"', "new")

    def test_lines_go_through_in_blocks_of_any_size(self, tmp_path, monkeypatch):
        monkeypatch.setattr("velbo.formats.text.MIN_ROWS", 1)
        monkeypatch.setattr("velbo.formats.text.BLOCK", 64)
        monkeypatch.setattr("velbo.formats.splice.rows_per_batch", lambda schema: 3)
        text = EUROPE + ("\r\n" + EUROPE.partition("ok\r\n")[2]) * 50
        sizes = []

        def change(table: pa.Table):
            sizes.append(len(table))
            return filled()(table)

        (tmp_path / "t.csv").write_bytes(text.encode())
        part = TextPart(tmp_path / "t.csv", block=64)
        assert splice([part], [tmp_path / "u.csv"], change) == sum(sizes)
        assert max(sizes) <= 3
        expected = text
        for empty, new in ((" 2,0 ;;a", " 2,0 ;2024-05-05T05:00:00+02:00;a"), ("034E1;;", '034E1;"3,25";')):
            expected = expected.replace(empty, new)
        written = (tmp_path / "u.csv").read_bytes().decode()
        assert written.count("\r\n   \r\n") == text.count("\r\n   \r\n")
        assert [line.split(";")[0] for line in written.splitlines()] == [
            line.split(";")[0] for line in text.splitlines()
        ]
        assert len(written) > len(text)


class TestNewCells:
    def test_are_written_as_their_column_is(self, tmp_path):
        assert copied(tmp_path, EUROPE, filled()).decode() == (
            EUROPE.replace(" 2,0 ;;a;3 %;1/2/2023;\n", " 2,0 ;2024-05-05T05:00:00+02:00;a;3 %;1/2/2023;TRUE\n")
            .replace(
                '034E1;;2024-01-02T00:00:00+02:00;"x;y";;;',
                '034E1;"3,25";2024-01-02T00:00:00+02:00;"x;y";-0,125 %;04/03/2020;',
            )
            .replace("2024-01-03T00:00:00+02:00;;5", '2024-01-03T00:00:00+02:00;"n;b";5')
        )

    @pytest.mark.parametrize(
        ("cells", "value", "expected"),
        [
            (["1.5"], 0.1, "0.1"),
            (["1.5"], 1e-7, "1e-7"),
            (["1"], 5, "5"),
            (["1,5"], -2.5, "-2,5"),
            (["$5.5", "($1)"], 2.5, "$2.5"),
            (["EUR 5,5"], 2.5, "EUR 2,5"),
            (["1.234.567,5 €"], 2000.5, "2000,5 €"),
            (["5 %", "7 %"], 6, "6 %"),
            (["2020-01-01"], dt.date(2020, 2, 3), "2020-02-03"),
            (["2020-01-01T10:00:00"], dt.datetime(2020, 2, 3, 4), "2020-02-03T04:00:00"),
            (["2020-01-01 10:00"], dt.datetime(2020, 2, 3, 4, 5, 6), "2020-02-03 04:05:06"),
            (["2020-01-01T10:00:00Z"], dt.datetime(2020, 2, 3, 4, tzinfo=dt.UTC), "2020-02-03T04:00:00Z"),
            (["2020-01-01 10:00:00-0130"], dt.datetime(2020, 2, 3, 4, tzinfo=dt.UTC), "2020-02-03 02:30:00-0130"),
            (["31.12.2023"], dt.date(2020, 2, 3), "03.02.2020"),
            (["12/31/23"], dt.date(2020, 2, 3), "02/03/20"),
            (["31 Dec 2023"], dt.date(2020, 2, 3), "03 Feb 2020"),
            (["December 31, 2023"], dt.date(2020, 2, 3), "February 03, 2020"),
            (["31.12.2023 10:00"], dt.datetime(2020, 2, 3, 14, 5), "03.02.2020 14:05"),
            (["12/31/2023 10:00 PM"], dt.datetime(2020, 2, 3, 14, 5), "02/03/2020 02:05 PM"),
            (["true"], False, "false"),
            (["True"], False, "False"),
            (["word"], "two words", "two words"),
            (["word"], "NA", '"NA"'),
            (["word"], 'say "x"', '"say ""x"""'),
            (['"word"'], "other", '"other"'),
        ],
    )
    def test_one_by_one(self, tmp_path, cells, value, expected):
        """Into the last row, whose cell was blank; what is written reads back to the value."""
        text = "n|x\n" + "".join(f"{i}|{cell}\n" for i, cell in enumerate([*cells, ""]))

        def change(table: pa.Table):
            new = pa.array([value] * len(table), table.schema.field("x").type)
            return [(pa.table({"x": new}), {"x": np.arange(len(table)) == len(cells)})]

        assert copied(tmp_path, text, change, ".psv").decode() == text[:-1] + expected + "\n"
        part = TextPart(tmp_path / "copy.psv")
        rows = pa.concat_tables(part.tables(part.schema_of([part])))
        expected_value = value.replace(second=0) if "31.12.2023 10" in cells[0] else value
        assert rows["x"][-1].as_py() == expected_value

    def test_columns_are_added_at_the_end(self, tmp_path):
        change = filled(("score", 0.5), ("a;b", "c"))
        lines = copied(tmp_path, EUROPE, change).decode().split("\r\n")
        assert lines[2] == 'id;"temp";when;note;pay;on;ok;score;"a;b"'
        assert lines[3].endswith(";31/12/2023;TRUE;0,5;c")
        assert lines[-1].endswith(";01/02/2023;TRUE;0,5;c")
        assert copied(tmp_path, "1.5,2\n3.5,4\n", lambda t: [(t.append_column("s", pa.array([1, 2])), {})]) == (
            b"1.5,2,1\n3.5,4,2\n"
        )

    def test_a_missing_value_may_be_new(self, tmp_path):
        def change(table: pa.Table):
            return [(pa.table({"x": pa.nulls(len(table), pa.int64())}), {"x": np.array([True, False])})]

        assert copied(tmp_path, "x,y\n1,2\n3,4\n", change) == b"x,y\n,2\n3,4\n"


class TestOtherTargets:
    def test_another_delimiter_keeps_the_text_of_cells(self, tmp_path):
        text = 'id,temp,note\n0012.10,"16,9","NA"\n007,"1,50","a\tb"\n08.0,"3,0", NA \n'
        assert copied(tmp_path, text, unchanged, target=".tsv").decode() == (
            'id\ttemp\tnote\n0012.10\t16,9\t"NA"\n007\t1,50\t"a\tb"\n08.0\t3,0\t NA \n'
        )
        back = copied(tmp_path, (tmp_path / "copy.tsv").read_bytes(), unchanged, ".tsv", ".csv")
        assert back.decode() == text.replace('"a\tb"', "a\tb"), "quotes that a comma does not ask for"

    def test_the_delimiter_of_a_file_stays_with_its_suffix(self, tmp_path):
        text = "a;b\r\n1,5;2\r\n"
        assert copied(tmp_path, text, unchanged).decode() == text
        assert copied(tmp_path, text, unchanged, target=".txt").decode() == text
        assert copied(tmp_path, text, unchanged, target=".tsv").decode() == "a\tb\r\n1,5\t2\r\n"
        assert copied(tmp_path, "a\tb\n1,5\t2\n", unchanged, ".txt", ".csv").decode() == 'a,b\n"1,5",2\n'

    def test_several_targets_at_once(self, tmp_path):
        (tmp_path / "t.csv").write_text("x,y\n1,a\n2,b\n")
        first = {"x": np.array([True, False])}

        def change(table: pa.Table):
            return [(table, {}), (pa.table({"x": [9, 9]}), first), (pa.table({"x": [8, 8]}), first)]

        targets = [tmp_path / name for name in ("1.csv", "2.csv.zst", "3.tsv")]
        assert splice([TextPart(tmp_path / "t.csv")], targets, change) == 2
        assert targets[0].read_text() == "x,y\n1,a\n2,b\n"
        assert pa.input_stream(str(targets[1]), compression="zstd").read() == b"x,y\n9,a\n2,b\n"
        assert targets[2].read_text() == "x\ty\n8\ta\n2\tb\n"

    def test_several_texts_are_one_below_the_other(self, tmp_path):
        texts = ["x,y\r\n1,a\r\n2,b", "x,y\n 3 ,c\n", "y;x\nd;4.50\n", '"x","y"\n"5.0","NA"\n']
        parts = []
        for i, text in enumerate(texts):
            (tmp_path / f"{i}.csv").write_bytes(text.encode())
            parts.append(TextPart(tmp_path / f"{i}.csv"))
        assert splice(parts, [tmp_path / "all.csv"], lambda table: [(table, {})]) == 5
        written = (tmp_path / "all.csv").read_bytes().decode()
        assert written == 'x,y\r\n1,a\r\n2,b\r\n 3 ,c\n4.50,d\r\n"5.0","NA"\n'

    def test_an_only_column(self, tmp_path):
        text = 'temp\n"16,9"\n""\n3,5\n'

        def change(table: pa.Table):
            return [(pa.table({"temp": [0.5] * 3, "s": [1, 2, 3]}), {"temp": np.asarray(table["temp"].is_null())})]

        assert copied(tmp_path, text, change).decode() == 'temp,s\n"16,9",1\n"0,5",2\n"3,5",3\n'
