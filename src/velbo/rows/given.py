"""What is given in new rows: containers or single values of the fields that a model is conditioned on -> numbers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SchemaError, nearest, unknown
from .containers import container_of
from .field import Field
from .kinds import kind_of
from .schema import Schema

OF_CONDITION = "field that the model is conditioned on"


def given_names(given: Any) -> list[str]:
    """Names of the fields that are given, in a container or one value a field."""
    if _is_values(given):
        return [str(name) for name in given]
    return [c.name for c in container_of(given, "given").columns(given, "given")]


def given_fields(
    schema: Schema, condition: Sequence[str], names: Sequence[str] | None = None, what: str = OF_CONDITION
) -> list[Field]:
    """Fields of a condition; those of some names only, if there are any. What they are is said if one is none.

    Raises:
        ConfigError: for a name that is none of them.
    """
    names = condition if names is None else names
    for name in names:
        if name not in condition:
            raise unknown(what, name, condition)
    return [f for f in schema.modelled if f.name in names]


def given_numbers(
    schema: Schema, condition: Sequence[str], given: Any, n: int, what: str = OF_CONDITION
) -> NDArray[np.float64]:
    """What is given, where it stands in rows, (n, D); NaN elsewhere.

    Args:
        schema: of the rows.
        condition: names of the fields that may be given.
        given: a container of n rows with some of these fields, or a value a field.
        n: rows.
        what: what the fields of the condition are, for messages.

    Raises:
        ConfigError: for another field.
        DataError: if there are not n rows.
        SchemaError: for a category that training did not have.
    """
    rows = given
    if _is_values(given):
        known = {f.name: f for f in schema.modelled}
        rows = {name: np.repeat(np.asarray([_but_for_blanks(v, known.get(name))]), n) for name, v in given.items()}
    fields = given_fields(schema, condition, given_names(rows), what)
    _refuse_unseen(rows, fields)
    v = schema.numbers_of(rows, fields, "given")
    if len(v) != n:
        raise DataError(f"given: {n} rows are needed, one for each new row, not {len(v)}")
    whole = np.full((n, schema.n_dims), np.nan)
    whole[:, schema.dims(f.name for f in fields)] = v
    return whole


def known_numbers(schema: Schema, rows: Any, given: Sequence[str] | None = None) -> NDArray[np.float64]:
    """v of what is known in rows, (N, D), NaN elsewhere.

    Args:
        schema: of the rows.
        rows: of any container with any of the modelled fields; further ones are not looked at.
        given: names of those that are looked at; all, if not said.

    Raises:
        ConfigError: for a name that is no modelled field.
        SchemaError: for a cell that does not fit its kind.
    """
    container = container_of(rows)
    there = {c.name for c in container.columns(rows, "data", schema.fields)}
    wanted = set(schema.places if given is None else given)
    schema.dims(wanted)  # which refuses other names
    fields = [f for f in schema.modelled if f.name in there & wanted]
    v = np.full((container.length(rows), schema.n_dims), np.nan)
    if there >= set(schema.places):  # arrays say by their places alone what they hold
        whole = schema.numbers(rows)
        for f in fields:
            v[:, schema.places[f.name]] = whole[:, schema.places[f.name]]
    elif fields:
        v[:, schema.dims(f.name for f in fields)] = schema.numbers_of(rows, fields, "data")
    return v


def _but_for_blanks(value: Any, field: Field | None) -> Any:
    """The one name of a field that differs from a value in blanks at its ends alone; the value where there is none."""
    if field is None or not isinstance(value, str) or value in field.categories:
        return value
    alike = [c for c in field.categories if isinstance(c, str) and c.strip() == value.strip()]
    return alike[0] if len(alike) == 1 else value


def _is_values(given: Any) -> bool:
    """Whether what is given is one value a field, for all rows."""
    return isinstance(given, Mapping) and all(np.ndim(value) == 0 for value in given.values())


def unseen_categories(rows: Any, fields: Sequence[Field], what: str) -> Iterator[tuple[int, str]]:
    """Of every field the first cell with a category that training did not have: (row, a sentence with the nearest
    category that it had).
    """
    columns = {c.name: c for c in container_of(rows, what).columns(rows, what)}
    for f in fields:
        if not f.categories or f.name not in columns:
            continue
        cells = columns[f.name].cells()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            v = kind_of(f).numbers(cells, f, what)
        asked = np.asarray(cells.is_valid()) & np.isnan(v[:, 0])
        if asked.any():
            row = int(asked.argmax())
            value, known = cells[row].as_py(), [str(c) for c in f.categories if c is not None]
            yield row, f"{what}: '{f.name}' had no '{value}' in training.{nearest(str(value), known)}"


def _refuse_unseen(rows: Any, fields: list[Field]) -> None:
    """
    Raises:
        SchemaError: for a category that training did not have.
    """
    for _, sentence in unseen_categories(rows, fields, "given"):
        raise SchemaError(sentence)
