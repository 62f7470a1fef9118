"""JSON lines: types over the whole file, numbers of any length, cells that are copied as they are written."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from velbo.errors import DataError
from velbo.formats import convert, open_source, rewrite, write_table


def write(path: Path, *lines: str, end: str = "\n") -> Path:
    path.write_text("".join(line + end for line in lines), encoding="utf-8", newline="")
    return path


class TestTypes:
    @pytest.mark.parametrize("block", [1, 300, 2**20])
    @pytest.mark.parametrize("reverse", [False, True])
    def test_over_the_whole_file_however_late_a_type_shows(self, tmp_path, monkeypatch, block, reverse):
        """In blocks of a line or of the whole, from either end, with the same result."""
        early = {"a": 1, "b": "2020-01-01", "c": None, "d": "2020-01-01", "e": 5, "f": True}
        late = {"a": 2.5, "b": "x", "c": "y", "d": "2020-01-01T05:00:00", "e": 2**63, "g": "2020-01-01T00:00:00Z"}
        rows = [early] * 50 + [late]
        lines = [json.dumps(row) for row in (reversed(rows) if reverse else rows)]
        monkeypatch.setattr("velbo.formats.json_lines.BLOCK", block)
        source = open_source(write(tmp_path / "t.jsonl", *lines))
        assert {name: str(source.schema.field(name).type) for name in source.names} == {
            "a": "double",
            "b": "string",
            "c": "string",
            "d": "timestamp[us]",
            "e": "uint64",
            "f": "bool",
            "g": "timestamp[us, tz=UTC]",
        }
        read = source.read()
        assert len(read) == 51
        row = {name: values[0 if reverse else -1] for name, values in read.to_pydict().items()}
        assert row["d"] == dt.datetime(2020, 1, 1, 5)
        assert row["e"] == 2**63
        assert (row["a"], row["b"], row["c"], row["f"]) == (2.5, "x", "y", None)
        assert [len(b) for b in source.batches(20)] == [20, 20, 11]

    @pytest.mark.parametrize(
        ("cells", "kind", "values"),
        [
            ("1 -0 3", "int64", [1, 0, 3]),
            ("1 2.0 1e3", "double", [1, 2, 1000]),
            ("9223372036854775807", "int64", [2**63 - 1]),
            ("18446744073709551615 0", "uint64", [2**64 - 1, 0]),
            ("18446744073709551615 -1", "decimal128(38, 0)", [Decimal(2**64 - 1), Decimal(-1)]),
            ("12345678901234567890123 5", "decimal128(38, 0)", [Decimal("12345678901234567890123"), Decimal(5)]),
            ("12345678901234567890123 0.5", "double", [12345678901234567890123.0, 0.5]),
            ("1e300 1", "double", [1e300, 1]),
            ("9007199254740992.0 1", "double", [2.0**53, 1]),
            ("18446744073709551616", "decimal128(38, 0)", [Decimal(2**64)]),
            ("1" + "0" * 40, "double", [1e40]),
            ("true null", "bool", [True, None]),
            ("null null", "null", [None, None]),
            ('"a" null ""', "string", ["a", None, ""]),
            ('"NA" "nan"', "string", ["NA", "nan"]),
            ('"2020-02-29" null', "date32[day]", [dt.date(2020, 2, 29), None]),
            ('"2021-02-29"', "string", ["2021-02-29"]),
            ('"2020-01-01 10:00:00.123456789"', "timestamp[ns]", None),
            ('"2020-01-01T10:00:00"', "timestamp[us]", [dt.datetime(2020, 1, 1, 10)]),
            ('"0012" "1"', "string", ["0012", "1"]),
            ("[1,2] [3]", "list<item: int64>", [[1, 2], [3]]),
            ("[1] [0.5]", "list<item: double>", [[1], [0.5]]),
            ('{"b":1} null', "struct<b: int64>", [{"b": 1}, None]),
            ("NaN 1.5", "double", None),
        ],
    )
    def test_of_cells(self, tmp_path, cells, kind, values):
        lines = [f'{{"x": {cell}}}' for cell in cells.split(" " if '"2020-01-01 ' not in cells else "|")]
        source = open_source(write(tmp_path / "t.ndjson", *lines))
        assert [str(t) for t in source.schema.types] == [kind]
        if values is not None:
            assert source.read()["x"].to_pylist() == values

    def test_keys_in_any_order_and_lacking_ones(self, tmp_path):
        path = write(tmp_path / "t.JSONL", '{"b": 1, "a": 2}', "", '{"a": 3}', "  ", '{"c": "ä😀", "b": 4}')
        source = open_source(path)
        assert source.names == ["b", "a", "c"]
        assert source.read().to_pydict() == {"b": [1, None, 4], "a": [2, 3, None], "c": [None, None, "ä😀"]}
        assert open_source(f"{path}:a").read().to_pydict() == {"a": [2, 3, None]}

    def test_a_byte_order_mark_and_other_line_ends(self, tmp_path):
        path = write(tmp_path / "t.jsonl", '\ufeff{"a": 1}', '{"a": 2}', end="\r\n")
        assert open_source(path).read().to_pydict() == {"a": [1, 2]}

    def test_several_files_are_of_one_type(self, tmp_path):
        for i, cell in enumerate(["1", "2.5", "null"]):
            write(tmp_path / f"{i}.jsonl", f'{{"x": {cell}}}')
        assert open_source(tmp_path).read()["x"].to_pylist() == [1.0, 2.5, None]
        write(tmp_path / "3.jsonl", '{"x": "a"}')
        with pytest.raises(DataError, match=r"column 'x' holds values of type string in .*3\.jsonl, and double before"):
            open_source(tmp_path).read()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (['{"a": 1}', "", '{"a": 1'], "line 3 is no JSON"),
        (['{"a": 1}', "[1]"], "line 2 holds no object"),
        (['{"a": 1}', '{"a": "x"}'], "column 'a' holds a value of type string in line 2, and number before"),
        (['{"a": 1}'] * 3 + ['{"a": true}'], "column 'a' holds a value of type boolean in line 4, and number before"),
        (['{"a": 1, "a": 2}'], "line 1 has the key 'a' twice"),
        (['{"a": 1} {"a": 2}'], "no JSON|does not hold one object"),
        (["{", '"a": 1}'], "line 1 is no JSON|does not hold one object"),
        (['{"a": 1e999}'], "too big"),
        (["a,b", "1,2"], "line 1 is no JSON"),
        (["  "], "the table has no columns"),
        (["{}"], "the table has no columns"),
    ],
)
def test_what_is_none_is_told_with_its_line(tmp_path, lines, words):
    path = write(tmp_path / "t.jsonl", *lines)
    with pytest.raises(DataError, match=rf"t\.jsonl: .*({words})"):
        open_source(path).read()


def test_nesting_without_end_is_told_and_brackets_in_text_are_text(tmp_path):
    """Arrow's parser would end this process."""
    for line in ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", '{"a": ' * 100_000):
        with pytest.raises(DataError, match="line 2 is nested too deeply"):
            open_source(write(tmp_path / "t.jsonl", '{"a": 1}', line))
    rows = open_source(write(tmp_path / "t.jsonl", json.dumps({"a": "[" * 1000}), '{"a": "{"}')).read()
    assert rows["a"].to_pylist() == ["[" * 1000, "{"]


