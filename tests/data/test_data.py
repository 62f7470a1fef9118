"""Anything a user has -> tensors: readers, the schema's guesses and refusals, encodings and their log-determinants."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from velbo.data import EMBEDDED, Schema, Store, as_rows, column_names, infer, load
from velbo.errors import ConfigError, DataError, SchemaError
from velbo.rows.encodings import (
    Binarise,
    Dequantise,
    Levels,
    Standardise,
    Unit,
    for_bernoulli,
    for_levels,
    for_reals,
    for_unit_interval,
)

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 8, 9)).astype(np.uint8)


# readers


def test_every_reader_gives_the_same_rows(tmp_path):
    x = RNG.normal(size=(6, 3))
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "one.npz", x=x)
    np.savez(tmp_path / "two.npz", x=x, y=x + 1)
    np.savetxt(tmp_path / "plain.csv", x, delimiter=",", fmt="%.17g")
    np.savetxt(tmp_path / "header.csv", x, delimiter=",", fmt="%.17g", header='a,"b, c",d', comments="")
    for source in ("x.npy", "one.npz", "two.npz:x", "plain.csv", "header.csv"):
        np.testing.assert_array_equal(load(tmp_path / source).rows, x)
    np.testing.assert_array_equal(load(f"{tmp_path}/two.npz:y").rows, x + 1)
    assert load(tmp_path / "header.csv").names == ("a", "b, c", "d")


def test_empty_cells_are_missing(tmp_path):
    (tmp_path / "holes.csv").write_text("a,b\n1,\n,2\nNaN,NA\n")
    np.testing.assert_array_equal(load(tmp_path / "holes.csv").rows, [[1, np.nan], [np.nan, 2], [np.nan, np.nan]])


def test_one_column_with_a_hole(tmp_path):
    (tmp_path / "one.csv").write_text("a\n1\n\n3\n")
    assert load(tmp_path / "one.csv").rows.shape == (2, 1)


@pytest.mark.parametrize(("mode", "shape"), [("L", (8, 9)), ("RGB", (8, 9, 3)), ("1", (8, 9)), ("P", (8, 9, 3))])
def test_image_folders_in_the_order_of_names(tmp_path, mode, shape):
    for i in range(3):
        Image.fromarray(GREY[i]).convert(mode).save(tmp_path / f"{2 - i}.png")
    rows = load(tmp_path).rows
    assert rows.shape == (3, *shape)
    assert rows.dtype == np.uint8
    expected = np.asarray(Image.fromarray(GREY[2]).convert(mode).convert("L" if len(shape) == 2 else "RGB"))
    np.testing.assert_array_equal(rows[0], expected)


def test_jpeg_folder(tmp_path):
    Image.fromarray(GREY[0]).save(tmp_path / "a.JPG", format="JPEG")
    assert load(tmp_path).rows.shape == (1, 8, 9)


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_sets_load(name):
    data = load(name)
    assert data.labels is not None
    assert len(data.rows) == len(data.labels)
    infer(data.rows, data.names)


def test_torch_and_data_frames():
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": [3, 4]})
    np.testing.assert_array_equal(as_rows(frame), [[1, 3], [np.nan, 4]])
    assert column_names(frame) == ("a", "b")
    assert as_rows(torch.ones(2, 3, requires_grad=True)).shape == (2, 3)
    assert as_rows([[True, False]]).dtype == bool


# schema


@pytest.mark.parametrize(
    ("rows", "kind", "levels"),
    [
        (GREY, "byte", 256),
        (GREY // 128, "binary", 256),
        (load("digits"), "byte", 17),
        (GREY.astype(float), "byte", 256),
        (GREY / 255, "real", 256),
        (RNG.normal(size=(5, 3)), "real", 256),
        (RNG.integers(0, 9, (5, 3)), "real", 256),
        (RNG.integers(0, 9, (5, 3)).astype(np.uint8), "byte", 256),
        (np.array([[0, 1.5], [1, 2.5]]), "real", 256),
        (np.array([[0, np.nan], [1, 1]]), "binary", 256),
    ],
)
def test_guesses(rows, kind, levels):
    schema = infer(rows)
    assert schema.kind == kind
    if kind == "byte":
        assert schema.levels == levels
    assert Schema.from_json(schema.to_json()) == schema
    assert kind in schema.describe()


def test_kinds_of_columns_are_told_apart():
    schema = infer(np.array([[0, 1.5], [1, 2.5]]), names=("sick", "size"))
    assert schema.kinds == ("binary", "real")
    assert schema.describe() == "2 real (1 binary, 1 real), from 0 to 2.5"


def test_overrides():
    assert infer(GREY, kind="real").kind == "real"
    assert infer(np.array([[0, 3], [2, 1]]), kind="byte", levels=4).levels == 4
    with pytest.raises(ConfigError, match="Did you mean 'binary'"):
        infer(GREY, kind="binry")
    with pytest.raises(SchemaError, match="whole numbers from 0 to 1"):
        infer(GREY, kind="binary")
    with pytest.raises(ConfigError, match="levels must be"):
        infer(GREY, levels=1)


def test_moments_ignore_missing_cells_and_spare_constant_columns():
    schema = infer(np.array([[1.0, 7.0, np.nan], [3.0, 7.0, np.nan], [np.nan, 7.0, 2.5]]))
    assert schema.location == (2.0, 7.0, 2.5)
    assert schema.scale == (1.0, 1.0, 1.0)
    assert schema.missing
    stamps = infer(1.7e9 + RNG.normal(size=(100, 1)))
    assert stamps.scale[0] == pytest.approx(1, rel=0.3)


def test_later_inputs_are_held_against_the_schema():
    schema = infer(RNG.normal(size=(50, 2)), names=("age", "size"))
    schema.check(RNG.normal(size=(3, 2)))
    with pytest.raises(SchemaError, match=r"shape \(3\).*\(2\)"):
        schema.check(np.zeros((4, 3)))
    with pytest.raises(SchemaError, match="row 1, column 'size' holds 1e\\+30"):
        schema.check(np.array([[0, 0], [0, 1e30]]))
    with pytest.raises(SchemaError, match=r"pixel \(7, 8\) holds 300"):
        infer(GREY).check(np.where(np.arange(72).reshape(1, 8, 9) == 71, 300, 0))


def test_names_and_order_of_columns_are_held_against_the_schema():
    schema = infer(RNG.normal(size=(50, 2)), names=("age", "size"))
    schema.check_names(("age", "size"))
    schema.check_names(())
    with pytest.raises(SchemaError, match="column 0 is 'size', the model was trained with 'age'"):
        schema.check_names(("size", "age"))
    with pytest.raises(SchemaError, match="3 columns"):
        schema.check_names(("a", "b", "c"))


@pytest.mark.parametrize("encoding", [Unit(), Binarise(1.0)])
def test_later_values_outside_the_unit_interval_are_refused(encoding):
    schema = infer(GREY / 255)
    Store.from_rows(GREY / 255, schema, encoding)
    with pytest.raises(SchemaError, match="values from 0 to 1"):
        Store.from_rows(GREY / 200, schema, encoding)


def test_unknown_schema_keys_are_errors():
    with pytest.raises(ConfigError, match="Did you mean 'levels'"):
        Schema.from_json({**infer(GREY).to_json(), "level": 3})


# encodings


@given(st.integers(0, 3), st.sampled_from(["f4", "f8"]))
def test_standardise_round_trip(seed, dtype):
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(20, 3)) * [1e-6, 1, 1e6] + [0, 1e3, -1e9]).astype(dtype)
    schema = infer(rows)
    encoding = Standardise(schema.location, schema.scale)
    store = Store.from_rows(rows, schema, encoding, torch.float64)
    x = store.fixed(0)
    np.testing.assert_allclose(encoding.restore(x).numpy(), rows, rtol=1e-9)
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(0, correction=0), 1, rtol=1e-6)


def test_levels_and_bytes_are_kept_in_8_bits():
    schema = infer(GREY)
    store = Store.from_rows(GREY, schema, Levels(255))
    assert store.kept.dtype == torch.uint8
    np.testing.assert_array_equal(Levels(255).restore(store.fixed(0)).round().numpy().astype(int), GREY.reshape(5, -1))
    assert (store.log_det() == 0).all()
    holes = GREY.astype(float)
    holes[0, 0, 0] = np.nan
    assert math.isnan(Store.from_rows(holes, infer(holes), Levels(255)).fixed(0)[0, 0])


def test_binarisation_is_fresh_in_training_and_fixed_in_scoring():
    """Means over 400 draws within 5 standard errors of v / 255 in each of 72 cells; false alarm 5e-5."""
    store = Store.from_rows(GREY, infer(GREY), Binarise(255))
    index = torch.zeros(400, dtype=torch.long)
    draws = store.batch(index)
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    p = torch.from_numpy(GREY[0].reshape(-1) / 255)
    assert ((draws.mean(0) - p).abs() <= 5 * (p * (1 - p) / 400).sqrt() + 1e-9).all()
    assert not torch.equal(store.batch(index[:1]), store.batch(index[:1]))
    assert torch.equal(store.fixed(0), store.fixed(0))
    assert torch.equal(store.fixed(0)[2:4], store.subset(torch.tensor([2, 3])).fixed(0))
    assert not torch.equal(store.fixed(0), store.fixed(1))
    always = Store.from_rows(np.full((1, 8, 8), 255, np.uint8), infer(GREY[:, :, :8]), Binarise(255))
    assert (always.fixed(0) == 1).all()


def test_dequantised_values_fall_into_their_own_bins():
    encoding = Dequantise(256)
    store = Store.from_rows(GREY, infer(GREY), encoding)
    x = store.fixed(0)
    np.testing.assert_array_equal((x * 256).floor().numpy(), GREY.reshape(5, -1))
    assert store.log_det()[0].item() == pytest.approx(-72 * math.log(256))


def test_log_det_counts_observed_cells_only():
    rows = np.array([[1.0, np.nan], [3.0, 5.0], [5.0, 9.0]])
    schema = infer(rows)
    store = Store.from_rows(rows, schema, Standardise(schema.location, schema.scale))
    logs = np.log(schema.scale)
    np.testing.assert_allclose(store.log_det(), [-logs[0], -logs.sum(), -logs.sum()])


def test_rules_for_likelihoods():
    bits, grey, unit, real = (infer(x) for x in (GREY // 128, GREY, GREY / 255, RNG.normal(size=(5, 72))))
    assert [for_bernoulli(s) for s in (bits, grey, unit)] == [Levels(1), Binarise(255), Binarise(1.0)]
    assert [for_levels(s) for s in (bits, grey)] == [Levels(1), Levels(255)]
    assert isinstance(for_reals(real), Standardise)
    assert for_unit_interval(grey) == for_reals(grey) == Dequantise(256)
    assert for_unit_interval(unit) == Unit()
    for rule, schema, word in (
        (for_bernoulli, real, "use likelihood 'normal'"),
        (for_levels, real, "for levels"),
        (for_reals, bits, "use 'bernoulli'"),
        (for_unit_interval, bits, "use 'bernoulli'"),
        (for_unit_interval, real, "'normal' for other numbers"),
    ):
        with pytest.raises(ConfigError, match=word):
            rule(schema)


def test_data_errors_name_the_cell():
    with pytest.raises(DataError, match=r"cell at \(1, 0\) holds 'x'"):
        as_rows(np.array([[1, 2], ["x", 3]], dtype=object))
    with pytest.raises(DataError, match="row 1 holds inf"):
        as_rows(np.array([[1, 2], [np.inf, 3]]))


def test_nothing_depends_on_the_blocks_that_rows_are_looked_at_in(monkeypatch):
    """Schema, encoding and the row that a refusal names, with two rows at a time and with all."""
    x = RNG.normal(3, 2, (11, 4)).astype(np.float32)
    x[2, 1] = x[9, 3] = np.nan
    bad = np.where(np.arange(44).reshape(11, 4) == 38, np.float32(1e30), x)

    def seen() -> tuple[Schema, torch.Tensor, str]:
        schema = infer(x)
        with pytest.raises(SchemaError) as refusal:
            schema.check(bad)
        return schema, for_reals(schema).store(x, torch.float64), str(refusal.value)

    whole = seen()
    monkeypatch.setattr("velbo.data.arrays.CELLS_PER_BLOCK", 8)
    parts = seen()
    assert "row 9, column 2" in parts[2]
    assert parts[2] == whole[2]
    assert (parts[0].kinds, parts[0].missing, parts[0].low) == (whole[0].kinds, True, whole[0].low)
    np.testing.assert_allclose(parts[0].location, np.nanmean(x.astype(np.float64), 0), rtol=1e-14)
    np.testing.assert_allclose(parts[0].scale, np.nanstd(x.astype(np.float64), 0), rtol=1e-14)
    torch.testing.assert_close(parts[1], whole[1], rtol=1e-13, atol=1e-13, equal_nan=True)
    with pytest.raises(DataError, match=r"row 9 holds inf at \(2,\)"):
        as_rows(np.where(bad > 1e20, np.inf, x))
    with pytest.raises(SchemaError, match="row 9, dimension 2"):
        Binarise(1.0).store(np.where(bad > 1e20, 2.0, 0.5), torch.float32)
