"""Data frames <-> codes: float64 (N, D), one column for each modelled one (columns.py), NaN where missing.

pandas, polars and pyarrow alike, all by way of Arrow. Rows that go back have the columns, types, categories and zones
that came in.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import ConfigError, DataError, SchemaError, VelboWarning, need, unknown
from .arrow import MICRO, decoded, is_text, numbers, times_of_text, to_arrow, type_of
from .columns import Column
from .guess import column_of
from .profile import Profile

BACKENDS = ("pandas", "polars", "pyarrow")


def is_frame(x: Any) -> bool:
    """Whether x is a data frame of a library that is known."""
    return nw.dependencies.is_into_dataframe(x)


def backend_of(frame: Any) -> str:
    """pandas, polars or pyarrow: the library that rows of such a frame go back in."""
    name = str(nw.from_native(frame, eager_only=True, pass_through=False).implementation.name).lower()
    return name if name in BACKENDS else "pyarrow"


# what the columns are


def parse_overrides(texts: Sequence[str]) -> dict[str, str]:
    """name=kind, as on the command line, -> {name: kind}; the last "=" counts.

    Raises:
        ConfigError: if one has no "=".
    """
    pairs = [text.rpartition("=") for text in texts]
    for text, (name, _, kind) in zip(texts, pairs, strict=True):
        if not name or not kind:
            raise ConfigError(f"what a column is, is given as name=kind, such as age=count or id=drop, not '{text}'")
    return {name: kind for name, _, kind in pairs}


def guess(frame: Any, overrides: Mapping[str, str] | None = None) -> tuple[Column, ...]:
    """What every column of a data frame is.

    Args:
        frame: of any library.
        overrides: column -> kind, "kind:likelihood" or "drop".

    Raises:
        DataError: for a table without rows or columns, double names, or cells of no known sort.
        SchemaError: that lists every column which is refused, with advice.
        ConfigError: for overrides of columns that there are not, or of unknown kinds.
    """
    return guess_chunks([frame], overrides)


def guess_chunks(frames: Iterable[Any], overrides: Mapping[str, str] | None = None) -> tuple[Column, ...]:
    """The same for a table that comes in chunks of rows, in one pass and constant memory."""
    profiles: dict[str, Profile] = {}
    refused: list[str] = []
    overrides = overrides or {}
    for i, frame in enumerate(frames):
        table = to_arrow(frame)
        if i == 0:
            for name in overrides:
                if name not in table.column_names:
                    raise unknown("column", name, table.column_names)
            natives = _natives(frame, table)
            kept = {n: overrides.get(n, "") != "drop" for n in table.column_names}
            profiles = {n: _profile(n, table[n] if kept[n] else pa.nulls(0), natives[n]) for n in table.column_names}
        for name, profile in profiles.items():
            profile.add(table[name] if kept[name] else pa.nulls(len(table)))
    if not profiles:
        raise DataError("the table has no columns")
    if not next(iter(profiles.values())).n_rows:
        raise DataError("the table has no rows")
    columns: list[Column] = []
    for name, profile in profiles.items():
        try:
            columns.append(column_of(profile, overrides.get(name, "")))
        except SchemaError as error:
            refused.append(str(error))
    if refused:
        raise SchemaError("; ".join(refused))
    return tuple(columns)


def _profile(name: str, column: Any, native: str) -> Profile:
    kind, declared, ordered = column.type, (), False
    if pa.types.is_dictionary(kind):
        first = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        declared, ordered = tuple(first.dictionary.to_pylist()), kind.ordered or native.startswith("Enum")
    return Profile(name, kind, native, declared, ordered)


def _natives(frame: Any, table: pa.Table) -> dict[str, str]:
    """The library's own names of the types; empty for Arrow, whose types are known as they are."""
    if isinstance(frame, pa.Table):
        return dict.fromkeys(table.column_names, "")
    native = nw.to_native(frame, pass_through=True)
    kinds = list(native.dtypes)
    return {name: str(kind) for name, kind in zip(table.column_names, kinds, strict=True)}


