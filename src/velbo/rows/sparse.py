"""Rows of a sparse matrix (N, D), such as the counts of genes in cells: a few of them at a time are made dense, and
nothing more. Scored and encoded they are as rows in files are (`Stored`), block by block. Training reads a batch of a
matrix in memory (sparse_cells.py), and one in a file as other files, in a stream.

    any matrix of scipy.sparse         one field "x" of shape (D,)
    an AnnData, in memory or backed    its X as "x", and columns of its obs that are asked for (a batch, say)

Whole numbers none of which is below 0 are counts. An AnnData is told by its attributes; its library is not imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import DataError, unknown
from .arrow import decoded
from .tensors import tensors

X = "x"
BYTES_PER_BLOCK, MOST_ROWS = 2 * 2**20, 4096


@dataclass(frozen=True)
class Block:
    """Some rows.

    Attributes:
        start: the first of them.
        n_rows: how many.
    """

    start: int
    n_rows: int


def is_sparse(x: Any) -> bool:
    """Whether x is a sparse matrix or an AnnData."""
    return is_matrix(x) or is_anndata(x)


def is_matrix(x: Any) -> bool:
    """Whether x is a matrix of scipy.sparse, or one alike."""
    return hasattr(x, "tocsr") and hasattr(x, "nnz")


def is_anndata(x: Any) -> bool:
    """Whether x is an AnnData."""
    return {"X", "obs", "var_names"} <= set(dir(x))  # to ask for X may read it


class SparseRows:
    """Such rows; a `velbo.rows.Stored`.

    Args:
        x: a sparse matrix or an AnnData.
        names: of columns of its obs that go with it; others than these and X are not looked at.
        name: of the data in messages.

    Raises:
        DataError: if it is no matrix of numbers, or has no rows.
        ConfigError: for a column that obs does not have.
    """

    def __init__(self, x: Any, names: Iterable[str] = (), name: str = "data") -> None:
        matrix = _of_anndata(x) if is_anndata(x) else x
        if matrix is None or len(getattr(matrix, "shape", ())) != 2 or 0 in matrix.shape:
            raise DataError(f"{name}: X of shape (N, D) is needed, numbers of N rows")
        self.name, self.shape = name, tuple(matrix.shape)
        # other forms of sparse matrices have no rows to take
        self.matrix = matrix.tocsr() if is_matrix(matrix) and hasattr(matrix, "format") else matrix
        self.columns = {known: _column(x, known) for known in dict.fromkeys(names) if known != X}

    @cached_property
    def n_per_block(self) -> int:
        """Rows of a block: of 2 MiB at single precision, at most."""
        return max(1, min(MOST_ROWS, BYTES_PER_BLOCK // (4 * self.shape[1])))

    def __len__(self) -> int:
        return self.shape[0]

    def row_groups(self) -> Sequence[Block]:
        """All blocks, in order."""
        n, step = len(self), self.n_per_block
        return [Block(start, min(step, n - start)) for start in range(0, n, step)]

    def read_group(self, group: Block) -> pa.Table:
        """The rows of one block."""
        start, stop = group.start, group.start + group.n_rows
        others = {name: column.slice(start, group.n_rows) for name, column in self.columns.items()}
        return pa.table({X: tensors(self.block(start, stop)), **others})

    def batches(self) -> Iterator[pa.Table]:
        """All rows, a block at a time."""
        return map(self.read_group, self.row_groups())

    @property
    def is_in_memory(self) -> bool:
        """Whether any rows can be had at once."""
        return is_matrix(self.matrix) or isinstance(self.matrix, np.ndarray)

    def take(self, index: NDArray[np.int64]) -> pa.Table:
        """The rows of these numbers, of a matrix in memory."""
        others = {name: column.take(pa.array(index)) for name, column in self.columns.items()}
        return pa.table({X: tensors(self._dense(index)), **others})

    def block(self, start: int, stop: int) -> NDArray[Any]:
        """X of some rows, dense.

        Raises:
            DataError: if it holds no numbers.
        """
        return self._dense(slice(start, stop))

    def _dense(self, rows: slice | NDArray[np.int64]) -> NDArray[Any]:
        found = self.matrix[rows]
        dense = np.asarray(found.toarray() if hasattr(found, "toarray") else found)
        if dense.dtype.kind not in "biuf":
            raise DataError(f"{self.name}: X holds cells of type {dense.dtype}, which are no numbers; convert them")
        return dense

    @property
    def kinds(self) -> dict[str, str]:
        """Of X, where it is of counts."""
        return {X: "count"} if self.is_counts else {}

    @cached_property
    def is_counts(self) -> bool:
        """Whether X holds whole numbers alone, none below 0, and some above 1."""
        high = 0.0
        for part in self._values():
            if part.dtype.kind not in "biuf":
                return False
            known = part[part == part]  # a missing cell is NaN
            if not np.isfinite(known).all():
                return False
            if known.size and (known.min() < 0 or (known.dtype.kind == "f" and not (known % 1 == 0).all())):
                return False
            high = max(high, float(known.max(initial=0)))
        return high > 1

    def _values(self) -> Iterator[NDArray[Any]]:
        """The numbers that are not 0, or all."""
        if is_matrix(self.matrix):
            data = np.asarray(self.matrix.data)
            yield from (data[start : start + 2**20] for start in range(0, len(data), 2**20))
            return
        yield from (self.block(each.start, each.start + each.n_rows) for each in self.row_groups())

    def fingerprint(self) -> str:
        """Of shape and values, zeros that are stored left out, and of the columns."""
        digest = hashlib.blake2b(f"{self.shape}".encode(), digest_size=8)
        for each in self.row_groups():
            block = self.block(each.start, each.start + each.n_rows)
            at = np.flatnonzero(block)
            digest.update((at + each.start * self.shape[1]).astype("<i8").tobytes())
            digest.update(block.ravel()[at].astype("<f8").tobytes())
        for name, column in self.columns.items():
            digest.update(f"{name} {column.to_pylist()}".encode())
        return digest.hexdigest()


class OnDisk:
    """A matrix in CSR form in a file of HDF5, of which some rows are read at a time: data and indices of row i lie at
    indptr[i] to indptr[i + 1].

    Args:
        group: of the file, with the attribute shape and the three arrays.

    Raises:
        DataError: if it is in another form.
    """

    def __init__(self, group: Any) -> None:
        form = group.attrs.get("encoding-type", "csr_matrix")
        if form != "csr_matrix":
            raise DataError(f"X lies in the form {form}, of which rows cannot be read: write it with adata.X.tocsr()")
        self.group, self.shape = group, tuple(int(n) for n in group.attrs["shape"])
        self.starts = np.asarray(group["indptr"])

    def __getitem__(self, rows: slice) -> Any:
        from scipy.sparse import csr_matrix

        start, stop, _ = rows.indices(self.shape[0])
        at = slice(int(self.starts[start]), int(self.starts[stop]))
        parts = (self.group["data"][at], self.group["indices"][at], self.starts[start : stop + 1] - at.start)
        return csr_matrix(parts, shape=(stop - start, self.shape[1]))


def _of_anndata(x: Any) -> Any:
    """Its X; of one that is backed by a file, rows of the file."""
    if not getattr(x, "isbacked", False):
        return x.X
    if getattr(x, "is_view", False):
        raise DataError("a view of an AnnData in a file has no rows of its own; read it first: adata[...].to_memory()")
    if "X" not in x.file:
        return None
    found = x.file["X"]
    return OnDisk(found) if hasattr(found, "keys") else found


def in_blocks(x: Any, names: Iterable[str] = (), what: str = "data") -> Any:
    """Sparse rows as `SparseRows` with columns of these names; anything else as it is."""
    return SparseRows(x, names, what) if is_sparse(x) else x


def _column(x: Any, name: str) -> pa.Array:
    known = list(x.obs.columns) if is_anndata(x) else []
    if name not in known:
        raise unknown("column of obs, beside the matrix,", name, known)
    cells = pa.array(x.obs[name], from_pandas=True)
    return decoded(cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells)
