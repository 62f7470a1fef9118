"""Bodies of requests and answers: bytes of one of three types <-> an Arrow table. Whatever comes in is hostile until it
is checked: types, sizes before they are unpacked, offsets inside Arrow's buffers.

    application/json                      {"rows": [{"age": 30, "sex": "f"}, ...]}
    application/vnd.apache.arrow.stream   Arrow's stream
    application/vnd.apache.parquet        a Parquet file
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import SchemaError, VelboError
from ..prediction import Prediction
from ..rows import Field, Schema
from ..rows.arrow import type_of
from ..rows.tensors import block_of, shape_of
from .settings import Settings

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
TYPES = (JSON, ARROW, PARQUET)
MOST_COLUMNS = 100_000


class Refused(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        why: a sentence for the client.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def media_type(header: str) -> str:
    """Of a Content-Type, without its parameters; JSON if there is none.

    Raises:
        Refused: for another type.
    """
    found = header.partition(";")[0].strip().lower() or JSON
    if found not in TYPES:
        raise Refused(415, f"a body is one of {', '.join(TYPES)}, not {found[:100]}")
    return found


def answer_type(accept: str, sent: str) -> str:
    """The first type of an Accept header that there is; that of the request, if it takes any.

    Raises:
        Refused: if it takes none of them.
    """
    asked = [part.partition(";")[0].strip().lower() for part in accept.split(",") if part.strip()]
    if not asked or any(each in ("*/*", "application/*") for each in asked):
        return next((each for each in asked if each in TYPES), sent)
    found = next((each for each in asked if each in TYPES), None)
    if found is None:
        raise Refused(406, f"an answer is one of {', '.join(TYPES)}, and none of them is accepted")
    return found


def table_of(body: bytes, kind: str, schema: Schema, settings: Settings) -> pa.Table:
    """The rows of a body.

    Raises:
        Refused: if they are none, or too many.
    """
    try:
        table = {JSON: _from_json, ARROW: _from_arrow, PARQUET: _from_parquet}[kind](body, schema, settings)
        table.validate(full=True)
    except (Refused, VelboError):
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, KeyError, RecursionError) as error:
        why = " ".join(str(error).split())[:300]
        raise Refused(400, f"the body cannot be read as {kind}: {why}") from error
    _refuse_rows(len(table), settings)
    if not len(table):
        raise Refused(422, "there are no rows in the body")
    return table


def body_of(table: pa.Table, kind: str, notes: Sequence[str]) -> bytes:
    """The body of an answer; notes are part of JSON alone, and else in a header."""
    if kind == JSON:
        import msgspec

        cells = [_for_json(table[name]) for name in table.column_names]
        rows = [dict(zip(table.column_names, row, strict=True)) for row in zip(*cells, strict=True)]
        return msgspec.json.encode({"rows": rows, "notes": list(notes)})
    sink = io.BytesIO()
    if kind == PARQUET:
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


def _for_json(cells: pa.ChunkedArray) -> list[Any]:
    """Values as JSON has them; arrays as lists of lists."""
    shape = shape_of(cells.type)
    return block_of(cells).reshape(len(cells), *shape).tolist() if len(shape) > 1 else cells.to_pylist()


def _refuse_rows(n: int, settings: Settings) -> None:
    if n > settings.max_rows:
        raise Refused(413, f"there are {n:,} rows, and {settings.max_rows:,} are the most; send fewer at a time")


def _refuse_columns(n: int) -> None:
    if n > MOST_COLUMNS:
        raise Refused(413, f"there are {n:,} columns, and {MOST_COLUMNS:,} are the most")


def _from_arrow(body: bytes, schema: Schema, settings: Settings) -> pa.Table:
    batches, n = [], 0
    with pa.ipc.open_stream(body) as reader:
        _refuse_columns(len(reader.schema))
        for batch in reader:
            n += len(batch)
            _refuse_rows(n, settings)
            batches.append(batch)
        return pa.Table.from_batches(batches, reader.schema)


def _from_parquet(body: bytes, schema: Schema, settings: Settings) -> pa.Table:
    file = pq.ParquetFile(io.BytesIO(body))
    said = file.metadata
    _refuse_rows(said.num_rows, settings)
    _refuse_columns(said.num_columns)
    unpacked = sum(said.row_group(i).total_byte_size for i in range(said.num_row_groups))
    if unpacked > settings.max_bytes:
        raise Refused(413, f"the body unpacks to {unpacked:,} bytes, and {settings.max_bytes:,} are the most")
    return file.read(use_threads=False)


def _from_json(body: bytes, schema: Schema, settings: Settings) -> pa.Table:
    import msgspec

    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise Refused(400, f"the body cannot be read as JSON: {' '.join(str(error).split())[:300]}") from error
    rows = found.get("rows") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Refused(400, 'the body must be an object with a list of objects: {"rows": [{"name": value}]}')
    _refuse_rows(len(rows), settings)
    names = list(dict.fromkeys(name for row in rows for name in row))
    _refuse_columns(len(names))
    fields = {f.name: f for f in schema.fields}
    return pa.table({name: column([row.get(name) for row in rows], fields.get(name), name) for name in names})


def column(values: list[Any], field: Field | None, name: str) -> pa.Array:
    """JSON's values as a column: arrays and dates as the field's type has them, others as they are.

    Raises:
        SchemaError: if they are no such values.
    """
    try:
        if field is not None and field.shape:
            return pa.array(values, _nested(field))
        found = pa.array(values)
        kind = type_of(field.dtype) if field is not None else found.type
        has_no_json = pa.types.is_temporal(kind) or pa.types.is_decimal(kind) or pa.types.is_binary(kind)
        if has_no_json and pa.types.is_string(found.type):
            return found.cast(kind)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        wanted = "values of one type" if field is None else f"values as in training, {field.dtype}"
        why = " ".join(str(error).split())[:200]
        raise SchemaError(f"column {name!r} must hold {wanted} ({why})") from error
    return found


def _nested(field: Field) -> pa.DataType:
    kind = type_of(field.dtype)
    for size in reversed(field.shape):
        kind = pa.list_(kind, size)
    return kind


def latents_of(table: pa.Table, n_latents: int) -> Any:
    """Columns z0, z1, ... as an array.

    Raises:
        Refused: if they are others, or hold no numbers.
    """
    names = [f"z{i}" for i in range(n_latents)]
    if set(table.column_names) != set(names):
        raise Refused(422, f"latents are {n_latents} columns z0 to z{n_latents - 1}, as /encode answers them")
    try:
        return np.stack([table[name].to_numpy().astype(np.float64) for name in names], -1)
    except (ValueError, TypeError) as error:
        raise Refused(422, f"latents are numbers ({error})") from error


def of_prediction(p: Prediction) -> pa.Table:
    """A prediction as rows."""
    columns: dict[str, Any] = {"best": pa.array(p.best.tolist())}
    if not np.isnan(p.mean).all():
        columns |= {"mean": p.mean, "spread": p.spread}
    columns |= {f"p({value})": p.p[:, i] for i, value in enumerate(p.values)}
    return pa.table(columns | {"effective_samples": p.effective_samples, "pareto_shape": p.pareto_shape})
