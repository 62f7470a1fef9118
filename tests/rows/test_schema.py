"""Rows of tables -> numbers -> rows, in every library; what a schema says of itself."""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from contracts.tables import KINDS_OF_EVERYTHING, LIBRARIES, NAN, N, cells_of, everything
from velbo.errors import ConfigError, DataError, SchemaError, VelboWarning
from velbo.files import as_json, from_json
from velbo.rows import Field, Schema, container_of, infer


def schema_of(*fields: Field) -> Schema:
    return Schema(fields)


def v_of(schema: Schema, rows: Any) -> dict[str, np.ndarray]:
    """Field -> its numbers, those of a column (N,)."""
    v = schema.numbers(rows)
    return {f.name: v[:, schema.places[f.name]].squeeze(1) if not f.shape else v for f in schema.modelled}


# there and back


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_column_of_every_kind_is_recognised_and_comes_back_as_it_was(library):
    frame = LIBRARIES[library](everything())
    schema = infer(frame)
    assert {f.name: f.kind for f in schema.fields} == KINDS_OF_EVERYTHING
    assert all(f.reason for f in schema.fields)
    v = schema.numbers(frame)
    assert v.shape == (N, 9)
    assert v.dtype == np.float64
    assert schema.container == container_of(frame).name == library
    assert schema.new(v).equals(frame)


def test_numbers_are_values_places_and_seconds():
    frame = pd.DataFrame(everything())
    schema = infer(frame)
    v = v_of(schema, frame)
    np.testing.assert_array_equal(v["age"], frame["age"])
    job = schema.field("job")
    assert job.categories == (" pilot", "clerk", "nurse")
    assert [job.categories[int(i)] for i in v["job"]] == frame["job"].tolist()
    np.testing.assert_array_equal(v["born"], (frame["born"] - pd.Timestamp(0)).dt.total_seconds())
    size, price, share = (schema.field(name) for name in ("size", "price", "share"))
    assert (size.location, size.scale) == pytest.approx((frame["size"].mean(), frame["size"].std(ddof=0)))
    assert price.scale == pytest.approx(math.exp(np.log(frame["price"]).mean()))
    assert float(share.location) < 0
    assert float(share.location) + float(share.scale) > 1


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("origin", LIBRARIES)
def test_rows_are_given_in_another_library_too(origin, library):
    frame = LIBRARIES[origin](everything())
    schema = replace(infer(frame), container=library)
    back = schema.new(schema.numbers(frame))
    assert container_of(back).name == library
    for name, cells in everything().items():
        assert cells_of(back[name]) == cells, name


@pytest.mark.parametrize("library", LIBRARIES)
def test_columns_are_found_by_name_in_any_order(library):
    whole = everything()
    schema = infer(LIBRARIES[library](whole), {"price": "drop"})
    mixed = LIBRARIES[library](dict(reversed(whole.items())))
    np.testing.assert_array_equal(schema.numbers(mixed), schema.numbers(LIBRARIES[library](whole)))
    del whole["price"], whole["one"]
    schema.numbers(LIBRARIES[library](whole))
    del whole["age"]
    with pytest.raises(SchemaError, match="no field 'age'"):
        schema.numbers(LIBRARIES[library](whole))


def test_new_numbers_are_rounded_and_kept_within_their_type():
    table = pa.table({"i": pa.array([1, 2, 100], pa.int8()), "f": [0.25, 1.5, 2.0], "d": [Decimal("1.5")] * 2 + [None]})
    schema = infer(table, {"i": "integer", "d": "real", "f": "real"})
    back = schema.new(np.array([[7.6, 0.123, 2.26], [300.0, 9, -1e-9]]))
    assert back.schema == table.schema
    assert back.to_pydict() == {"i": [8, 127], "f": [0.12, 9.0], "d": [Decimal("2.3"), Decimal("0.0")]}


