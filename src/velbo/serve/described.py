"""The schema of the data as JSON Schema, for the server's OpenAPI page: every field with its type, values and ranges.

Source: the OpenAPI specification 3.1, https://spec.openapis.org/oas/v3.1.0.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ..rows import Field, Schema
from ..rows.arrow import type_of
from ..rows.kinds import kind_of

MOST_FIELDS, MOST_CATEGORIES = 2000, 200


def row_schema(schema: Schema, condition: tuple[str, ...] = ()) -> dict[str, Any]:
    """JSON Schema of one row. No field is required here: which are, an endpoint says."""
    fields = [f for f in schema.fields if kind_of(f).is_modelled][:MOST_FIELDS]
    return {
        "type": "object",
        "title": "Row",
        "description": schema.describe(),
        "properties": {f.name: of_field(f, f.name in condition) for f in fields},
        "additionalProperties": True,
    }


def of_field(field: Field, is_given: bool) -> dict[str, Any]:
    """JSON Schema of one field; null is a missing value."""
    said = f"{field.kind}, {kind_of(field).shown(field)}{'; given to the model' if is_given else ''}"
    inner = _of_cell(field)
    for size in reversed(field.shape):
        inner = {"type": "array", "items": inner, "minItems": size, "maxItems": size}
    return {"anyOf": [inner, {"type": "null"}], "description": said}


def _of_cell(field: Field) -> dict[str, Any]:
    known = [c for c in field.categories if c is not None]
    if known:
        return {"enum": known} if len(known) <= MOST_CATEGORIES else {"type": "string"}
    kind = type_of(field.dtype)
    if pa.types.is_temporal(kind):
        return {"type": "string", "format": "date" if pa.types.is_date(kind) else "date-time"}
    return {"type": "boolean" if pa.types.is_boolean(kind) else "number"}


def rows_schema(row: str) -> dict[str, Any]:
    """Of a body: rows by the name of their schema."""
    rows = {"type": "array", "items": {"$ref": f"#/components/schemas/{row}"}}
    return {"type": "object", "required": ["rows"], "properties": {"rows": rows}}