def test_types_that_differ_between_blocks_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("velbo.formats.json_lines.BLOCK", 5)
    path = write(tmp_path / "t.jsonl", '{"a": 1}', '{"a": "x"}')
    with pytest.raises(DataError, match=r"'a' holds values of type string in the lines from 2 on, and int64 before"):
        open_source(path)


def test_text_of_another_encoding_is_told(tmp_path):
    (tmp_path / "t.jsonl").write_bytes('{"a": "x"}\n{"a": "Müller"}\n'.encode("latin-1"))
    with pytest.raises(DataError, match="line 2 is not in UTF-8"):
        open_source(tmp_path / "t.jsonl")


def test_a_file_that_changes_between_the_passes_is_told(tmp_path):
    source = open_source(write(tmp_path / "t.jsonl", '{"a": "2020-01-01"}'))
    assert str(source.schema.field("a").type) == "date32[day]"
    write(tmp_path / "t.jsonl", '{"a": "word"}')
    with pytest.raises(DataError, match=r"not of the type that its column had.*changed meanwhile"):
        source.read()


def test_it_cannot_be_read_from_the_middle_but_converted(tmp_path):
    path = write(tmp_path / "t.jsonl", *(f'{{"x": {i}, "w": "a{i}"}}' for i in range(100)))
    with pytest.raises(DataError, match=r"velbo convert .*t\.jsonl .*t\.parquet"):
        open_source(path).row_groups()
    assert open_source(path).n_rows is None
    assert convert(path, tmp_path / "t.parquet") == 100
    assert open_source(tmp_path / "t.parquet").read().equals(open_source(path).read())