def test_clipping_keeps_to_what_was_seen():
    schema = schema_of(
        Field("a", "real", low=-1, high=2),
        Field("b", "drop"),
        Field("c", "count", low=0, high=5),
        Field("d", "real", (2,)),
    )
    clipped = schema.clipped(np.array([[-3.0, 9, -9, 9], [1, 3, -9, 9]]))
    np.testing.assert_array_equal(clipped, [[-1, 5, -9, 9], [1, 3, -9, 9]])


def test_fields_of_several_shapes_lie_one_after_another():
    images = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    rows = {"image": images, "label": np.array(["a", "b", "c"]), "size": np.array([0.5, 1.5, 4.25])}
    schema = infer(rows)
    assert schema.n_dims == 6
    assert schema.places == {"image": slice(0, 4), "label": slice(4, 5), "size": slice(5, 6)}
    assert schema.dims(["size", "label"]) == [5, 4]
    assert [c.name for c in schema.cells] == ["image[0]", "image[1]", "image[2]", "image[3]", "label", "size"]
    assert not schema.is_table
    v = schema.numbers(rows)
    np.testing.assert_array_equal(v[:, :4], images.reshape(3, 4))
    np.testing.assert_array_equal(v[:, 4:], [[0, 0.5], [1, 1.5], [2, 4.25]])
    assert [f.name for f in schema.images()] == ["image"]
    assert not schema.images(apart=["image"])
    for ask in (schema.field, lambda name: schema.dims([name])):
        with pytest.raises(ConfigError, match=r"unknown field 'lable'.* Did you mean 'label'"):
            ask("lable")


def test_a_label_beside_an_image_does_not_widen_it():
    """8 bits a cell for pixels and places in categories, as long as neither is missing nor has a fraction."""
    images, label = np.arange(12, dtype=np.uint8).reshape(3, 2, 2), np.array(["a", "b", "c"])
    rows: dict[str, Any] = {"image": images, "label": label}
    schema = infer(rows)
    assert schema.numbers(rows).dtype == np.uint8
    assert schema.numbers({**rows, "label": np.array(["a", None, "c"], object)}).dtype == np.float64
    rows["size"] = np.array([0.5, 1.5, 4.25])
    assert infer(rows).numbers(rows).dtype == np.float64


def test_an_image_is_not_copied_and_single_precision_is_kept():
    for images in (
        np.random.default_rng(0).integers(0, 256, (5, 4, 3)).astype(np.uint8),
        np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32),
    ):
        v = infer(images).numbers(images)
        assert v.dtype == images.dtype
        assert np.shares_memory(v, images)


# missing values


@pytest.mark.parametrize("library", LIBRARIES)
def test_filling_touches_missing_cells_only(library):
    whole, part = everything(), everything()
    for name, cells in part.items():
        if name != "one":
            part[name] = [None if i % 3 == 1 else v for i, v in enumerate(cells)]
    frame = LIBRARIES[library](part)
    schema = infer(frame, {"price": "drop"})
    filled = schema.filled(frame, schema.numbers(LIBRARIES[library](whole)))
    for name in whole:
        wanted = LIBRARIES[library]({name: part[name] if name == "price" else whole[name]})
        assert cells_of(filled[name]) == cells_of(wanted[name]), name


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_category_that_training_did_not_have_stays_when_rows_are_filled(library):
    """It counts as missing to the model, and is an observed cell to its user."""
    schema = infer(LIBRARIES[library]({"job": ["a", "b", "c"] * 5, "k": [1.5, 2.5, 3.5] * 5}))
    new = LIBRARIES[library]({"job": ["a", "pilot", None], "k": [1.5] * 3})
    with pytest.warns(VelboWarning, match="'pilot'"):
        assert np.isnan(schema.numbers(new)[1, 0])
    filled = schema.filled(new, np.array([[1.0, 9], [1, 9], [1, 9]]))
    assert cells_of(filled["job"]) == ["a", "pilot", "b"]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("cells", "shown"),
    [
        (["Y", None, "Y", None], "(missing), Y"),
        ([2.5, None, 2.5, None], "(missing), 2.5"),
        ([7, None, 7, None], "(missing), 7"),
        ([True, None, True, None], "(missing), True"),
    ],
)
def test_a_flag_or_blank_is_two_values(library, cells, shown):
    """A missing cell is a value: new rows have it, filling leaves it, and `--column died=constant` fills it."""
    frame = LIBRARIES[library]({"died": cells, "size": [1.5, 2.25, 3.0, 7.5]})
    schema = infer(frame)
    died = schema.field("died")
    assert (died.kind, died.categories[0], schema.missing) == ("binary", None, False)
    assert schema.records()[0]["values"] == shown
    assert "--column died=constant" in schema.doubts()[0]
    v = schema.numbers(frame)
    np.testing.assert_array_equal(v[:, 0], [1, 0, 1, 0])
    assert schema.new(v).equals(frame)
    assert cells_of(schema.filled(frame, np.ones((4, 2)))["died"]) == cells
    flipped = schema.changed(frame, np.ones((4, 2), bool), np.column_stack([1 - v[:, 0], v[:, 1]]))
    assert cells_of(flipped["died"]) == [None, cells[0], None, cells[0]]
    first = schema.changed(frame, np.array([[True, False]] + [[False] * 2] * 3), np.zeros((4, 2)))
    assert cells_of(first["died"]) == [None, *cells[1:]]
    gaps = infer(frame, {"died": "constant"})
    assert cells_of(gaps.filled(frame, np.zeros((4, 1)))["died"]) == [cells[0]] * 4