def describe(columns: Sequence[Column]) -> list[dict[str, str]]:
    """One record a column, for printing as a table."""
    return [
        {
            "column": c.name,
            "kind": c.kind,
            "likelihood": c.likelihood or "-",
            "values": _values_of(c),
            "missing": str(c.n_missing),
            "reason": c.reason,
        }
        for c in columns
    ]


def _values_of(c: Column) -> str:
    if c.kind == "constant":
        return str(c.value)
    if c.categories:
        shown = ", ".join(str(v).strip() for v in c.categories[:3])
        return shown if c.n_categories <= 3 else f"{shown}, ... ({c.n_categories})"
    if c.kind == "datetime":
        return " to ".join(str(np.datetime64(int(v), "s").astype("datetime64[D]")) for v in (c.low, c.high))
    return f"{c.low:g} to {c.high:g}" if c.is_modelled else "-"


# into codes


def codes(frame: Any, columns: Sequence[Column], what: str = "data") -> NDArray[np.float64]:
    """The modelled columns as numbers, (N, D), NaN where missing.

    Args:
        frame: with these columns in any order; further ones are not looked at, and those that are not modelled may be
            absent. Or an array (N, columns), whose columns are these in order, or the modelled ones.
        columns: of the schema.
        what: the name of the data in messages.

    Raises:
        SchemaError: for a column that is absent, or a cell that does not fit its kind.
        DataError: for a frame that is none.
    """
    table = _as_table(frame, columns, what)
    absent = [c.name for c in columns if c.is_modelled and c.name not in table.column_names]
    if absent:
        raise SchemaError(
            f"{what}: there is no column {', '.join(map(repr, absent))}, which the model was trained with; the columns "
            f"are {', '.join(map(repr, table.column_names))}"
        )
    for c in columns:
        if c.kind == "constant" and c.name in table.column_names:
            _compare_constant(table[c.name], c, what)
    modelled = [_code(table[c.name], c, what) for c in columns if c.is_modelled]
    return np.stack(modelled, -1)


def _as_table(frame: Any, columns: Sequence[Column], what: str) -> pa.Table:
    if not isinstance(frame, np.ndarray | list | tuple):
        if not is_frame(frame):
            raise DataError(f"{what}: a data frame or an array is needed, not {type(frame).__name__}")
        return to_arrow(frame, what)
    rows, modelled = np.asarray(frame), [c.name for c in columns if c.is_modelled]
    names = [c.name for c in columns] if rows.ndim == 2 and rows.shape[1] == len(columns) else modelled
    if rows.ndim != 2 or rows.shape[1] != len(names):
        raise SchemaError(f"{what}: {len(columns)} columns are needed, not shape {rows.shape}")
    return pa.Table.from_arrays([pa.array(column, from_pandas=True) for column in rows.T], names)


def _code(column: Any, c: Column, what: str) -> NDArray[np.float64]:
    if c.categories:
        return _places(column, c, what)
    if c.kind == "datetime" and is_text(decoded(column).type):
        column = times_of_text(column, c.name, what)
    v = numbers(column, c.name, what)
    with np.errstate(invalid="ignore"):
        bad = ~_fits(v, c) & ~np.isnan(v)
    if bad.any():
        row = int(bad.argmax())
        raise SchemaError(
            f"{what}: row {row}, column '{c.name}' holds {v[row]:g}, which {NEEDS[c.kind].format(c=c)}; mend it, or "
            "mark it missing"
        )
    return v


NEEDS = {
    "positive": "is not above 0",
    "bounded": "does not lie between {c.location:g} and the upper bound of the training data",
    "count": "is no whole number from 0",
    "integer": "is not whole",
}
"""What a value is not that does not fit its kind."""


def _fits(v: NDArray[np.float64], c: Column) -> NDArray[np.bool_]:
    if c.kind == "positive":
        return v > 0
    if c.kind == "bounded":
        return (v > c.location) & (v < c.location + c.scale)
    if c.kind in ("count", "integer"):
        return (v == np.floor(v)) & ((v >= 0) | (c.kind == "integer"))
    return np.ones(len(v), bool)


