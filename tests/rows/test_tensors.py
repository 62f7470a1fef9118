"""Columns of arrays as blocks, and back: lists, lists in lists, tensors, with missing rows and cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from contracts.tables import NAN, arrays_in
from velbo.rows.tensors import array_type, arrays_of, block_of, item_type, parted, shape_of, tensors

COLUMNS = arrays_in("pyarrow", np.random.default_rng(0))
ROWS = np.arange(24).reshape(4, 2, 3)


def cells(column: Any) -> np.ndarray:
    """An independent way to the cells: pyarrow's own."""
    if isinstance(column.type, pa.FixedShapeTensorType):
        return column.to_numpy_ndarray().reshape(len(column), -1)
    return np.array(column.to_pylist()).reshape(len(column), -1)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_block_has_the_cells_in_reading_order(name):
    column = COLUMNS[name]
    block = block_of(column)
    assert block.shape == (12, np.prod(shape_of(column.type)))
    np.testing.assert_array_equal(block, cells(column))
    part = column.slice(3, 5)
    np.testing.assert_array_equal(block_of(part), cells(column)[3:8])
    chunks = pa.chunked_array([column.slice(0, 5), column.slice(5)])
    np.testing.assert_array_equal(block_of(chunks), cells(column))
    empty = block_of(pa.chunked_array([], column.type))
    assert empty.shape == (0, block.shape[1])


@pytest.mark.parametrize("name", COLUMNS)
def test_cells_go_back_into_their_type(name):
    column = COLUMNS[name]
    values, missing = parted(column)
    assert not missing.any()
    back = arrays_of(column.type, values)
    assert back.type == column.type
    assert back.equals(column)
    rebuilt = array_type(
        item_type(column.type), shape_of(column.type), not isinstance(column.type, pa.FixedShapeTensorType)
    )
    assert name == "permuted" or rebuilt == column.type


def test_no_copy_where_none_is_needed():
    images = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
    assert np.shares_memory(block_of(tensors(images)), images)
    values, missing = parted(tensors(images))
    assert np.shares_memory(values, images)
    assert missing.strides == (0, 0)


def test_a_transposed_array_has_its_cells_where_they_were():
    turned = np.asfortranarray(ROWS)
    np.testing.assert_array_equal(block_of(tensors(turned)), ROWS.reshape(4, 6))
    assert shape_of(tensors(turned.transpose(0, 2, 1)).type) == (3, 2)
    permuted = pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.int64(), [2, 3], permutation=[1, 0]),
        pa.FixedSizeListArray.from_arrays(pa.array(ROWS.reshape(-1)), 6),
    )
    assert shape_of(permuted.type) == (3, 2)
    np.testing.assert_array_equal(block_of(permuted).reshape(4, 3, 2), ROWS.transpose(0, 2, 1))


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.float16, np.float32, np.float64, bool])
def test_missing_rows_and_cells(dtype):
    """In lists in lists: a missing inner list is one of missing cells."""
    kind = pa.list_(pa.list_(pa.from_numpy_dtype(np.dtype(dtype)), 2), 2)
    one = np.dtype(dtype).type(1).item()
    column = pa.array([[[one, None], [one, one]], None, [None, [one, one]], [[one] * 2] * 2], kind)
    values, missing = parted(column)
    assert missing.tolist() == [[False, True, False, False], [True] * 4, [True, True, False, False], [False] * 4]
    assert (values[~missing] == 1).all()
    block = block_of(column)
    np.testing.assert_array_equal(np.isnan(block), missing)
    absent = np.asarray(column.is_null())
    back = arrays_of(kind, values, absent, missing)
    assert back.type == kind
    assert back[1].as_py() is None
    assert back[2].as_py() == [[None, None], [one, one]]
    sliced, gone = parted(column.slice(2))
    np.testing.assert_array_equal(gone, missing[2:])
    assert (sliced[~gone] == 1).all()


def test_whole_numbers_beyond_53_bits_pass_beside_missing_cells():
    column = pa.array([[2**60 + 1, None], None], pa.list_(pa.int64(), 2))
    values, missing = parted(column)
    assert values[0, 0] == 2**60 + 1
    assert arrays_of(column.type, values, np.array([False, True]), missing).equals(column)


def test_cells_without_room_in_a_type_take_another_of_its_form():
    half = np.full((2, 4), 0.5)
    for item, wanted in ((pa.int8(), pa.float64()), (pa.bool_(), pa.float64()), (pa.float32(), pa.float32())):
        lists = arrays_of(array_type(item, (2, 2), as_lists=True), half)
        assert lists.type == array_type(wanted, (2, 2), as_lists=True)
        assert lists[0].as_py() == [[0.5, 0.5], [0.5, 0.5]]
        column = arrays_of(pa.fixed_shape_tensor(item, [2, 2], ["h", "w"]), half)
        assert column.type == pa.fixed_shape_tensor(wanted, [2, 2], ["h", "w"])


def test_what_is_no_column_of_arrays():
    for kind in (pa.int64(), pa.list_(pa.float64()), pa.list_(pa.string(), 2), pa.list_(pa.list_(pa.string(), 2), 2)):
        assert shape_of(kind) == ()
    assert item_type(pa.list_(pa.list_(pa.int8(), 2), 3)) == pa.int8()
    assert item_type(pa.string()) == pa.string()


def test_nan_is_no_null():
    column = pa.array([[NAN, 1.0], [None, 2.0]], pa.list_(pa.float64(), 2))
    _, missing = parted(column)
    assert missing.tolist() == [[False, False], [True, False]]
    assert np.isnan(block_of(column)[:, 0]).all()