def test_a_flag_among_declared_categories_keeps_them():
    for ordered in (False, True):
        frame = pd.DataFrame({"x": pd.Categorical(["q", None, "q"], ["p", "q"], ordered=ordered)})
        schema = infer(frame)
        assert schema.field("x").kind == "categorical"
        assert schema.field("x").categories == (None, "p", "q")
        pd.testing.assert_frame_equal(schema.new(schema.numbers(frame)), frame)


def test_words_for_missing_values_are_words_in_typed_data():
    words = ["NA", "None", "nan", "", "?", "null"]
    table = pa.table({"x": words * 3})
    schema = infer(table)
    assert schema.field("x").categories == tuple(sorted(words))
    assert schema.field("x").n_missing == 0
    assert schema.new(schema.numbers(table)).equals(table)
    assert schema.filled(table, np.zeros((18, 1))).equals(table)


# later rows


def test_unseen_categories_count_as_missing_and_are_counted():
    schema = infer(pd.DataFrame({"job": ["a", "b", "c"] * 5, "k": [1.5, 2.5, 3.5] * 5}))
    new = pd.DataFrame({"job": ["a", "pilot", "chef", "pilot"], "k": [1.5] * 4})
    with pytest.warns(VelboWarning, match="3 cells hold 2 categories that training did not have .first 'pilot'."):
        v = schema.numbers(new)
    np.testing.assert_array_equal(v[:, 0], [0, NAN, NAN, NAN])


def test_values_of_another_type_are_understood():
    schema = infer(pd.DataFrame({"code": pd.Categorical(["1", "2", "3"] * 5), "n": [1.5, 2, 7] * 5}))
    new = pd.DataFrame({"code": [3, 1], "n": [" +2.5", None]})
    np.testing.assert_array_equal(schema.numbers(new), [[2, 2.5], [0, NAN]])
    array = np.array([["2", 7.5], [None, 1]], dtype=object)
    np.testing.assert_array_equal(schema.numbers(array), [[1, 7.5], [NAN, 1]])
    array = np.array([[2, "7.5"], ["1", pd.NA], [NAN, 1]], dtype=object)
    np.testing.assert_array_equal(schema.numbers(array), [[1, 7.5], [0, NAN], [NAN, 1]])


@pytest.mark.parametrize("word", ["nan", "inf", "?", "1_000", "", "0x1F", "1,5"])
def test_words_are_no_numbers(word):
    with pytest.raises(SchemaError, match=rf"row 1, column 'n' holds '\{word}'" if word == "?" else f"holds '{word}'"):
        schema_of(Field("n", "real")).numbers(pa.table({"n": ["1", word]}))


