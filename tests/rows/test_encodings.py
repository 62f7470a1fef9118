"""Values -> what a model sees, and back; log-determinants; which encoding a field has by its likelihood."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contracts.tables import NAN
from velbo.errors import ConfigError, SchemaError
from velbo.likelihoods import LIKELIHOODS
from velbo.rows import Encoding, Field, Store, infer
from velbo.rows.encodings import (
    Binarise,
    Dequantise,
    Inside,
    Levels,
    Standardise,
    Unit,
    standardised,
)
from velbo.rows.joined import Joined, joined

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 8, 9)).astype(np.uint8)
REALS = RNG.normal(size=(5, 72))


def store(rows: np.ndarray, encoding: Encoding, dtype: torch.dtype = torch.float32) -> Store:
    return Store.from_rows(rows.reshape(len(rows), -1), encoding, dtype)


def encoding(likelihood: str, field: Field) -> Encoding:
    return LIKELIHOODS[likelihood].encoding(field)


def field_of(rows: np.ndarray, **options: str) -> Field:
    return infer(rows, **options).field("x")


@given(st.integers(0, 3), st.sampled_from(["f4", "f8"]))
def test_standardise_round_trip(seed, dtype):
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(20, 3)) * [1e-6, 1, 1e6] + [0, 1e3, -1e9]).astype(dtype)
    encoding = standardised(field_of(rows))
    x = store(rows, encoding, torch.float64).fixed(0)
    np.testing.assert_allclose(encoding.restore(x).numpy(), rows, rtol=1e-9)
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(0, correction=0), 1, rtol=1e-6)


def test_levels_and_bytes_are_kept_in_8_bits():
    grey = store(GREY, Levels(255))
    assert grey.kept.dtype == torch.uint8
    np.testing.assert_array_equal(Levels(255).restore(grey.fixed(0)).round().numpy().astype(int), GREY.reshape(5, -1))
    assert (grey.log_det() == 0).all()
    part = GREY.astype(float)
    part[0, 0, 0] = NAN
    assert math.isnan(store(part, Levels(255)).fixed(0)[0, 0])
    deep = np.array([[0, 65_535]], np.uint16)
    assert store(deep, Levels(65_535)).fixed(0).tolist() == [[0, 1]]


def test_binarisation_is_fresh_in_training_and_fixed_in_scoring():
    """Means over 400 draws within 5 standard errors of v / 255 in each of 72 cells; false alarm 5e-5."""
    grey = store(GREY, Binarise(255))
    index = torch.zeros(400, dtype=torch.long)
    draws = grey.batch(index)
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    p = torch.from_numpy(GREY[0].reshape(-1) / 255)
    assert ((draws.mean(0) - p).abs() <= 5 * (p * (1 - p) / 400).sqrt() + 1e-9).all()
    assert not torch.equal(grey.batch(index[:1]), grey.batch(index[:1]))
    assert torch.equal(grey.fixed(0), grey.fixed(0))
    assert torch.equal(grey.fixed(0)[2:4], grey.subset(torch.tensor([2, 3])).fixed(0))
    assert not torch.equal(grey.fixed(0), grey.fixed(1))
    assert (store(np.full((1, 8, 8), 255, np.uint8), Binarise(255)).fixed(0) == 1).all()


def test_dequantised_values_fall_into_their_own_bins():
    grey = store(GREY, Dequantise(256))
    np.testing.assert_array_equal((grey.fixed(0) * 256).floor().numpy(), GREY.reshape(5, -1))
    assert grey.log_det()[0].item() == pytest.approx(-72 * math.log(256))


def test_no_dequantised_value_is_0():
    """Where a density on (0, 1) would be infinite or 0: half the smallest step of a uniform number."""
    for dtype, step in ((torch.float32, 2.0**-24), (torch.float64, 2.0**-53)):
        kept, u = torch.zeros(1, 3, dtype=torch.uint8), torch.tensor([[0.0, step, 0.5]], dtype=dtype)
        assert Dequantise(256).present(kept, u, dtype).tolist() == [[step / 512, step / 256, 0.5 / 256]]


def test_the_ends_of_the_unit_interval_have_the_same_density_in_every_precision():
    """Of arrays of 0 and 1 under densities on (0, 1); a density of x moves to v by the width of the interval."""
    rows = np.array([[0.0, 0.25, 1.0, NAN]])
    for name in ("beta", "logit-normal"):
        logs = []
        for dtype in (torch.float32, torch.float64):
            head, kept = LIKELIHOODS[name](1, 4).to(dtype), Store.from_rows(rows, Inside(), dtype)
            for p in head.parameters():
                torch.nn.init.constant_(p, 0.3)
            logs.append(head(torch.ones(1, 1, dtype=dtype)).log_prob_cells(kept.fixed(0)).double())
        torch.testing.assert_close(*logs, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(Inside().restore(kept.fixed(0))[0, :3], rows[0, :3], atol=1e-12)
    assert kept.log_det().item() == pytest.approx(-3 * math.log(1.002))


def test_log_det_counts_observed_cells_only():
    rows = np.array([[1.0, NAN], [3.0, 5.0], [5.0, 9.0]])
    field = field_of(rows)
    logs = np.log(field.each("scale"))
    np.testing.assert_allclose(store(rows, standardised(field)).log_det(), [-logs[0], -logs.sum(), -logs.sum()])
    np.testing.assert_array_equal(store(rows, standardised(field, given=True)).log_det(), [0, 0, 0])


@pytest.mark.parametrize("encoding", [Unit(), Inside(), Binarise(1.0)])
def test_later_values_outside_the_unit_interval_are_refused(encoding):
    store(GREY / 255, encoding)
    with pytest.raises(SchemaError, match=r"row \d, dimension \d+ holds 1.*; this likelihood needs values from 0 to 1"):
        store(GREY / 200, encoding)


def test_rules_for_likelihoods():
    bits, grey, unit, real = (field_of(x) for x in (GREY // 128, GREY, GREY / 255, REALS))
    assert [encoding("bernoulli", f) for f in (bits, grey, unit)] == [Levels(1), Binarise(255), Binarise(1.0)]
    assert [encoding("categorical", f) for f in (bits, grey)] == [Levels(1), Levels(255)]
    assert isinstance(encoding("normal", real), Standardise)
    assert encoding("beta", grey) == encoding("normal", grey) == Dequantise(256)
    assert encoding("continuous-bernoulli", unit) == Unit()
    assert encoding("beta", unit) == encoding("logit-normal", unit) == Inside()
    for name in ("bernoulli", "continuous-bernoulli"):
        with pytest.raises(ConfigError, match=r"'x' runs from -.* use likelihood 'normal'"):
            encoding(name, real)


def test_columns_of_names_are_their_places_and_those_of_levels_on_a_grid():
    names = Field("k", "ordinal", categories=(1, 2, 4), high=2.0)
    assert encoding("ordered-logistic", names) == Standardise((0.0,), (1.0,), density=(False,), given=(False,))
    flag = Field("k", "binary", categories=("a", "b"))
    assert encoding("bernoulli", flag) == Standardise((0.0,), (1.0,), density=(False,), given=(False,))
    assert encoding("discretized-logistic", Field("n", "byte", levels=17)) == Levels(16)


def test_nothing_depends_on_the_blocks_that_rows_are_looked_at_in(monkeypatch):
    """Statistics, encoding and the row that a refusal names, with two rows at a time and with all."""
    x = RNG.normal(3, 2, (11, 4)).astype(np.float32)
    x[2, 1] = x[9, 3] = NAN
    bad = np.where(np.arange(44).reshape(11, 4) == 38, np.float32(1e30), x)

    def seen() -> tuple[Field, torch.Tensor, str]:
        schema = infer(x)
        with pytest.raises(SchemaError) as refusal:
            schema.numbers(bad)
        return schema.field("x"), standardised(schema.field("x")).store(x, torch.float64), str(refusal.value)

    whole = seen()
    monkeypatch.setattr("velbo.rows.arrays.CELLS_PER_BLOCK", 8)
    parts = seen()
    assert "row 9, 'x' at 2" in parts[2]
    assert parts[2] == whole[2]
    assert (parts[0].kind, parts[0].n_missing, parts[0].low) == (whole[0].kind, 2, whole[0].low)
    np.testing.assert_allclose(parts[0].location, np.nanmean(x.astype(np.float64), 0), rtol=1e-14)
    np.testing.assert_allclose(parts[0].scale, np.nanstd(x.astype(np.float64), 0), rtol=1e-14)
    torch.testing.assert_close(parts[1], whole[1], rtol=1e-13, atol=1e-13, equal_nan=True)
    with pytest.raises(SchemaError, match="row 9, dimension 2"):
        Binarise(1.0).store(np.where(bad > 1e20, 2.0, 0.5), torch.float32)


# side by side

IMAGE, LABEL = Field("image", "byte", (7,)), Field("label", "categorical", categories=("a", "b", "c"))
SIZE = Field("size", "real", location=2.0, scale=4.0)


def test_the_encoding_of_a_field_is_that_of_it_alone_beside_others():
    """Noise is drawn for all cells and used where there is some; log-determinants stand one after another."""
    pixels = RNG.integers(0, 200, (20, 7)).astype(np.uint8)
    rest = np.column_stack([np.arange(20) % 3, RNG.normal(size=20)])
    both = joined([(IMAGE, Binarise(255)), (LABEL, standardised(LABEL)), (SIZE, standardised(SIZE))])
    alone, noise = Binarise(255), torch.rand(20, 9)
    x = both.present(both.store(np.hstack([pixels, rest]), torch.float32), noise, torch.float32)
    torch.testing.assert_close(x[:, :7], alone.present(alone.store(pixels, torch.float32), noise[:, :7], torch.float32))
    np.testing.assert_allclose(x[:, 7:], (rest - [0, 2]) / [1, 4], rtol=1e-6)
    assert both.is_random
    assert both.units(9).of_cells.tolist() == [0.0] * 8 + [-math.log(4)]
    np.testing.assert_allclose(both.restore(x.double())[:, 7:], rest, rtol=1e-6, atol=1e-6)


def test_standardised_neighbours_are_one_encoding():
    parts = [(SIZE, standardised(SIZE)), (LABEL, standardised(LABEL)), (IMAGE, Levels(255)), (SIZE, standardised(SIZE))]
    both = joined(parts)
    assert isinstance(both, Joined)
    assert [n for n, _ in both.parts] == [2, 7, 1]
    assert joined(parts[:2]) == Standardise((2.0, 0.0), (4.0, 1.0), density=(True, False), given=(False, False))
    assert joined(parts[2:3]) == Levels(255)


def test_a_label_beside_an_image_is_kept_in_8_bits_where_it_has_room():
    rows = np.hstack([GREY.reshape(5, -1)[:, :7], [[0], [1], [2], [0], [1]]]).astype(np.uint8)
    both = joined([(IMAGE, Levels(255)), (LABEL, standardised(LABEL))])
    kept = both.store(rows, torch.float32)
    assert kept.dtype == torch.uint8
    torch.testing.assert_close(both.present(kept, None, torch.float32)[:, 7], torch.tensor([0.0, 1, 2, 0, 1]))
    missing = rows.astype(np.float64)
    missing[1, 7] = NAN
    assert both.store(missing, torch.float32).isnan().sum() == 1


def test_a_row_of_many_columns_is_one_computation():
    fields = [Field(f"c{i}", "real", location=float(i), scale=1.0 + i) for i in range(1000)]
    encoding = joined([(f, standardised(f)) for f in fields])
    assert isinstance(encoding, Standardise)
    assert encoding.location == tuple(map(float, range(1000)))
