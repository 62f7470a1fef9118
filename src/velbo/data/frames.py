"""Data frames <-> codes: float64 (N, D), one column for each modelled one (columns.py), NaN where missing.

pandas, polars and pyarrow alike, all by way of Arrow. Rows that go back have the columns, types, categories and zones
that came in.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import ConfigError, DataError, SchemaError, VelboWarning, unknown
from .arrow import backend_of, cells_of, decoded, is_frame, is_time, names_of, numbers, sort_of, times_of_text, type_of
from .columns import Column
from .guess import column_of
from .profile import Profile
from .rebuilding import clip_to_observed, fill, rebuild
from .schema import MAX_STANDARD_DEVIATIONS

__all__ = [
    "backend_of",
    "clip_to_observed",
    "codes",
    "describe",
    "fill",
    "guess",
    "guess_chunks",
    "is_frame",
    "parse_overrides",
    "rebuild",
]

MOST_TIMES_TYPICAL = 1e30
NAMES_SHOWN = 12


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
        names = names_of(frame, "data")
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
                    profiles[name].add(*cells_of(frame, name, "data"))
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
    names = names_of(frame, what) if table is None else table.column_names
    absent = [c.name for c in wanted if c.is_modelled and c.name not in names]
    if absent:
        more = ", ..." if len(names) > NAMES_SHOWN else ""
        raise SchemaError(
            f"{what}: there is no column {', '.join(map(repr, absent))}, which the model was trained with; the columns "
            f"are {', '.join(map(repr, names[:NAMES_SHOWN]))}{more}"
        )
    modelled: list[NDArray[np.float64]] = []
    for c in (c for c in wanted if c.name in names):
        column = table[c.name] if table is not None else cells_of(frame, c.name, what)[0]
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


def _code(column: Any, c: Column, what: str) -> NDArray[np.float64]:
    given = sort_of(column.type)
    trained = {"datetime": "dates"}.get(c.kind) or ("durations" if c.dtype.startswith("duration") else "numbers")
    if not given or (given in ("dates", "durations") and given != trained):
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
    timed = sort_of(cells.type) in ("dates", "durations")
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
