"""Rows as the estimators take them: checked as scikit-learn asks. Of a sparse matrix so many rows at a time are made
dense as 2 MiB hold (rows/sparse.py), and what is found of each is put together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data

from ..errors import DataError
from ..rows import container_of
from ..rows.row_numbers import rows_at, rows_from
from ..rows.sparse import SparseRows, is_anndata, is_matrix

OfRows = Callable[[Any], NDArray[Any]]
OfBlock = Callable[[Any, int], Any]


def checked(estimator: Any, X: Any, reset: bool, image_shape: Sequence[int] | None, of_frame: bool) -> Any:
    """X as it came if it is a data frame, or if the model is of one; else an array or a sparse matrix of numbers.

    Args:
        estimator: that takes them.
        X: rows.
        reset: whether they are those that it is fitted to.
        image_shape: of rows that are images.
        of_frame: whether the model is of a data frame.

    Raises:
        ValueError: if they are no such rows.
    """
    if is_anndata(X):
        raise DataError("X is an AnnData; give its matrix, adata.X, or all of it to velbo.fit")
    if is_matrix(X) and (of_frame or image_shape is not None):
        what = "the model is of a data frame" if of_frame else "images are arrays"
        raise DataError(f"X is sparse, and {what}; give dense rows, X[:1000].toarray()")
    is_frame = hasattr(X, "columns") or hasattr(X, "column_names")
    if (is_frame and image_shape is None) or of_frame:
        return validate_data(estimator, X, reset=reset, skip_check_array=True)
    least = 2 if reset and image_shape is None else 1  # columns of one row are constant
    checks: Any = {"dtype": "numeric", "ensure_all_finite": "allow-nan", "ensure_min_samples": least}
    rows: Any = validate_data(estimator, X, reset=reset, accept_sparse="csr", **checks)
    return rows if is_matrix(rows) else rows.reshape(len(rows), *(image_shape or rows.shape[1:]))


def n_rows_of(rows: Any) -> int:
    """How many rows there are."""
    return rows.shape[0] if is_matrix(rows) else container_of(rows).length(rows)


def taken(rows: Any, index: NDArray[np.int64]) -> Any:
    """The rows of these numbers; those of a sparse matrix stay sparse."""
    return rows[index] if is_matrix(rows) else container_of(rows).take(rows, index)


def by_blocks(rows: Any, f: OfRows) -> NDArray[Any]:
    """f of rows: of a sparse matrix block by block, else of all at once."""
    if not is_matrix(rows):
        return f(rows)
    found, sparse = list[NDArray[Any]](), SparseRows(rows)
    for group in sparse.row_groups():
        with rows_from(group.start):
            found.append(f(sparse.block(group.start, group.start + group.n_rows)))
    return np.concatenate(found)


def filled(rows: Any, f: OfBlock) -> Any:
    """Rows with their missing cells filled; in a sparse matrix those are stored NaN, and all else stays as it is.

    Args:
        rows: of any container.
        f: rows, number of the block that they are -> the same without missing cells.
    """
    if not is_matrix(rows):
        return f(rows, 0)
    new = rows.copy()
    new.sum_duplicates()
    missing = np.flatnonzero(np.isnan(new.data))
    at = np.searchsorted(new.indptr, missing, side="right") - 1
    which, step = np.unique(at), SparseRows(rows).n_per_block
    for block, start in enumerate(range(0, len(which), step)):
        some = which[start : start + step]
        with rows_at(some):
            dense = f(new[some].toarray(), block)
        first, last = np.searchsorted(at, (some[0], some[-1] + 1))
        here = missing[first:last]
        new.data[here] = dense[np.searchsorted(some, at[first:last]), new.indices[here]]
    return new
