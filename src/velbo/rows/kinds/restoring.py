"""Numbers back to the types that came in.

numbers      rounded to the decimals that were seen, whole ones to whole ones, within what their type has room for
dates        multiples of the step that was seen (days, hours, minutes, seconds), on the clock of their zone
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..arrow import MICRO, is_text, is_time, type_of
from ..field import Field


def restored_numbers(v: NDArray[np.float64], field: Field) -> pa.Array:
    """v (N,) in the type of the field; NaN as null.

    Raises:
        pa.ArrowInvalid: if that type has no room for them.
    """
    kind, missing = type_of(field.dtype), np.isnan(v)
    if is_time(kind) or pa.types.is_duration(kind):
        return _restored_times(v, missing, field, kind)
    if pa.types.is_integer(kind):
        info = np.iinfo(kind.to_pandas_dtype())
        # the largest whole number that float64 tells from its neighbours below the type's own end
        top = float(np.nextafter(float(info.max), 0)) if info.max > 2**53 else info.max
        whole = np.clip(np.rint(np.where(missing, 0, v)), info.min, top)
        return pa.array(whole.astype(kind.to_pandas_dtype()), mask=missing)
    rounded = v if field.decimals is None else np.round(v, field.decimals)
    if is_text(kind):
        form = "r" if field.decimals is None else f".{field.decimals}f"
        said = [repr(float(x)) if form == "r" else format(x, form) for x in rounded]
        return pa.array([None if m else text for m, text in zip(missing, said, strict=True)], kind)
    if pa.types.is_boolean(kind):
        return pa.array(rounded > 0.5, mask=missing)
    return pa.array(rounded, mask=missing).cast(kind, safe=False)


def _restored_times(v: NDArray[np.float64], missing: NDArray[np.bool_], field: Field, kind: pa.DataType) -> pa.Array:
    filled, zone = np.where(missing, 0, v), getattr(kind, "tz", None)
    if field.step and zone is not None:
        return _on_the_clock(filled, missing, field.step, zone).cast(kind, safe=False)
    if field.step:
        filled = np.rint(filled / field.step) * field.step
    plain = pa.duration("us") if pa.types.is_duration(kind) else pa.timestamp("us", zone)
    micro = pa.array(np.rint(filled * MICRO).astype(np.int64), mask=missing)
    return micro.cast(plain).cast(kind, safe=False)


def _on_the_clock(v: NDArray[np.float64], missing: NDArray[np.bool_], step: float, zone: str) -> pa.Array:
    """Rounded on the clock of the zone: midnight there is rarely midnight in UTC."""
    times = pa.array(np.rint(v * MICRO).astype(np.int64), mask=missing).cast(pa.timestamp("us", zone))
    local = pc.local_timestamp(times).cast(pa.int64()).to_numpy(zero_copy_only=False)
    rounded = (np.rint(np.where(missing, 0, local) / (step * MICRO)) * step * MICRO).astype(np.int64)
    naive = pa.array(rounded, mask=missing).cast(pa.timestamp("us"))
    return pc.assume_timezone(naive, zone, ambiguous="earliest", nonexistent="latest")