@pytest.mark.parametrize(
    ("trained", "new", "wanted"),
    [
        ([0, 1, 1], ["1.0", "0", None], [1, 0, NAN]),
        ([0, 1, 1], [True, False, None], [1, 0, NAN]),
        ([0, 1, 1], [1.0, 0.0, NAN], [1, 0, NAN]),
        ([True, False], ["True", "false", "1"], [1, 0, 1]),
        ([True, False], [1, 0, 1], [1, 0, 1]),
        (["1", "01"], [1, 1], [0, 0]),
        (["1", "01"], ["01", "1"], [0, 1]),
        (["2", "1"], [Decimal("1.0"), Decimal(2)], [0, 1]),
        (["true", "false"], [True, False], [1, 0]),
        ([2**60, 2**60 + 1], ["1152921504606846977", "1152921504606846976"], [1, 0]),
    ],
    ids=str,
)
def test_a_category_is_what_a_cell_means_if_its_type_is_another(trained, new, wanted):
    """Text is matched as it is, so that 01 (code 0) and 1 stay two things; a number may be either, and is the first."""
    schema = infer(pd.DataFrame({"x": trained}))
    np.testing.assert_array_equal(schema.numbers(pd.DataFrame({"x": new}))[:, 0], wanted)


def test_categories_of_single_precision_are_found_in_double_and_back():
    v = np.array([0.1, 0.2, 0.7])
    for a, b in ((v, v.astype(np.float32)), (v.astype(np.float32), v)):
        schema = infer(pd.DataFrame({"x": a}), {"x": "categorical"})
        if a.dtype == np.float32:
            np.testing.assert_array_equal(schema.numbers(pd.DataFrame({"x": b}))[:, 0], [0, 1, 2])
        np.testing.assert_array_equal(schema.numbers(pd.DataFrame({"x": a}))[:, 0], [0, 1, 2])


def test_whole_numbers_beyond_53_bits_are_told_apart_as_categories_and_constants():
    """Floats do not tell them from their neighbours."""
    for kind, cells in (("int64", [2**62 + 1, 2**62 + 3, -5]), ("uint64", [2**64 - 1, 2**64 - 2, 7])):
        frame = pd.DataFrame({"x": pd.Series(cells * 2, dtype=kind), "one": pd.Series([cells[0]] * 6, dtype=kind)})
        schema = infer(frame, {"x": "categorical"})
        assert set(schema.field("x").categories) == set(cells)
        pd.testing.assert_frame_equal(schema.new(schema.numbers(frame)), frame)
        with pytest.warns(VelboWarning, match="1 cells hold 1 categories"):
            assert np.isnan(
                schema.numbers(frame.assign(x=pd.Series([2**62 + 2, *cells, *cells[:2]], dtype=kind)))[0, 0]
            )
        with pytest.warns(VelboWarning, match="one' was"):
            schema.numbers(frame.assign(one=pd.Series([cells[1]] * 6, dtype=kind)))


def test_cells_that_do_not_fit_their_kind_are_named():
    schema = schema_of(
        Field("n", "count"),
        Field("p", "positive"),
        Field("b", "bounded", location=0.0, scale=1.0),
        Field("i", "integer"),
    )
    good = {"n": [1, 2], "p": [1.0, 2.0], "b": [0.5, 0.5], "i": [-1, 2]}
    assert schema.numbers(pd.DataFrame(good)).shape == (2, 4)
    for name, bad, words in [
        ("n", -1, "row 1, column 'n' holds -1, which is no whole number from 0"),
        ("p", 0.0, "row 1, column 'p' holds 0, which is not above 0"),
        ("b", 1.5, "column 'b' holds 1.5, which does not lie between"),
        ("i", 0.5, "not whole"),
        ("i", math.inf, "row 1, column 'i' holds inf"),
        ("n", "many", "row 1, column 'n' holds 'many', which is no number"),
        ("n", 1e40, r"which is over 1e\+30"),
        ("p", 1e40, r"holds 1e\+40, which differs from what is usual by a factor of over 1e\+30"),
        ("p", 1e-40, "differs from what is usual"),
        ("i", 1e12, r"which is over 1e\+09 standard deviations from the training data's mean"),
    ]:
        first = str(good[name][0]) if isinstance(bad, str) else good[name][0]
        with pytest.raises(SchemaError, match=words):
            schema.numbers(pd.DataFrame({**good, name: [first, bad]}))