def _places(column: Any, c: Column, what: str) -> NDArray[np.float64]:
    cells = decoded(column)
    wanted = pa.array(c.categories)
    try:
        places = pc.index_in(cells.cast(wanted.type), value_set=wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        places = pc.index_in(cells.cast(pa.string()), value_set=pa.array([str(v) for v in c.categories]))
    unseen = pc.and_(pc.is_valid(cells), pc.is_null(places))
    n = pc.sum(unseen).as_py() or 0
    if n:
        new = pc.unique(cells.filter(unseen)).to_pylist()
        warnings.warn(
            f"{what}: column '{c.name}': {n} cells hold {len(new)} categories that training did not have (first "
            f"{new[0]!r}); they count as missing",
            VelboWarning,
            stacklevel=5,
        )
    return np.array(
        places.cast(pa.float64()).to_numpy(zero_copy_only=False)
        if isinstance(places, pa.Array)
        else (places.cast(pa.float64()).to_numpy()),
        dtype=np.float64,
    )


def _compare_constant(column: Any, c: Column, what: str) -> None:
    others = {str(v) for v in pc.unique(decoded(column)).to_pylist() if v is not None}
    expected = str(c.value)
    try:
        others = {v for v in others if float(v) != float(expected)}
    except ValueError:
        others.discard(expected)
    if others:
        warnings.warn(
            f"{what}: column '{c.name}' was {c.value!r} in every row of the training data and holds {min(others)!r} "
            "now; the model does not look at it",
            VelboWarning,
            stacklevel=4,
        )


# and back


def clip_to_observed(rows: NDArray[np.float64], columns: Sequence[Column]) -> NDArray[np.float64]:
    """Codes (N, D) no further than what training data held."""
    modelled = [c for c in columns if c.is_modelled]
    return np.clip(rows, [c.low for c in modelled], [c.high for c in modelled])


def rebuild(rows: NDArray[np.float64], columns: Sequence[Column], backend: str) -> Any:
    """Codes (N, D) as a data frame: all columns but dropped ones, in order and type as they came.

    Args:
        rows: codes; NaN gives a missing cell.
        columns: of the schema.
        backend: pandas, polars or pyarrow; pyarrow is taken where the other is not installed.
    """
    codes_of = dict(zip([c.name for c in columns if c.is_modelled], np.asarray(rows).T, strict=True))
    kept = [c for c in columns if c.kind != "drop"]
    arrays = [_cells(codes_of[c.name], c) if c.is_modelled else _constant(c, len(rows)) for c in kept]
    table = pa.Table.from_arrays(arrays, [c.name for c in kept])
    return TO_BACKEND.get(backend, lambda t, _: t)(table, kept)


def _cells(v: NDArray[np.float64], c: Column) -> pa.Array:
    kind, missing = type_of(c.dtype), np.isnan(v)
    if c.categories:
        places = pa.array(np.where(missing, 0, v).astype(np.int32), mask=missing)
        found = pa.array(c.categories, type=None if not is_text(kind) else pa.string())
        if c.dtype.startswith("dictionary"):
            return pa.DictionaryArray.from_arrays(places, found.cast(kind), ordered="ordered=1" in c.dtype)
        return found.take(places).cast(kind, safe=False)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_duration(kind):
        micro = pa.array(np.rint(np.where(missing, 0, v) * MICRO).astype(np.int64), mask=missing)
        if pa.types.is_duration(kind):
            return micro.cast(pa.duration("us")).cast(kind, safe=False)
        return micro.cast(pa.timestamp("us", getattr(kind, "tz", None))).cast(kind, safe=False)
    if pa.types.is_integer(kind):
        info = np.iinfo(kind.to_pandas_dtype())
        whole = np.clip(np.rint(np.where(missing, 0, v)), info.min, min(info.max, 2**63 - 1024))
        return pa.array(whole.astype(kind.to_pandas_dtype()), mask=missing)
    rounded = v if c.decimals is None else np.round(v, c.decimals)
    if is_text(kind):
        return pa.array(
            [None if m else f"{x:.{c.decimals or 0}f}" for x, m in zip(rounded, missing, strict=True)], kind
        )
    if pa.types.is_boolean(kind):
        return pa.array(rounded > 0.5, mask=missing)
    return pa.array(rounded, mask=missing).cast(kind, safe=False)


def _constant(c: Column, n: int) -> pa.Array:
    kind = type_of(c.dtype)
    if c.value is None:
        return pa.nulls(n, kind)
    v = np.full(n, 0.0) if isinstance(c.value, str | bool) else np.full(n, float(c.value))
    return pa.array([c.value] * n).cast(kind) if isinstance(c.value, str | bool) else _cells(v, c)


def _to_pandas(table: pa.Table, columns: Sequence[Column]) -> Any:
    try:
        pandas = need("pandas", "data")
    except ImportError:
        return table
    made = {}
    for c, column in zip(columns, table.columns, strict=True):
        series = column.to_pandas()
        native = "" if "[" in c.native and "datetime64" not in c.native else c.native
        if native and str(series.dtype) != native and native != "category":
            whole = native.lower().startswith(("int", "uint"))
            series = series.astype(
                native.capitalize().replace("Uint", "UInt") if whole and series.isna().any() else native
            )
        made[c.name] = series.where(series.notna(), None) if native == "object" else series
    return pandas.DataFrame(made)


def _to_polars(table: pa.Table, columns: Sequence[Column]) -> Any:
    try:
        polars = need("polars", "data")
    except ImportError:
        return table
    frame = polars.from_arrow(table)
    enums = {c.name: polars.Enum(list(c.categories)) for c in columns if c.native.startswith("Enum")}
    plain = {c.name: polars.Categorical for c in columns if c.native.startswith("Categorical")}
    return frame.cast(enums | plain)


TO_BACKEND = {"pandas": _to_pandas, "polars": _to_polars}


def fill(frame: Any, rows: NDArray[np.float64], columns: Sequence[Column]) -> Any:
    """A data frame whose missing cells of modelled columns hold what codes (N, D) say; all else is as it was."""
    backend = backend_of(frame)
    table, new = to_arrow(frame), rebuild(rows, columns, backend)
    native = nw.to_native(frame, pass_through=True)
    filled = native.copy() if backend == "pandas" else native
    for c in columns:
        missing = pc.is_null(decoded(table[c.name])) if c.is_modelled and c.name in table.column_names else None
        if missing is not None and pc.any(missing).as_py():
            mask = np.array(
                missing.to_numpy(zero_copy_only=False) if isinstance(missing, pa.Array) else missing.to_numpy()
            )
            filled = FILL[backend](filled, c.name, mask, new)
    return filled


def _fill_pandas(frame: Any, name: str, mask: NDArray[np.bool_], new: Any) -> Any:
    column = next(k for k in frame.columns if str(k) == name)
    series = frame[column].copy()
    series[mask] = new[name].to_numpy()[mask] if series.dtype != "category" else new[name][mask].tolist()
    frame[column] = series
    return frame


def _fill_polars(frame: Any, name: str, mask: NDArray[np.bool_], new: Any) -> Any:
    series = frame[name]
    kept = type(series)(values=~mask)
    return frame.with_columns(series.zip_with(kept, new[name].cast(series.dtype)).alias(name))


def _fill_pyarrow(table: pa.Table, name: str, mask: NDArray[np.bool_], new: Any) -> Any:
    old = table[name]
    plain = decoded(old) if pa.types.is_dictionary(old.type) else old
    joined = pc.if_else(pa.array(mask), decoded(new[name]).cast(plain.type), plain)
    if pa.types.is_dictionary(old.type):
        joined = joined.dictionary_encode().cast(old.type)
    return table.set_column(table.column_names.index(name), table.schema.field(name), joined)


FILL = {"pandas": _fill_pandas, "polars": _fill_polars, "pyarrow": _fill_pyarrow}
