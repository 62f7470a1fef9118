"""What every kind of field owes: claims and refusals, numbers and back in every type and library, what an encoder sees.

A member gives columns and arrays of values that it has (`columns`, `arrays`), those that it is guessed for and not
(`claimed`, `not_claimed`), and those that it refuses, each with words of the message (`refused`, `misfits`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch

from velbo.errors import SchemaError
from velbo.files import as_json, from_json
from velbo.rows import KINDS, Field, Schema, infer
from velbo.rows.encodings import standardised
from velbo.rows.kinds import Kind
from velbo.rows.kinds.views import View

from .tables import NAN

WHOLE_TYPES = tuple(getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64))
FLOAT_TYPES = (pa.float16(), pa.float32(), pa.float64())
DECIMAL_TYPES = (pa.decimal32(7, 2), pa.decimal64(9, 2), pa.decimal128(9, 2), pa.decimal256(40, 3))
TEXT_TYPES = (pa.string(), pa.large_string(), pa.string_view())
DURATION_TYPES = tuple(pa.duration(unit) for unit in ("s", "ms", "us", "ns"))
DATE_TYPES = (pa.date32(), pa.date64())
ZONES = (None, "UTC", "Europe/Berlin", "America/Sao_Paulo", "+05:30")
TIME_TYPES = tuple(pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in ZONES)


def in_types(cells: list[Any], *groups: Iterable[pa.DataType]) -> list[pa.Array]:
    """The same cells in each of some types, and as dictionaries of three of them."""
    types = [kind for group in groups for kind in group]
    column = pa.array(cells, from_pandas=True)
    # Arrow casts no whole numbers to decimals of few digits
    plain = [(column.cast(pa.float64()) if pa.types.is_decimal(kind) else column).cast(kind) for kind in types]
    named = [column.dictionary_encode() for column in plain[:3]]
    return [*plain, *(column for column in named if column.type.value_type != pa.string_view())]


class KindContract:
    """All kinds."""

    kind: ClassVar[str]
    columns: ClassVar[tuple[pa.Array, ...]] = ()
    claimed: ClassVar[tuple[Any, ...]] = ()
    not_claimed: ClassVar[tuple[Any, ...]] = ()
    refused: ClassVar[tuple[tuple[Any, str], ...]] = ()

    def member(self) -> Kind:
        return KINDS[self.kind]

    def table(self, column: Any) -> pa.Table:
        """The column beside another, since a model needs one."""
        return pa.table({"x": column, "other": np.arange(len(column)) + 0.5})

    def schema(self, column: Any) -> Schema:
        return infer(self.table(column), {"x": self.kind})

    def field(self, column: Any) -> Field:
        return next(f for f in self.schema(column).fields if f.name == "x")

    def test_it_is_called_what_it_is(self):
        assert self.member().name == self.kind
        assert type(self.member()).__doc__

    def test_what_it_is_guessed_for_and_not(self):
        for cells in self.claimed:
            field = infer({"x": cells, "other": np.arange(len(cells)) + 0.5}).fields[0]
            assert (field.kind, bool(field.reason)) == (self.kind, True), cells
        for cells in self.not_claimed:
            assert infer({"x": cells, "other": np.arange(len(cells)) + 0.5}).fields[0].kind != self.kind, cells

    def test_what_it_cannot_be_is_refused_by_name(self):
        for cells, words in self.refused:
            with pytest.raises(SchemaError, match=f"'x' cannot be of kind '{self.kind}': .*{words}"):
                infer({"x": cells, "other": np.arange(len(cells)) + 0.5}, {"x": self.kind})

    def test_cells_of_every_type_come_back_as_they_were(self):
        for column in self.columns:
            table = self.table(column)
            schema = self.schema(column)
            back = schema.new(schema.numbers(table))
            assert back.schema == table.schema
            assert back["x"].to_pylist() == column.to_pylist(), column.type

    @pytest.mark.parametrize("library", ["pandas", "polars"])
    def test_cells_come_back_in_every_library(self, library):
        """Of all types that it has."""
        seen = 0
        for column in self.columns:
            if library == "polars" and pa.types.is_decimal256(column.type):
                continue  # it panics
            try:
                frame = self.table(column).to_pandas() if library == "pandas" else pl.from_arrow(self.table(column))
            except (pa.ArrowException, pl.exceptions.PolarsError, NotImplementedError):
                continue
            assert not isinstance(frame, pl.Series)
            schema = infer(frame, {"x": self.kind})
            assert schema.new(schema.numbers(frame)).equals(frame), column.type
            seen += 1
        assert seen >= len(self.columns) / 2

    def test_a_field_survives_json_and_says_its_values(self):
        for column in self.columns:
            field = self.field(column)
            assert from_json(Field, json.loads(json.dumps(as_json(field), allow_nan=False)), "a field") == field
            assert 0 < len(self.member().shown(field)) < 80


class ModelledContract(KindContract):
    """Kinds that are part of x: ``features`` are those of one cell."""

    arrays: ClassVar[tuple[np.ndarray, ...]] = ()
    misfits: ClassVar[tuple[tuple[Any, str], ...]] = ()

    def features(self, field: Field) -> int:
        raise NotImplementedError

    def test_numbers_are_finite_and_nan_where_missing(self):
        for column in self.columns:
            schema = self.schema(column)
            v = schema.numbers(self.table(column))[:, :1]
            assert v.shape == (len(column), 1)
            missing = np.asarray(column.is_null(nan_is_null=True)) & (None not in schema.fields[0].categories)
            np.testing.assert_array_equal(np.isnan(v[:, 0]), missing)
            assert np.isfinite(v[~missing]).all()

    def test_filling_changes_missing_cells_only(self):
        """Every third cell is missing: it comes back, and what is missing in the whole stays so."""
        for column in self.columns:
            schema, whole = self.schema(column), self.table(column)
            if None in schema.fields[0].categories:
                continue
            gone = pa.array(np.arange(len(column)) % 3 == 1)
            part = whole.set_column(0, "x", without(column, gone))
            filled = schema.filled(part, schema.numbers(whole))
            assert filled.schema == whole.schema
            assert filled["x"].to_pylist() == column.to_pylist(), column.type
            untouched = schema.filled(part, np.full((len(column), 2), NAN))
            assert untouched.equals(part)

    def test_what_a_model_says_goes_back_into_cells_that_the_field_has(self):
        """Anything within what was seen, and cells of it are fit for the model again."""
        rng = np.random.default_rng(0)
        for column in self.columns:
            schema = self.schema(column)
            v = schema.clipped(rng.normal(size=(50, 2)) * 1e3)
            np.copyto(v[:25, 0], rng.uniform(float(schema.cells[0].low), float(schema.cells[0].high), 25))
            again = schema.numbers(schema.new(v))
            assert np.isfinite(again).all()

    def test_cells_that_it_cannot_have_are_named(self):
        column = self.columns[0]
        for cells, words in self.misfits:
            with pytest.raises(SchemaError, match=f"given: .*'x'.*{words}"):
                self.schema(column).numbers(self.table(cells), "given")

    def test_an_encoder_sees_finite_features_that_are_zero_where_missing(self):
        for column in (*self.columns[:3], self.columns[-1]):
            cells = [self.field(column)] * 3
            view = self.member().view(cells)
            assert isinstance(view, View)
            assert view.n_features == 3 * self.features(cells[0])
            x = self.encoded(column).expand(-1, 3)
            f = view(x)
            assert f.shape == (len(column), view.n_features)
            assert f.dtype == torch.float64
            assert f.isfinite().all()
            assert (f[x[:, 0].isnan()] == 0).all()
            assert (view(torch.full((2, 5, 3), NAN)) == 0).all()
            torch.testing.assert_close(view(x.reshape(1, -1, 1, 3).float())[0, :, 0], view(x.float()))

    def test_a_missing_cell_changes_its_own_features_only(self):
        """Features of each cell are found by what changes when it goes; no two cells share one."""
        column = self.columns[0]
        view, x = self.member().view([self.field(column)] * 3), self.encoded(column)
        x = x[~x[:, 0].isnan()].expand(-1, 3)
        whole, owners = view(x), torch.zeros(view.n_features)
        for d in range(3):
            part = x.clone()
            part[:, d] = NAN
            f = view(part)
            changed = (f != whole).any(0)
            assert (f[:, changed] == 0).all()
            owners += changed
        assert owners.max() == 1

    def encoded(self, column: pa.Array) -> torch.Tensor:
        """x of the cells, (N, 1) float64."""
        schema = self.schema(column)
        v = schema.numbers(self.table(column))[:, :1]
        return standardised(schema.fields[0]).store(v, torch.float64)

    def test_arrays_come_back_as_they_were_or_are_refused(self):
        if not self.arrays:
            with pytest.raises(SchemaError, match=f"'x' cannot be of kind '{self.kind}'"):
                infer(np.arange(12.0).reshape(4, 3), kind=self.kind)
        for rows in self.arrays:
            schema = infer(rows, kind=self.kind)
            field = schema.field("x")
            assert (field.shape, len(schema.cells)) == (rows.shape[1:], field.size)
            v = schema.numbers(rows)
            assert v.shape == (len(rows), field.size)
            back = schema.new(v.astype(np.float64))
            assert back.dtype == rows.dtype
            np.testing.assert_array_equal(back, rows)
            assert from_json(Field, json.loads(json.dumps(as_json(field), allow_nan=False)), "a field") == field
            x = standardised(field).store(v, torch.float64)
            assert self.member().view(schema.cells)(x).isfinite().all()


def without(column: pa.Array, gone: pa.Array) -> pa.Array:
    """The column, with some more cells missing."""
    if pa.types.is_dictionary(column.type):
        index = pa.array([None if g else i for i, g in zip(column.indices.to_pylist(), gone.to_pylist(), strict=True)])
        indices = index.cast(column.type.index_type)
        return pa.DictionaryArray.from_arrays(indices, column.dictionary, ordered=column.type.ordered)
    return pa.array([None if g else v for v, g in zip(column.to_pylist(), gone.to_pylist(), strict=True)], column.type)
