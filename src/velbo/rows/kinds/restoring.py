"""Numbers back to the types that came in.

numbers      rounded to the decimals that were seen, whole ones to whole ones, within what their type has room for
dates        multiples of the step that was seen (days, hours, minutes, seconds), on the clock of their zone
durations    multiples of the step that was seen
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..arrow import MICRO, PER_SECOND, is_text, is_time, type_of
from ..field import Field

DIGITS = 15
"""That a float always has."""


def restored_numbers(v: NDArray[np.float64], field: Field) -> pa.Array:
    """v (N,) in the type of the field; NaN as null.

    Raises:
        pa.ArrowInvalid: if that type has no room for them.
    """
    cells = _plain(v, field, type_of(field.dtype))
    if not field.dtype.startswith("dictionary"):
        return cells
    encoded = cells.dictionary_encode()
    return dictionary_of(encoded.indices, encoded.dictionary, field)


def dictionary_of(places: pa.Array, names: pa.Array, field: Field) -> pa.DictionaryArray:
    """A dictionary of the type of the field, or of one with more room for places."""
    index = re.search(r"indices=(\w+)", field.dtype)
    width = pa.type_for_alias(index[1]) if index else pa.int32()
    fits = len(names) - 1 <= np.iinfo(width.to_pandas_dtype()).max
    ordered = "ordered=1" in field.dtype
    return pa.DictionaryArray.from_arrays(places.cast(width) if fits else places, names, ordered=ordered)


def _plain(v: NDArray[np.float64], field: Field, kind: pa.DataType) -> pa.Array:
    missing = np.isnan(v)
    if is_time(kind) or pa.types.is_duration(kind):
        return _restored_times(np.where(missing, 0.0, v), missing, field, kind)
    rounded = v if field.decimals is None else np.round(v, field.decimals)
    if is_text(kind):
        form = "r" if field.decimals is None else f".{field.decimals}f"
        said = [repr(float(x)) if form == "r" else format(x, form) for x in rounded]
        return pa.array([None if m else text for m, text in zip(missing, said, strict=True)], kind)
    if pa.types.is_boolean(kind):
        return pa.array(rounded > 0.5, mask=missing)
    low, high = _ends(kind)
    if pa.types.is_integer(kind):
        whole = np.clip(np.rint(np.where(missing, 0, v)), low, high)
        return pa.array(whole.astype(kind.to_pandas_dtype()), mask=missing)
    return pa.array(np.clip(rounded, low, high), mask=missing).cast(kind, safe=False)


def _ends(kind: pa.DataType) -> tuple[float, float]:
    """The smallest and the largest float that a type of numbers has room for."""
    if pa.types.is_integer(kind):
        info = np.iinfo(kind.to_pandas_dtype())
        low, high, exact = info.min, info.max, info.max < 2**53
    elif pa.types.is_decimal(kind):
        high, exact = (10**kind.precision - 1) / 10.0**kind.scale, kind.precision <= DIGITS
        low = -high
    else:
        info = np.finfo(kind.to_pandas_dtype())
        low, high, exact = info.min, info.max, True
    if exact:
        return float(low), float(high)
    # the next float inward: the end itself may have been rounded outward
    return float(np.nextafter(float(low), 0.0)) if low else 0.0, float(np.nextafter(float(high), 0.0))


def _restored_times(v: NDArray[np.float64], missing: NDArray[np.bool_], field: Field, kind: pa.DataType) -> pa.Array:
    end = 0.999 * 2**63 / max(PER_SECOND[getattr(kind, "unit", "us")], MICRO)
    v, zone = np.clip(v, -end, end), getattr(kind, "tz", None)
    if field.step and zone is not None:
        times = _on_the_clock(v, field.step, zone)
    else:
        rounded = np.rint(v / field.step) * field.step if field.step else v
        times = np.rint(rounded * MICRO).astype(np.int64)
    plain = pa.duration("us") if pa.types.is_duration(kind) else pa.timestamp("us", zone)
    return pa.array(times, mask=missing).cast(plain).cast(kind, safe=False)


def _on_the_clock(v: NDArray[np.float64], step: float, zone: str) -> NDArray[np.int64]:
    """Microseconds, rounded on the clock of the zone: midnight there is rarely midnight in UTC. Of an hour that comes
    twice, the one that is meant; one that there is not is the next that there is.
    """
    micro, ticks = np.rint(v * MICRO).astype(np.int64), round(step * MICRO)
    local = pc.local_timestamp(pa.array(micro).cast(pa.timestamp("us", zone))).cast(pa.int64()).to_numpy()
    clock = pa.array((local + ticks // 2) // ticks * ticks).cast(pa.timestamp("us"))
    first, second = (
        pc.assume_timezone(clock, zone, ambiguous=which, nonexistent="latest").cast(pa.int64()).to_numpy()
        for which in ("earliest", "latest")
    )
    return np.where(np.abs(first - micro) <= np.abs(second - micro), first, second)
