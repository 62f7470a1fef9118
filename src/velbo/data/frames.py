"""Data frames <-> codes: float64 (N, D), one column for each modelled one (columns.py), NaN where missing.

pandas, polars and pyarrow alike, all by way of Arrow. Rows that go back have the columns, types, categories and zones
that came in.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import ConfigError, DataError, SchemaError, VelboWarning, need, unknown
from .arrow import MICRO, decoded, is_number, is_text, is_time, numbers, times_of_text, to_arrow, type_of
from .columns import Column
from .guess import column_of
from .profile import Profile
from .schema import MAX_STANDARD_DEVIATIONS

BACKENDS = ("pandas", "polars", "pyarrow")
MOST_TIMES_TYPICAL = 1e30
NAMES_SHOWN = 12


def is_frame(x: Any) -> bool:
    """Whether x is a data frame of a library that is known; arrays, series and lazy frames are none."""
    return nw.dependencies.is_into_dataframe(nw.to_native(x, pass_through=True))


def backend_of(frame: Any) -> str:
    """pandas, polars or pyarrow: the library that rows of such a frame go back in."""
    name = str(nw.from_native(frame, eager_only=True, pass_through=False).implementation.name).lower()
    return name if name in BACKENDS else "pyarrow"


def _names(frame: Any, what: str) -> list[str]:
    """Of all columns, as text.

    Raises:
        DataError: for what is no frame, and for names that are double or in several levels.
    """
    if not is_frame(frame):
        lazy = "; collect it first" if hasattr(frame, "collect") else ""
        raise DataError(f"{what}: a data frame or an array is needed, not {type(frame).__name__}{lazy}")
    native = nw.to_native(frame, pass_through=True)
    to_arrow(_only(native, ()), what)
    names = [str(n) for n in (native.column_names if isinstance(native, pa.Table) else native.columns)]
    for name, n in Counter(names).items():
        if n > 1:
            raise DataError(f"{what}: two columns are called '{name}'; rename one")
    return names


def _only(frame: Any, names: Container[str]) -> Any:
    """The columns of these names: what is left out need not be of a type that Arrow has."""
    native = nw.to_native(frame, pass_through=True)
    if hasattr(native, "iloc"):
        return native.iloc[:, [i for i, name in enumerate(native.columns) if str(name) in names]]
    every = native.column_names if isinstance(native, pa.Table) else native.columns
    return native.select([name for name in every if name in names])


def _column(frame: Any, name: str, what: str) -> tuple[Any, str]:
    """(Arrow cells, the library's own name of their type; empty for Arrow, whose types are known as they are)."""
    one = _only(frame, (name,))
    try:
        column = to_arrow(one, what)[0]
    except pa.ArrowException as error:
        raise DataError(f"{what}: column '{name}' is of a type that Arrow does not have; convert it") from error
    return column, "" if isinstance(one, pa.Table) else _name_of(next(iter(one.dtypes)))


def _name_of(dtype: Any) -> str:
    """A name from which the type can be made again: pandas calls text "string" wherever it is stored."""
    python = str(dtype) == "string" and getattr(dtype, "storage", "") == "python"
    return "string[python]" if python else str(dtype)


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
    overrides = overrides or {}
    profiles: dict[str, Profile] = {}
    refused: dict[str, str] = {}
    for frame in frames:
        names = _names(frame, "data")
        if not profiles:
            for name in overrides:
                if name not in names:
                    raise unknown("column", name, names)
            profiles = {name: Profile(name) for name in names}
        if odd := sorted(set(names) ^ set(profiles)):
            raise SchemaError(f"column '{odd[0]}' is not in every chunk of the table")
        for name in names:
            if name not in refused and overrides.get(name) != "drop":
                try:
                    profiles[name].add(*_column(frame, name, "data"))
                except DataError as error:
                    refused[name] = str(error)
    if not profiles:
        raise DataError("the table has no columns")
    asked = [p for name, p in profiles.items() if overrides.get(name) != "drop" and name not in refused]
    if asked and not asked[0].n_rows:
        raise DataError("the table has no rows")
    columns: list[Column] = []
    for name, profile in profiles.items():
        try:
            columns.append(column_of(profile, overrides.get(name, "") if name not in refused else "drop"))
        except SchemaError as error:
            refused[name] = str(error)
    if refused:
        raise SchemaError("; ".join(refused[name] for name in profiles if name in refused))
    return tuple(columns)


def describe(columns: Sequence[Column]) -> list[dict[str, str]]:
    """One record a column, for printing as a table."""
    return [
        {
            "column": c.name,
            "kind": c.kind,
            "likelihood": c.likelihood or "-",
            "values": _values_of(c),
            "missing": "-" if c.kind == "drop" else str(c.n_missing),
            "reason": c.reason,
        }
        for c in columns
    ]


def _values_of(c: Column) -> str:
    if c.kind == "constant":
        return "-" if c.value is None else _shown(c.value, c)
    if c.categories:
        shown = ", ".join(str(v).strip() for v in c.categories[:3])
        return shown if c.n_categories <= 3 else f"{shown}, ... ({c.n_categories})"
    return f"{_shown(c.low, c)} to {_shown(c.high, c)}" if c.is_modelled else "-"


def _shown(v: Any, c: Column) -> str:
    if is_time(type_of(c.dtype)):
        return str(np.datetime64(int(v), "s").astype("datetime64[D]"))
    return str(v) if isinstance(v, str | bool) else f"{v:g}"


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
    wanted = [c for c in columns if c.kind != "drop"]
    table = _of_array(frame, columns, what) if isinstance(frame, np.ndarray | list | tuple) else None
    names = _names(frame, what) if table is None else table.column_names
    absent = [c.name for c in wanted if c.is_modelled and c.name not in names]
    if absent:
        more = ", ..." if len(names) > NAMES_SHOWN else ""
        raise SchemaError(
            f"{what}: there is no column {', '.join(map(repr, absent))}, which the model was trained with; the columns "
            f"are {', '.join(map(repr, names[:NAMES_SHOWN]))}{more}"
        )
    modelled: list[NDArray[np.float64]] = []
    for c in (c for c in wanted if c.name in names):
        column = table[c.name] if table is not None else _column(frame, c.name, what)[0]
        if c.is_modelled:
            modelled.append(_code(column, c, what))
        else:
            _compare_constant(column, c, what)
    return np.stack(modelled, -1) if modelled else np.empty((len(frame), 0))


def _of_array(array: Any, columns: Sequence[Column], what: str) -> pa.Table:
    rows, modelled = np.asarray(array), [c.name for c in columns if c.is_modelled]
    names = [c.name for c in columns] if rows.ndim == 2 and rows.shape[1] == len(columns) else modelled
    if rows.ndim != 2 or rows.shape[1] != len(names):
        raise SchemaError(f"{what}: {len(columns)} columns are needed, not shape {rows.shape}")
    return pa.Table.from_arrays([_cells_of(column) for column in rows.T], names)


def _cells_of(column: NDArray[Any]) -> pa.Array:
    try:
        return pa.array(column, from_pandas=True)
    except pa.ArrowException:  # an array of objects may hold numbers and text in one column
        return pa.array([None if _is_missing(v) else str(v) for v in column], pa.string())


def _is_missing(v: Any) -> bool:
    try:
        return v is None or bool(v != v)
    except TypeError:  # pandas' NA does not compare
        return True


def _sort_of(kind: pa.DataType) -> str:
    """What cells of a type are: text, dates, durations, truth values or numbers; empty if none of these."""
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    sorts = {
        "text": is_text(inner),
        "dates": is_time(inner),
        "durations": pa.types.is_duration(inner),
        "truth values": pa.types.is_boolean(inner),
        "missing cells only": pa.types.is_null(inner),
        "numbers": is_number(inner),
    }
    return next((name for name, found in sorts.items() if found), "")


def _code(column: Any, c: Column, what: str) -> NDArray[np.float64]:
    given = _sort_of(column.type)
    trained = {"datetime": "dates"}.get(c.kind) or ("durations" if c.dtype.startswith("duration") else "numbers")
    if not given or (given in ("dates", "durations") and (c.categories or given != trained)):
        raise SchemaError(
            f"{what}: column '{c.name}' holds {given or column.type} and held {c.dtype} in training; convert it"
        )
    if c.categories:
        return _places(column, c, what)
    if c.kind == "datetime" and given == "text":
        column = times_of_text(column, c.name, what)
    v = numbers(column, c.name, what)
    for fits, why in FITS.get(c.kind, ()):
        with np.errstate(invalid="ignore"):
            bad = ~fits(v, c) & ~np.isnan(v)
        if bad.any():
            row, said = int(bad.argmax()), why.format(low=c.location, high=c.location + c.scale)
            raise SchemaError(
                f"{what}: row {row}, column '{c.name}' holds {v[row]:g}, which {said}; mend it, or mark it missing"
            )
    return v


Fit = tuple[Callable[[NDArray[np.float64], Column], NDArray[np.bool_]], str]
NEAR: Fit = (
    lambda v, c: abs((v - c.location) / c.scale) <= MAX_STANDARD_DEVIATIONS,
    f"is over {MAX_STANDARD_DEVIATIONS:g} standard deviations from the mean of the training data, as in a wrong unit",
)
TYPICAL: Fit = (
    lambda v, c: (v <= MOST_TIMES_TYPICAL * c.scale) & (v * MOST_TIMES_TYPICAL >= c.scale),
    f"differs from what is usual by a factor of over {MOST_TIMES_TYPICAL:g}",
)
WHOLE: Fit = (lambda v, _: v == np.floor(v), "is not whole")
FITS: dict[str, tuple[Fit, ...]] = {
    "real": (NEAR,),
    "datetime": (NEAR,),
    "integer": (WHOLE, NEAR),
    "positive": ((lambda v, _: v > 0, "is not above 0"), TYPICAL),
    "bounded": (
        (lambda v, c: (v > c.location) & (v < c.location + c.scale), "does not lie between {low:g} and {high:g}"),
    ),
    "count": (
        (lambda v, _: (v == np.floor(v)) & (v >= 0), "is no whole number from 0"),
        (lambda v, _: v <= MOST_TIMES_TYPICAL, f"is over {MOST_TIMES_TYPICAL:g}"),
    ),
}
"""What values of a kind must be, and what is said of one that is not."""


def _places(column: Any, c: Column, what: str) -> NDArray[np.float64]:
    """Where cells stand in the categories: text among text as it is, else by what they mean: 1, 1.0 and "1" are one."""
    cells = decoded(column)
    cells = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    encoded = pc.dictionary_encode(cells)
    values = encoded.dictionary.to_pylist()
    text, single = isinstance(c.categories[0], str), type_of(c.dtype) == pa.float32()
    exact = {v: i for i, v in enumerate(c.categories)}
    loose = {_meaning(v, single): i for v, i in reversed(exact.items())}  # of several that mean one thing, the first
    found = [exact.get(v) if text and isinstance(v, str) else loose.get(_meaning(v, single)) for v in values]
    places = np.array([np.nan if i is None else i for i in found] + [np.nan])
    at = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    unseen = np.isnan(places[at]) & (at < len(values))
    if unseen.any():
        first = values[at[unseen.argmax()]]
        warnings.warn(
            f"{what}: column '{c.name}': {unseen.sum()} cells hold {np.isnan(places[:-1]).sum()} categories that "
            f"training did not have (first {first!r}); they count as missing",
            VelboWarning,
            stacklevel=4,
        )
    return places[at]


def _meaning(v: Any, single: bool = False) -> Any:
    """A number for numbers, truth values and text that is one, at single precision if asked; else the text itself."""
    if isinstance(v, str):
        v = {"true": 1.0, "false": 0.0}.get(v.strip().lower(), v)
    try:
        return float(np.float32(v)) if single else float(v)
    except (TypeError, ValueError):
        return v


def _compare_constant(column: Any, c: Column, what: str) -> None:
    cells = decoded(column).drop_null()
    timed = _sort_of(cells.type) in ("dates", "durations")
    counts = pc.value_counts(cells)
    values = numbers(counts.field("values"), c.name, what).tolist() if timed else counts.field("values").to_pylist()
    expected = _meaning(c.value)
    others = {i: v for i, v in enumerate(values) if _meaning(v) != expected}
    if others:
        n = sum(counts.field("counts")[i].as_py() for i in others)
        first = counts.field("values")[min(others)].as_py()
        was = "missing" if c.value is None else _shown(c.value, c)
        warnings.warn(
            f"{what}: column '{c.name}' was {was} in every row of the training data, and {n} cells hold something else "
            f"now (first {str(first)!r}); the model does not look at it",
            VelboWarning,
            stacklevel=3,
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
    """Codes of one column in the type that it came in.

    Raises:
        pa.ArrowInvalid: if that type has no room for them.
    """
    kind, missing = type_of(c.dtype), np.isnan(v)
    if c.categories:
        return _named(v, c, kind)
    if c.kind == "datetime" or pa.types.is_duration(kind):
        plain = pa.duration("us") if pa.types.is_duration(kind) else pa.timestamp("us", getattr(kind, "tz", None))
        micro = pa.array(np.rint(np.where(missing, 0, v) * MICRO).astype(np.int64), mask=missing)
        return micro.cast(plain).cast(kind, safe=False)
    if pa.types.is_integer(kind):
        info = np.iinfo(kind.to_pandas_dtype())
        whole = np.clip(np.rint(np.where(missing, 0, v)), info.min, min(info.max, 2**63 - 1024))
        return pa.array(whole.astype(kind.to_pandas_dtype()), mask=missing)
    rounded = v if c.decimals is None else np.round(v, c.decimals)
    if is_text(kind):
        form = "r" if c.decimals is None else f".{c.decimals}f"
        said = [repr(float(x)) if form == "r" else format(x, form) for x in rounded]
        return pa.array([None if m else text for m, text in zip(missing, said, strict=True)], kind)
    if pa.types.is_boolean(kind):
        return pa.array(rounded > 0.5, mask=missing)
    return pa.array(rounded, mask=missing).cast(kind, safe=False)


def _named(places: NDArray[np.float64], c: Column, kind: pa.DataType) -> pa.Array:
    missing = np.isnan(places)
    at = pa.array(np.where(missing, 0, places).astype(np.int32), mask=missing)
    found = pa.array(c.categories)
    if not c.dtype.startswith("dictionary"):
        return found.take(at).cast(kind, safe=False)
    index = re.search(r"indices=(\w+)", c.dtype)
    width = pa.type_for_alias(index[1]) if index else pa.int32()
    fits = c.n_categories - 1 <= np.iinfo(width.to_pandas_dtype()).max
    ordered = "ordered=1" in c.dtype
    return pa.DictionaryArray.from_arrays(at.cast(width) if fits else at, found.cast(kind), ordered=ordered)


def _constant(c: Column, n: int) -> pa.Array:
    kind = type_of(c.dtype)
    if c.value is None:
        return pa.nulls(n, kind)
    if not isinstance(c.value, str | bool):
        return _cells(np.full(n, float(c.value)), replace(c, kind="datetime") if is_time(kind) else c)
    if c.dtype.startswith("dictionary"):
        return _named(np.zeros(n), replace(c, categories=(c.value,)), kind)
    return pa.array([c.value] * n).cast(kind)


def _to_pandas(table: pa.Table, columns: Sequence[Column]) -> Any:
    try:
        pandas = need("pandas", "data")
    except ImportError:
        return table
    return pandas.DataFrame({c.name: _series(table[c.name], c.native) for c in columns})


def _series(column: Any, native: str) -> Any:
    """Arrow cells as a pandas series of the type of that name; a type that has no room for holes gives way to one that
    has.
    """
    pandas = need("pandas", "data")
    if native.endswith("[pyarrow]"):
        return column.to_pandas(types_mapper=pandas.ArrowDtype)
    series = column.to_pandas()
    if native == "object":
        return series.astype(object).where(series.notna(), None)
    if column.null_count and native.startswith(("int", "uint", "bool")):
        native = {"bool": "boolean"}.get(native) or native.replace("uint", "UInt").replace("int", "Int")
    try:
        wanted = pandas.api.types.pandas_dtype(native or series.dtype)
    except TypeError:  # the name is another library's
        return series
    return series.astype(wanted)


def _to_polars(table: pa.Table, columns: Sequence[Column]) -> Any:
    try:
        polars = need("polars", "data")
    except ImportError:
        return table
    frame = polars.DataFrame({c.name: _polars_series(table[c.name]) for c in columns})
    enums = {c.name: polars.Enum(list(c.categories)) for c in columns if c.native.startswith("Enum") and c.categories}
    plain = {c.name: polars.Categorical for c in columns if c.native.startswith("Categorical")}
    return frame.cast(enums | plain)


def _polars_series(column: Any) -> Any:
    polars = need("polars", "data")
    numbered = pa.types.is_dictionary(column.type) and not is_text(column.type)
    return polars.from_arrow(decoded(column) if numbered else column)


TO_BACKEND = {"pandas": _to_pandas, "polars": _to_polars}


# into the holes of a frame


def fill(frame: Any, rows: NDArray[np.float64], columns: Sequence[Column]) -> Any:
    """A data frame whose missing cells of modelled columns hold what codes (N, D) say; all else is as it was.

    A column keeps its type, unless all its cells are missing and the type is that of other things than the model's; a
    type of categories is given those that it lacks.

    Raises:
        SchemaError: if a column's type has no room for the values of the model.
    """
    names, backend = _names(frame, "data"), backend_of(frame)
    native = nw.to_native(frame, pass_through=True)
    filled = native.copy() if backend == "pandas" else native
    modelled = [c for c in columns if c.is_modelled]
    for c, v in zip(modelled, np.asarray(rows).T, strict=True):
        if c.name not in names:
            continue
        column, own = _column(frame, c.name, "data")
        missing = np.asarray(pc.is_null(decoded(column)))
        if missing.any():
            like = _like(column, own, c)
            new = _fitted(np.where(missing, v, np.nan), like)
            filled = FILL[backend](filled, names.index(c.name), missing, new, like)
    return filled


def _like(column: Any, native: str, c: Column) -> Column:
    """The column with the type of this frame, or that of training if nothing is in it and it is of another sort."""
    sort = _sort_of(column.type)
    if decoded(column).null_count == len(column) and sort != _sort_of(type_of(c.dtype)):
        return c
    return replace(c, dtype=str(column.type), native=native)


def _fitted(v: NDArray[np.float64], c: Column) -> pa.Array:
    try:
        return _cells(v, c)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SchemaError(
            f"column '{c.name}' is of type {c.dtype}, which has no room for the values of the model; convert it"
        ) from error


def _fill_pandas(frame: Any, place: int, missing: NDArray[np.bool_], new: pa.Array, c: Column) -> Any:
    series, values = frame.iloc[:, place].copy(), _series(new, c.native)
    if _name_of(series.dtype) != c.native:
        series = values.set_axis(frame.index)
    elif c.native == "category":
        lacking = [v for v in values[missing].dropna().unique() if v not in series.cat.categories]
        series = series.cat.add_categories(lacking)
        series[missing] = values[missing].tolist()
    else:
        series[missing] = values[missing].array
    frame.isetitem(place, series)
    return frame


def _fill_polars(frame: Any, place: int, missing: NDArray[np.bool_], new: pa.Array, c: Column) -> Any:
    polars = need("polars", "data")
    series, values = frame.to_series(place), _polars_series(new)
    if str(series.dtype) != c.native:
        return frame.with_columns(values.alias(series.name))
    if isinstance(series.dtype, polars.Enum):
        kept = series.dtype.categories.to_list()
        used = values.filter(polars.Series(missing)).drop_nulls().unique().to_list()
        series = series.cast(polars.Enum([*kept, *(v for v in used if v not in kept)]))
    return frame.with_columns(series.zip_with(polars.Series(~missing), values.cast(series.dtype)).alias(series.name))


def _fill_pyarrow(table: pa.Table, place: int, missing: NDArray[np.bool_], new: pa.Array, c: Column) -> Any:
    old, n = table.column(place), len(table)
    if old.type == new.type:
        both = pa.chunked_array([*old.chunks, new], old.type).unify_dictionaries()
        if pa.types.is_string_view(old.type):  # Arrow cannot take from these
            both = both.cast(pa.large_string())
        new = both.take(pa.array(np.arange(n) + n * missing)).cast(old.type)
    return table.set_column(place, table.field(place).with_type(new.type), new)


FILL = {"pandas": _fill_pandas, "polars": _fill_polars, "pyarrow": _fill_pyarrow}
