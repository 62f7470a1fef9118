"""Rows of any schema come back: Hypothesis draws the columns' types, their cells and how a text is written."""

from __future__ import annotations

import datetime
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import velbo
from contracts.compressed import model_of
from velbo.compress import compress, decompress
from velbo.compress.columns import same_columns
from velbo.formats.base import as_tensor_column
from velbo.rows import infer

MOMENTS = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1))
SECONDS = MOMENTS.map(lambda t: t.replace(microsecond=0))
TIMES = st.times().map(lambda t: t.replace(microsecond=0))
BINARY32 = st.floats(allow_nan=False, allow_infinity=False, width=32)
CELLS: dict[str, tuple[pa.DataType, st.SearchStrategy]] = {
    "real": (pa.float64(), st.floats(-1e6, 1e6)),
    "any float": (pa.float64(), st.floats()),
    "single": (pa.float32(), BINARY32),
    "half": (pa.float16(), st.floats(-100, 100, width=16).map(np.float16)),
    "decimals": (pa.float64(), st.integers(-9999, 9999).map(lambda n: n / 100)),
    "positive": (pa.float64(), st.floats(1e-9, 1e9)),
    "share": (pa.float64(), st.floats(0, 1)),
    "whole": (pa.int64(), st.integers(-(2**50), 2**50)),
    "any whole": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "small": (pa.int8(), st.integers(-128, 127)),
    "large": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "count": (pa.int32(), st.integers(0, 30)),
    "grade": (pa.uint8(), st.integers(1, 4)),
    "zero or one": (pa.int64(), st.integers(0, 1)),
    "flag": (pa.bool_(), st.booleans()),
    "name": (pa.string(), st.sampled_from(["", "a", "b", "\u00e9", " c", "NA"])),
    "long name": (pa.large_string(), st.sampled_from(["x", "y"])),
    "dictionary": (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["x", "y", "z"])),
    "day": (pa.date32(), st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1))),
    "second": (pa.timestamp("s"), SECONDS),
    "moment": (pa.timestamp("us"), MOMENTS),
    "moment there": (pa.timestamp("ms", "Europe/Vienna"), SECONDS),
    "one value": (pa.int64(), st.just(7)),
    "nothing": (pa.float64(), st.none()),
}
BESIDE: dict[str, tuple[pa.DataType, st.SearchStrategy]] = {
    "text": (pa.string(), st.text(max_size=5)),
    "bytes": (pa.binary(), st.binary(max_size=5)),
    "time of day": (pa.time32("s"), TIMES),
    "decimal": (pa.decimal128(9, 2), st.decimals(-999, 999, places=2)),
    "list": (pa.list_(pa.int64()), st.lists(st.integers(0, 9), max_size=3)),
    "struct": (pa.struct({"a": pa.int64()}), st.fixed_dictionaries({"a": st.integers(0, 9)})),
}
"""Columns without a model."""
SETTINGS = settings(max_examples=15, deadline=None, phases=(Phase.explicit, Phase.generate), derandomize=True)


@st.composite
def tables(draw: st.DrawFn) -> tuple[pa.Table, list[str]]:
    """(rows, columns that get no model)."""
    modelled = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=4, unique=True))
    others = draw(st.lists(st.sampled_from(sorted(BESIDE)), max_size=2, unique=True))
    n = draw(st.integers(8, 20))
    columns = {"own": pa.array(np.arange(n) * 0.5)}
    for name in modelled + others:
        kind, cell = (CELLS | BESIDE)[name]
        cell = cell | st.none() if draw(st.booleans()) else cell
        columns[name] = pa.array(draw(st.lists(cell, min_size=n, max_size=n)), kind)
    if draw(st.booleans()):
        dtype = draw(st.sampled_from([np.uint8, bool, np.float32, np.int64]))
        numbers = draw(st.lists(st.integers(0, 9), min_size=6 * n, max_size=6 * n))
        columns["image"] = as_tensor_column(np.array(numbers).reshape(n, 2, 3).astype(dtype))
    return pa.table(columns), others


