"""Arrays as columns and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from velbo.formats import as_array, as_tensor_column
from velbo.formats.base import rows_per_batch


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 2, 2),
        np.arange(3, dtype=np.int8),
        np.zeros((0, 2, 2), np.uint8),
        np.array([[True, False, True]]),
        np.asfortranarray(np.arange(18.0).reshape(2, 3, 3)),
        np.arange(4, dtype=">i4").reshape(2, 2),
        np.arange(24, dtype=np.uint8).reshape(3, 4, 2)[:, ::2],
        np.array([[np.nan, 1.0]]),
    ],
)
def test_there_and_back(array):
    column = as_tensor_column(array)
    column.validate(full=True)
    back = as_array(column)
    assert back.dtype == array.dtype.newbyteorder("=")
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)
    np.testing.assert_array_equal(as_array(pa.chunked_array([column, column])), np.concatenate([array, array]))
    np.testing.assert_array_equal(as_array(column[1:]), array[1:])
    assert as_array(pa.chunked_array([], column.type)).shape == (0, *array.shape[1:])


def test_nothing_is_copied_where_it_need_not_be():
    array = np.arange(12.0).reshape(3, 2, 2)
    assert np.shares_memory(as_array(as_tensor_column(array)), array)


def test_half_precision_is_widened():
    column = as_tensor_column(np.ones((2, 2), np.float16))
    assert column.type == pa.fixed_shape_tensor(pa.float32(), [2])


def test_missing_rows_and_cells_are_nan():
    kind = pa.fixed_shape_tensor(pa.uint8(), [2, 2])
    column = pa.ExtensionArray.from_storage(
        kind, pa.array([[1, 2, 3, 4], None, [1, 2, None, 4]], pa.list_(pa.uint8(), 4))
    )
    nan = np.nan
    expected = [[[1, 2], [3, 4]], [[nan, nan], [nan, nan]], [[1, 2], [nan, 4]]]
    np.testing.assert_array_equal(as_array(column), expected)
    np.testing.assert_array_equal(as_array(column[1:]), expected[1:])
    np.testing.assert_array_equal(as_array(pa.array([1, None])), [1, nan])


def test_axes_in_another_order_are_put_right_with_missing_rows_and_without():
    """Arrow's tensors may say that their axes are stored in another order; its own reader knows."""
    kind = pa.fixed_shape_tensor(pa.float64(), [3, 4], permutation=[1, 0])
    cells = pa.array([list(range(12)), None], pa.list_(pa.float64(), 12))
    column = pa.ExtensionArray.from_storage(kind, cells)
    assert as_array(column).shape == (2, 4, 3)
    np.testing.assert_array_equal(as_array(column)[:1], column[:1].to_numpy_ndarray())
    np.testing.assert_array_equal(as_array(column[:1]), column[:1].to_numpy_ndarray())


def test_batches_are_of_64_mib_at_most():
    narrow = pa.schema([("x", pa.float64()), ("b", pa.bool_()), ("s", pa.string())])
    assert rows_per_batch(narrow) == 65_536
    assert rows_per_batch(pa.schema([(str(i), pa.float64()) for i in range(20_000)])) == 2**26 // 160_000
    assert rows_per_batch(pa.schema([("x", pa.fixed_shape_tensor(pa.float32(), [1024, 1024]))])) == 16
    assert rows_per_batch(pa.schema([("x", pa.fixed_shape_tensor(pa.float64(), [10**5, 1024]))])) == 1