def test_arrays_that_do_not_fit_are_named_by_their_cell():
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 9)).astype(np.uint8)
    schema = infer(images)
    with pytest.raises(SchemaError, match=r"row 0, 'x' at \(7, 8\) holds 300, which is no whole number from 0 to 255"):
        schema.numbers(np.where(np.arange(72).reshape(1, 8, 9) == 71, 300, 0))
    with pytest.raises(SchemaError, match=r"'x' holds arrays of shape \(3,\), and held arrays of shape \(8, 9\)"):
        schema.numbers(np.zeros((4, 3)))
    reals = infer(np.random.default_rng(0).normal(size=(50, 2)))
    with pytest.raises(SchemaError, match=r"row 1, 'x' at 1 holds 1e\+30"):
        reals.numbers(np.array([[0, 0], [0, 1e30]]))
    for rows in (pa.table({"x": [1.5]}), {"x": np.array([1.5])}):
        for ask in (reals.numbers, lambda r: reals.filled(r, np.zeros((1, 2)))):
            with pytest.raises(SchemaError, match=r"'x' holds single cells, and held arrays of shape \(2,\)"):
                ask(rows)
    column = schema_of(Field("x", "count"))
    with pytest.raises(SchemaError, match=r"'x' holds arrays of shape \(8, 9\), and held single cells"):
        column.numbers({"x": images})


def test_a_constant_that_is_another_now_is_told():
    """What means the same (3, 3.0, "3") does not warn: warnings are errors here."""
    day = dt.datetime(2020, 1, 1)
    frame = pd.DataFrame({"one": [3] * 3, "day": [day] * 3, "no": [None] * 3, "x": [1.5, 2.5, 4.5]})
    schema = infer(frame)
    for same in (frame, frame.assign(one=3.0), frame.assign(one="3"), frame.assign(one=[3, None, 3])):
        assert schema.numbers(same).shape == (3, 1)
    for name, new, words in [
        ("one", [4, 3, 5], "was 3 in every row of the training data, and 2 cells hold something else now .first '4'"),
        ("day", [day, day, dt.datetime(2021, 1, 1)], "was 2020-01-01 in every row .*1 cells .*first '2021-01-01 00"),
        ("no", [None, "a", None], "was missing in every row .*1 cells .*first 'a'"),
    ]:
        with pytest.warns(VelboWarning, match=words):
            schema.numbers(frame.assign(**{name: new}))


