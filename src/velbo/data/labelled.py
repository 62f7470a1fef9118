"""Rows of an array that come with a label each, which a conditional model is given: an image and what it shows.

Inside, a row is its D numbers and, last, the label: its code, or its number (columns.py). Outside, it is a `Data`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DataError, SchemaError
from .arrays import as_rows
from .columns import Column
from .encodings import Encoding
from .schema import Schema
from .sources import LABEL, Data


def infer_labelled(data: Data, schema: Schema, asked: str = "") -> Schema:
    """The schema of an array, and what its labels are.

    Args:
        data: with labels.
        schema: of the rows alone.
        asked: kind of the label, where the guess is to be another.

    Raises:
        SchemaError: if labels differ in every row, or are the same in all.
    """
    from . import frames

    (column,) = frames.guess(_table(data), {LABEL: asked} if asked else None)
    if not column.is_modelled:
        raise SchemaError(f"the labels are {column.kind} ({column.reason}), and nothing can be learned from them")
    return replace(schema, label=column)


def joined(x: Any, schema: Schema, what: str) -> NDArray[Any]:
    """Rows and codes of their labels side by side, (N, D + 1).

    Raises:
        DataError: if there are no labels.
        SchemaError: if rows or labels do not fit the schema.
    """
    from . import frames

    if not isinstance(x, Data) or x.labels is None:
        raise DataError(
            f"{what}: the model is conditioned on a label, and these rows have none; give velbo.Data(rows, "
            "labels=...), or name labels beside the rows, as in images.npz:images+labels"
        )
    rows = as_rows(x.rows, what)
    schema.check(rows, what)
    assert schema.label is not None
    codes = frames.codes(_table(x), (schema.label,), what)
    flat = rows.reshape(len(rows), -1)
    if flat.dtype == np.uint8 and not np.isnan(codes).any() and schema.label.categories and codes.max() <= 255:
        codes = codes.astype(np.uint8)
    return np.hstack((flat, codes))


def parted(x: NDArray[Any], schema: Schema) -> Data:
    """The inverse of `joined`, of values that a model gives: (N, D + 1)."""
    from . import frames

    assert schema.label is not None
    column = frames.rebuild(x[:, -1:].astype(np.float64), (schema.label,), "pyarrow").column(0)
    labels = column.to_numpy()
    if labels.dtype.kind == "O" and not column.null_count:
        labels = np.array(column.to_pylist())  # text as such, which a .npy file takes
    return Data(x[:, :-1].reshape(len(x), *schema.shape), labels=labels)


def _table(data: Data) -> Any:
    import pyarrow as pa

    labels = np.asarray(data.labels)
    if labels.shape != (len(data.rows),):
        raise DataError(
            f"labels: one for each of the {len(data.rows)} rows is needed, and these have shape {labels.shape}"
        )
    return pa.table({LABEL: pa.array(labels, from_pandas=True)})


@dataclass(frozen=True)
class WithLabel:
    """An encoding of D numbers, and that of the label behind them."""

    rows: Encoding
    label: Encoding

    @property
    def is_random(self) -> bool:
        return self.rows.is_random

    def store(self, rows: NDArray[Any], dtype: torch.dtype) -> Tensor:
        return torch.cat((self.rows.store(rows[:, :-1], dtype), self.label.store(rows[:, -1:], dtype)), 1)

    def present(self, kept: Tensor, uniform: Tensor | None, dtype: torch.dtype) -> Tensor:
        noise = None if uniform is None else uniform[..., :-1]
        label = self.label.present(kept[..., -1:], None, dtype)
        return torch.cat((self.rows.present(kept[..., :-1], noise, dtype), label), -1)

    def restore(self, x: Tensor) -> Tensor:
        rows = self.rows.restore(x[..., :-1])
        return torch.cat((rows, self.label.restore(x[..., -1:]).to(rows)), -1)

    def log_det(self, n_dims: int) -> Tensor:
        return torch.cat((self.rows.log_det(n_dims - 1), torch.zeros(1, dtype=torch.float64)))


def label_columns(schema: Schema) -> tuple[Column, ...]:
    """What every number of a row is, D + 1: the label last, and before it numbers of no particular kind."""
    assert schema.label is not None
    return (*[Column("", "real")] * schema.n_dims, schema.label)
