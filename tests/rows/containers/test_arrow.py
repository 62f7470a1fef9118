"""pyarrow's tables: every type, chunks, metadata, dictionaries and their order come back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from contracts.tables import ARROW_COLUMNS, NAN, cells_of
from velbo.errors import DataError
from velbo.rows import container_of, infer


@pytest.mark.parametrize("column", ARROW_COLUMNS, ids=lambda a: str(a.type)[:30])
def test_types_come_back_with_their_missing_cells(column):
    table = pa.table({"x": column, "y": np.arange(20) % 3 + 0.5})
    schema = infer(table)
    assert schema.new(schema.numbers(table)).equals(table)


@pytest.mark.parametrize("column", ARROW_COLUMNS, ids=lambda a: str(a.type)[:30])
def test_filling_changes_no_observed_cell_of_any_type(column):
    """In chunks; what is missing in the whole stays missing, since the numbers have nothing for it."""
    table = pa.table({"x": column, "y": np.arange(20) % 3 + 0.5}, metadata={"made": "here"})
    whole = pa.concat_tables([table.slice(0, 7), table.slice(7)])
    schema = infer(whole)
    gone = np.arange(20) % 5 == 2
    chunks = [pa.array([None if g else v for g, v in zip(gone, column.to_pylist(), strict=True)], column.type)]
    if pa.types.is_dictionary(column.type):
        chunks = [
            pa.DictionaryArray.from_arrays(
                pa.array(
                    [None if g else v for g, v in zip(gone, column.indices.to_pylist(), strict=True)],
                    column.indices.type,
                ),
                column.dictionary,
                ordered=column.type.ordered,
            )
        ]
    part = whole.set_column(0, "x", pa.chunked_array([c.slice(*s) for c in chunks for s in ((0, 7), (7,))]))
    assert part["x"].null_count > whole["x"].null_count
    filled = schema.filled(part, schema.numbers(whole))
    assert filled.equals(whole)
    assert filled.schema.equals(whole.schema, check_metadata=True)


def test_a_table_without_missing_cells_is_as_it_was():
    table = pa.table({"x": [0.5, 1.5, 2.75], "y": pa.array(["a", "b", "c"], pa.string_view())})
    filled = infer(table).filled(table, np.zeros((3, 2)))
    assert filled.equals(table)


def test_the_order_of_a_dictionary_does_not_matter():
    """Cells and type come back; how they are encoded is Arrow's affair and differs from chunk to chunk."""
    for order in (["b", "a", "c"], ["c", "b", "a"]):
        table = pa.table({"x": pa.array([*order, None]).dictionary_encode()})
        schema = infer(table)
        assert schema.field("x").categories == ("a", "b", "c")
        back = schema.new(schema.numbers(table))
        assert back.schema == table.schema
        assert back["x"].to_pylist() == [*order, None]


def test_a_dictionary_that_is_full_takes_a_wider_index_and_loses_no_cell():
    """128 names fill 8 bits; the model knows one more."""
    names = [f"n{i:03d}" for i in range(128)]
    schema = infer(pa.table({"x": [*names, "zz"]}), {"x": "categorical"})
    column = pa.DictionaryArray.from_arrays(pa.array([*range(128), None], pa.int8()), names)
    filled = schema.filled(pa.table({"x": column}), np.full((129, 1), 128.0))
    assert filled["x"].to_pylist() == [*names, "zz"]
    assert filled["x"].type == pa.dictionary(pa.int32(), pa.string())


def test_a_constant_keeps_the_type_of_its_names():
    column = pa.DictionaryArray.from_arrays(pa.array([1, 1], pa.int8()), [5, 7])
    table = pa.table({"x": column, "y": [0.5, 1.5]})
    schema = infer(table)
    assert schema.fields[0].kind == "constant"
    assert schema.new(schema.numbers(table)).equals(table)


def test_rows_are_taken_of_any_type():
    table = pa.table({f"c{i}": column for i, column in enumerate(ARROW_COLUMNS)})
    taken = container_of(table).take(table, np.array([2, 0, 19]))
    assert taken.schema == table.schema
    for name in table.column_names:
        cells = cells_of(table[name])
        assert cells_of(taken[name]) == [cells[2], cells[0], cells[19]], name


def test_a_record_batch_is_a_table():
    batch = pa.record_batch({"x": [0.5, None, 2.5], "y": ["a", "b", "c"]})
    schema = infer(batch, {"x": "real"})
    assert schema.container == "pyarrow"
    assert schema.filled(batch, np.ones((3, 2))).to_pydict() == {"x": [0.5, 1.0, 2.5], "y": ["a", "b", "c"]}
    assert container_of(batch).take(batch, np.array([1]))["y"].to_pylist() == ["b"]


def test_nan_and_null_are_both_missing_and_the_rest_is_as_it_was():
    table = pa.table({"x": pa.chunked_array([pa.array([0.1, NAN]), pa.array([None, -0.0])])})
    schema = infer(pa.table({"x": [0.1, 2.5, 7.125, -0.0]}))
    filled = schema.filled(table, np.array([[9], [NAN], [1.5], [9.0]]))["x"]
    assert filled.to_numpy().tobytes() == np.array([0.1, NAN, 1.5, -0.0]).tobytes()


def test_a_list_of_more_than_one_size_is_refused():
    with pytest.raises(DataError, match=r"column 'x' holds cells of type list.*arrays of one size"):
        infer(pa.table({"x": [[1.0], [2.0, 3.0]]}))