def test_dates_are_no_numbers_and_numbers_no_names_for_them():
    day, zone = dt.datetime(2020, 1, 1), dt.timezone(dt.timedelta(hours=1))
    schema = schema_of(
        Field("n", "real"),
        Field("k", "binary", dtype="string", categories=("a", "b")),
        Field("t", "datetime", dtype="timestamp[us]", scale=1e9),
        Field("z", "datetime", dtype="timestamp[us, tz=Europe/Berlin]", scale=1e9),
        Field("s", "real", dtype="duration[s]"),
    )
    good = {"n": [1.5], "k": ["b"], "t": [day], "z": [day.replace(tzinfo=zone)], "s": [dt.timedelta(seconds=3)]}
    wanted = [[1.5, 1, 1_577_836_800, 1_577_833_200, 3]]
    np.testing.assert_array_equal(schema.numbers(pd.DataFrame(good)), wanted)
    text = {**good, "t": ["2020-01-01 00:00:00"], "z": ["2020-01-01T00:00:00+01:00"], "n": ["1.5"]}
    np.testing.assert_array_equal(schema.numbers(pd.DataFrame(text)), wanted)
    missing = schema.numbers(pd.DataFrame({**good, "t": [None], "z": [NAN]}))
    np.testing.assert_array_equal(missing, [[1.5, 1, NAN, NAN, 3]])
    for name, cells, words in [
        ("n", [day], "column 'n' holds dates and held double in training"),
        ("n", good["s"], "column 'n' holds durations and held double"),
        ("t", good["s"], "column 't' holds durations and held timestamp"),
        ("t", [2020], "column 't' holds numbers, and held dates"),
        ("t", good["z"], "column 't' holds times of type .*in training their zone was none; remove theirs"),
        ("z", good["t"], "column 'z' holds times .*their zone was Europe/Berlin; give these one"),
        ("z", text["t"], "column 'z' holds text that is no date as in 2024-12-31T08:00:00.01:00"),
        ("t", ["the first"], "column 't' holds text that is no date as in 2024-12-31 "),
        ("s", [day], "column 's' holds dates and held duration"),
        ("k", [day], "column 'k' holds dates and held string"),
        ("n", pa.array([[1.0]]).to_pandas(), "'n' holds arrays of shape .1,., and held single cells"),
        ("n", [b"1"], "column 'n' holds binary"),
    ]:
        with pytest.raises(SchemaError, match=words):
            schema.numbers(pd.DataFrame({**good, name: cells}))


def test_an_absent_field_names_those_that_there_are():
    schema = schema_of(*(Field(f"f{i}", "real") for i in range(40)))
    with pytest.raises(
        SchemaError, match=r"^given: there is no field 'f0', .*'f11', \.\.\., which the .* are 'a', 'b'$"
    ):
        schema.numbers(pd.DataFrame({"a": [1.5], "b": [2.5]}), "given")


# showing and keeping


def test_a_schema_is_described():
    schema = infer(pd.DataFrame(everything()))
    record = next(r for r in schema.records() if r["field"] == "job")
    assert record["values"] == " pilot, clerk, nurse".strip()
    assert record["reason"] == "3 distinct names"
    day, gone = dt.date(2020, 2, 3), [object(), object()]
    frame = pd.DataFrame({"day": [day] * 2, "n": [2.0] * 2, "gone": gone, "x": [0.5, 2.5]})
    records = infer(frame, {"gone": "drop"}).records()
    assert [(r["values"], r["missing"]) for r in records[:3]] == [("2020-02-03", "0"), ("2", "0"), ("-", "-")]
    assert schema.describe() == (
        "10 columns (1 real, 1 positive, 1 bounded, 1 integer, 1 count, 1 ordinal, 1 categorical, 1 binary, "
        "1 datetime, 1 constant)"
    )
    images = infer({"image": np.arange(12).reshape(3, 2, 2), "size": np.array([0.5, NAN, 4.25])})
    assert images.describe() == "'image': 2 x 2 byte, 0 to 11, 12 levels and 1 column (1 binary), with missing cells"


def test_a_schema_survives_json():
    rng = np.random.default_rng(0)
    for rows in (
        pd.DataFrame({**everything(), 7: [None, "Y"] * 30}),
        {"image": rng.integers(0, 255, (5, 3, 3)), "real": rng.normal(size=(5, 2)), "id": np.arange(5) + 2**62},
    ):
        schema = infer(rows)
        assert from_json(Schema, json.loads(json.dumps(as_json(schema), allow_nan=False)), "the schema") == schema


def test_a_schema_without_a_field_to_learn_from_is_refused():
    for frame in (pd.DataFrame({"x": [1.0, 1.0]}), pd.DataFrame({"x": [None, None]})):
        with pytest.raises(SchemaError, match="no column is left to learn from"):
            infer(frame)
    with pytest.raises(ConfigError, match=r"unknown kind of 'x' 'reel'.*'real'"):
        schema_of(Field("x", "reel"))
    with pytest.raises(DataError, match="numbers"):
        infer(np.array([["a", "b"]]))
