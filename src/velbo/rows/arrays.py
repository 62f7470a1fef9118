"""Anything array-like in memory -> a clean numeric array of rows, or one clear error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .row_numbers import row_name

if TYPE_CHECKING:
    from torch import Tensor

CELLS_PER_BLOCK = 1_000_000


def as_rows(x: Any, what: str = "data") -> NDArray[Any]:
    """Rows of finite numbers (N, *shape), NaN where missing; whole numbers, float32 and float64 stay as they are.

    Args:
        x: NumPy or torch array, nested lists, whatever NumPy makes an array of, or a masked array, whose masked cells
            are missing.
        what: the name of the data in error messages.

    Raises:
        DataError: if there are no rows or columns, or cells that are not finite real numbers.
    """
    array = plain_array(x, what)
    if np.iscomplexobj(array):
        raise DataError(f"{what}: Complex data not supported; give real and imaginary parts as two columns")
    if array.dtype.kind in "OUS":
        array = _numbers(array, what)
    if array.dtype.kind not in "buif":
        raise DataError(f"{what}: cells of type {array.dtype} are no numbers; convert them first")
    if array.ndim < 2:
        raise DataError(
            f"{what}: one observation a row is needed, (N, D) or (N, H, W, C), not shape {array.shape}; "
            "Reshape your data with array.reshape(-1, 1) for one column or array.reshape(1, -1) for one row"
        )
    if 0 in array.shape:
        part = "rows" if array.shape[0] == 0 else "columns"
        raise DataError(f"{what}: it has no {part} (shape {array.shape})")
    if array.dtype.kind == "f":
        array = array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32, copy=False)
        _refuse_infinite(array, what)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def plain_array(x: Any, what: str = "data") -> NDArray[Any]:
    """NumPy's array of whatever is like one; masked cells, of any array that has some, are NaN or None.

    Raises:
        DataError: for rows of different lengths.
    """
    if is_tensor(x):
        import torch

        whole = x.detach().cpu()
        return (whole.float() if whole.dtype == torch.bfloat16 else whole).numpy()
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        is_float, is_whole = x.dtype.kind == "f", x.dtype.kind in "biu"
        whole = np.array(np.ma.getdata(x), x.dtype if is_float else np.float64 if is_whole else object)
        whole[np.ma.getmaskarray(x)] = np.nan if is_float or is_whole else None
        return whole
    try:
        return np.asarray(x)
    except ValueError as error:
        raise DataError(f"{what}: rows have different lengths ({error}); give all the same") from error


def is_tensor(x: Any) -> TypeGuard[Tensor]:
    """Whether an object is torch's: whoever has one has loaded torch, which is not done for the question."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def _numbers(array: NDArray[Any], what: str) -> NDArray[np.float64]:
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        return np.array([_number(cell, at, what) for at, cell in np.ndenumerate(array)]).reshape(array.shape)


def _number(cell: Any, at: tuple[int, ...], what: str) -> float:
    if is_missing(cell):
        return np.nan
    try:
        return float(cell)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{what}: the cell at {at} holds {cell!r}, which is no number; argument must be a string or a number: "
            "encode categories as numbers, or give a data frame"
        ) from error


def is_missing(cell: Any) -> bool:
    """Whether an object is None, NaN, or what pandas has for them."""
    try:
        return cell is None or bool(cell != cell)
    except (TypeError, ValueError):  # pandas' NA does not compare
        return True


def _refuse_infinite(array: NDArray[Any], what: str) -> None:
    for start, part in blocks(array.reshape(len(array), -1)):
        infinite = np.isinf(part)
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            place = tuple(int(i) for i in np.unravel_index(column, array.shape[1:]))
            raise DataError(
                f"{what}: {row_name(start + row)} holds inf at {place}; infinity has no likelihood: cap it, or mark it "
                "missing (NaN)"
            )


def blocks(rows: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """(first row, rows (n, D)) of consecutive parts, small enough that temporary arrays of their size do not count."""
    size = max(1, CELLS_PER_BLOCK // max(1, rows.shape[1]))
    for start in range(0, len(rows), size):
        yield start, rows[start : start + size]