def model_of_half(rows: pa.Table, others: list[str]) -> velbo.TrainedModel:
    """Of the first half, so that the others hold what it has not seen; columns that infer refuses go without."""
    dropped = dict.fromkeys(others, "drop")
    while True:
        try:
            return model_of(infer(rows[: len(rows) // 2], dropped), hidden=(4,), latent=2)
        except ValueError as error:
            said = [name for name in rows.column_names if f"'{name}'" in str(error) and name not in dropped]
            if not said:
                raise
            dropped |= dict.fromkeys(said, "drop")


@SETTINGS
@given(tables(), st.booleans())
def test_tables_of_any_schema_come_back(tmp_path_factory, drawn, self_contained):
    rows, others = drawn
    trained = model_of_half(rows, others)
    path = tmp_path_factory.mktemp("x") / "x.vlb"
    compress(trained, rows, path, self_contained=self_contained)
    again = decompress(path, trained=None if self_contained else trained)
    assert again.schema.equals(rows.schema, check_metadata=True)
    for name in rows.column_names:
        assert same_columns(rows[name].combine_chunks(), again[name].combine_chunks()), name


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """A delimited text of some dialect."""
    comma = draw(st.booleans())
    delimiter = draw(st.sampled_from(";\t|" if comma else ",;\t|"))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    quoted, blank = draw(st.booleans()), draw(st.sampled_from(["", " "]))
    missing = draw(st.sampled_from(["", "NA", "?", "nan"]))
    r = np.random.default_rng(draw(st.integers(0, 2**31)))
    lines = [["x", "n", "colour", "day", "note"]]
    for i in range(draw(st.integers(12, 40))):
        x = f"{r.normal() * 9:.{r.integers(0, 4) if r.random() < 0.1 else 2}f}"
        cells = [x.replace(".", ",") if comma else x, str(r.integers(-9, 90)), r.choice(["red", "green"])]
        cells += [f"2024-0{r.integers(1, 9)}-1{r.integers(0, 9)}", r.choice(["a b", f"n{i}", "\u00e9", 'say ""x""'])]
        cells = [missing if r.random() < 0.08 else cell for cell in cells]
        sure = [f'"{cell}"' if quoted or '"' in cell else cell for cell in cells]
        lines.append([blank + cell if j else cell for j, cell in enumerate(sure)])
    text = end.join(delimiter.join(line) for line in lines) + (end if draw(st.booleans()) else "")
    codec, mark = draw(st.sampled_from([("utf-8", b""), ("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe")]))
    return mark + text.encode(codec)


@SETTINGS
@given(texts())
def test_texts_of_any_dialect_come_back_byte_for_byte(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("x")
    (folder / "x.csv").write_bytes(text)
    rows = velbo.open_source(folder / "x.csv").read()
    trained = model_of_half(rows, [name for name in rows.column_names if name.strip() == "note"])
    compress(trained, folder / "x.csv", folder / "x.vlb")
    decompress(folder / "x.vlb", folder / "again.csv", trained=trained)
    assert (folder / "again.csv").read_bytes() == text


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "arrow"])
def test_files_of_typed_rows_come_back(suffix, tmp_path):
    """Every cell of a file of JSON lines, Parquet or Arrow, in the file's own form and in the others."""
    r = np.random.default_rng(0)
    lines = [
        {
            "x": round(float(r.normal()), 3),
            "n": int(r.integers(0, 9)) if i % 7 else None,
            "word": str(r.choice(["a", "b"])),
            "yes": bool(i % 3),
            "note": f"row {i}, \u00e9",
        }
        for i in range(40)
    ]
    path = tmp_path / f"x.{suffix}"
    if suffix == "jsonl":
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        velbo.formats.write_table(pa.Table.from_pylist(lines), path)
    rows = velbo.open_source(path).read()
    trained = model_of(infer(rows, {"note": "drop"}))
    compress(trained, path, tmp_path / "x.vlb")
    for other in ("jsonl", "parquet", "arrow"):
        decompress(tmp_path / "x.vlb", tmp_path / f"again.{other}", trained=trained)
        again = velbo.open_source(tmp_path / f"again.{other}").read()
        assert again.to_pylist() == rows.to_pylist() == lines
    decompress(tmp_path / "x.vlb", tmp_path / f"again.{suffix}", trained=trained)
    assert velbo.open_source(tmp_path / f"again.{suffix}").read().equals(rows)