class TestWriting:
    def test_the_standard_library_reads_what_is_written(self, tmp_path):
        rows = pa.table(
            {
                'a "b"\n': [1, None],
                "f": [1.0, float("nan")],
                "s": pa.array([0.1, None], pa.float32()),
                "t": ['ä😀"\\\n\t\x01', None],
                "d": pa.array([0, None], pa.date32()),
                "w": pa.array([0, None], pa.timestamp("ms", "UTC")),
                "m": pa.array([Decimal("1.10"), None]),
                "y": [True, None],
                "n": pa.nulls(2),
                "c": pa.array(["x", None]).dictionary_encode(),
            }
        )
        write_table(rows, tmp_path / "t.jsonl")
        first, second = (tmp_path / "t.jsonl").read_text(encoding="utf-8").splitlines()
        assert json.loads(first, parse_float=str) == {
            'a "b"\n': 1,
            "f": "1.0",
            "s": "0.1",
            "t": 'ä😀"\\\n\t\x01',
            "d": "1970-01-01",
            "w": "1970-01-01 00:00:00.000Z",
            "m": "1.10",
            "y": True,
            "n": None,
            "c": "x",
        }
        assert set(json.loads(second).values()) == {None}

    @pytest.mark.parametrize(
        ("column", "words"),
        [
            ([[1]], r"type list.*, for which JSON has no values; name a \.parquet file"),
            ([b"a"], "type binary, for which JSON"),
            (pa.array([1], pa.duration("s")), "for which JSON has no values"),
            ([float("inf")], r"infinity, which JSON does not have; name a \.parquet file"),
        ],
    )
    def test_what_it_cannot_hold(self, tmp_path, column, words):
        with pytest.raises(DataError, match=rf"t\.jsonl: cannot hold this table: column 'x' .*{words}"):
            write_table(pa.table({"x": column}), tmp_path / "t.jsonl")
        assert not list(tmp_path.iterdir())


class TestCopies:
    LINES = (
        '{"id": 12345678901234567890, "x": 1.10, "w": "\\u00e4\u2028\x85", "more": [{"a": 1e0}]}',
        "",
        '  { "x":null , "id":1,"w":"2020-01-01"}  ',
        '{"id": 12e1}',
        "{}",
    )

    def change(self, rows: pa.Table) -> list:
        """Where x is missing it becomes 0.5, and in the other target 7."""
        missing = np.asarray(rows["x"].is_null())
        return [
            (rows.set_column(rows.column_names.index("x"), "x", [pa.array([v] * len(rows))]), {"x": missing})
            for v in (0.5, 7.0)
        ]

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("block", [1, 2**20])
    def test_observed_cells_are_copied_character_by_character(self, tmp_path, monkeypatch, end, block):
        monkeypatch.setattr("velbo.formats.json_lines.BLOCK", block)
        path = write(tmp_path / "t.jsonl", *self.LINES, end=end)
        targets = [tmp_path / "a.jsonl", tmp_path / "b.ndjson"]
        assert rewrite(open_source(path), targets, self.change) == 4
        for target, token in zip(targets, ("0.5", "7.0"), strict=True):
            lines = target.read_bytes().decode().split(end)
            assert lines == [
                self.LINES[0],
                "",
                f'  {{ "x":{token} , "id":1,"w":"2020-01-01"}}  ',
                f'{{"id": 12e1, "x": {token}}}',
                f'{{"x": {token}}}',
                "",
            ]

    def test_a_copy_without_changes_is_the_same_file(self, tmp_path):
        path = write(tmp_path / "t.jsonl", *self.LINES)
        with path.open("a") as file:
            file.write('{"x": 2.50}')  # and no end of the line
        convert(path, tmp_path / "u.jsonl")
        assert (tmp_path / "u.jsonl").read_bytes() == path.read_bytes()

    def test_columns_that_were_picked_are_written_anew(self, tmp_path):
        path = write(tmp_path / "t.jsonl", '{"a": 1.10, "b": 2}')
        convert(f"{path}:a", tmp_path / "u.jsonl")
        assert (tmp_path / "u.jsonl").read_text() == '{"a": 1.1}\n'
        with pytest.raises(DataError, match="cannot write"):
            rewrite(open_source(path), [tmp_path / "u.nothing"], self.change)


def test_keys_that_are_not_in_utf_8(tmp_path):
    """Arrow looks at the letters of values, and not at those of keys."""
    (tmp_path / "x.jsonl").write_bytes(b'{"a": 1}\n{"a\xff": 2}\n')
    with pytest.raises(DataError, match="line 2 is not in UTF-8"):
        open_source(tmp_path / "x.jsonl").read()
