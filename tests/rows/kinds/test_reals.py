"""Numbers without bounds, and dates."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from contracts.kinds import (
    DATE_TYPES,
    DECIMAL_TYPES,
    DURATION_TYPES,
    FLOAT_TYPES,
    TIME_TYPES,
    WHOLE_TYPES,
    ModelledContract,
    in_types,
)
from contracts.tables import NAN
from velbo.rows import KINDS, Field, infer

RNG = np.random.default_rng(0)
DAY = dt.datetime(2020, 1, 1)


class TestReal(ModelledContract):
    kind = "real"
    columns = (
        *in_types([0.5, None, -2.25, 7.75, 0.5], FLOAT_TYPES, DECIMAL_TYPES),
        *in_types([5, None, 7, 100, 7], WHOLE_TYPES),
        pa.array([True, None, False, True]),
        *in_types([dt.timedelta(hours=5), None, dt.timedelta(hours=-7), dt.timedelta(days=3)], DURATION_TYPES),
        pa.array([1500, None, 2500], pa.duration("ms")),
    )
    claimed = (
        RNG.normal(size=30),
        RNG.normal(size=30).astype(np.float16),
        np.array([3600, 7200, 90], "m8[s]"),
        RNG.normal(size=(4, 3)),
        RNG.integers(-9, 9, (4, 3)),
    )
    not_claimed = (
        np.arange(9),
        np.array(["a", "b", "c"]),
        np.array([True, False]),
        np.exp(3 * RNG.normal(size=99)),
    )
    refused = (
        (np.array(["1", "2.5", "7"]), "its numbers are text; convert them"),
        (np.array(["1", "b"]), "row 1 holds 'b', no number"),
        (np.array(["2020-01-01", "2021-01-01"], "M8[D]"), "its cells are dates; take kind datetime"),
        (np.full(3, NAN), "every cell is missing"),
        (np.full((3, 2), NAN), "every cell is missing"),
    )
    misfits = (
        (np.array([0.5, 1e12]), "holds 1e.12, which is over 1e.09 standard deviations"),
        (np.array(["0.5", "x"]), "holds 'x', which is no number"),
        (np.array(["2020-01-01"], "M8[D]"), "holds dates and held halffloat"),
        (np.array([np.inf]), "holds inf"),
    )
    arrays = (
        RNG.normal(size=(4, 3)),
        RNG.normal(size=(4, 3)).astype(np.float32),
        RNG.normal(size=(4, 2, 3)).astype(np.float16),
        np.where(RNG.random((4, 3)) < 0.3, NAN, RNG.normal(size=(4, 3))),
        RNG.integers(-9, 9, (4, 3)),
    )

    def features(self, field: Field) -> int:
        return 1


def test_an_encoder_sees_reals_and_far_ones_as_their_logarithm():
    """Without a jump or a kink at 3."""
    view = KINDS["real"].view([Field("x", "real")])
    x = torch.tensor([[-1.5], [3.0], [3 + 1e-6], [-30.0], [1e6]], dtype=torch.float64, requires_grad=True)
    f = view(x)
    assert f[0].item() == -1.5
    assert f[3].item() == pytest.approx(-3 * (1 + math.log(10)))
    assert f[4].item() < 45
    slope = torch.autograd.grad(f.sum(), x)[0]
    assert slope[1:3, 0].tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


def times(*kinds: pa.DataType) -> list[pa.Array]:
    """Whole seconds, whole days and fractions of a second, where the type has room for them."""
    days = [0, None, 10**9 - 10**9 % 86_400, 86_400 * 5]
    columns = []
    for kind in kinds:
        ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        columns += [pa.array([None if s is None else (s + more) * ticks for s in days], kind) for more in (0, 7)]
        if ticks >= 10**6:
            columns.append(pa.array([123 * ticks // 10**6, None, 10**9 * ticks], kind))
    return columns


class TestDatetime(ModelledContract):
    kind = "datetime"
    columns = (
        *in_types([DAY, None, DAY.replace(year=1960), DAY.replace(year=2021, month=7)], DATE_TYPES),
        *times(*TIME_TYPES),
        pa.array([DAY, None, DAY.replace(hour=3)]).dictionary_encode(),
    )
    claimed = (
        np.array(["2020-01-01", "2021-01-01"], "M8[D]"),
        np.array(["2020-01-01", "NaT", "2021-01-01"], "M8[s]"),
    )
    not_claimed = (
        np.array(["2020-01-01", "2021-01-01"]),
        np.array([3600, 7200], "m8[s]"),
        np.array([2020, 2021, 2029]),
    )
    refused = (
        (np.array(["a", "b"]), "its cells are no dates; convert them first"),
        (np.arange(3), "no dates"),
        (np.array(["NaT"], "M8[s]"), "every cell is missing"),
        (RNG.normal(size=(4, 3)), "no dates"),
    )
    misfits = (
        (np.array(["9999-01-01", "yesterday"]), "holds text that is no date"),
        (np.array([2020]), "holds numbers, and held dates in training"),
        (np.array([3600], "m8[s]"), "holds durations and held date32"),
        (pa.array([DAY], pa.timestamp("us", "UTC")), "in training their zone was none; remove theirs"),
    )

    def features(self, field: Field) -> int:
        return 1


BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("step", "first", "last"),
    [
        ("D", "2020-03-20", "2020-04-05"),
        ("D", "2020-10-20", "2020-11-05"),
        ("h", "2020-03-28", "2020-03-30"),
        ("h", "2020-10-24", "2020-10-26"),
        ("30min", "2020-10-24 12:00", "2020-10-25 12:00"),
    ],
)
def test_new_times_keep_the_step_on_the_clock_of_their_zone_over_a_change_of_it(step, first, last):
    """What was seen comes back, the hour that comes twice too; in between it is rounded to the nearest, and all of it
    is a multiple of the step on the wall clock.
    """
    seen = pd.date_range(first, last, freq=step, tz=BERLIN, unit="us")
    frame = pd.DataFrame({"t": seen, "y": np.arange(len(seen)) + 0.5})
    schema = infer(frame)
    v = schema.numbers(frame)
    pd.testing.assert_frame_equal(schema.new(v), frame)
    seconds = pd.Timedelta(1, "D" if step == "D" else "h").total_seconds() / (2 if step == "30min" else 1)
    assert schema.field("t").step == (60 if step == "30min" else seconds)
    moved = v + np.array([schema.field("t").step * 0.4, 0])
    pd.testing.assert_series_equal(schema.new(moved)["t"], frame["t"])
    wall = schema.new(v + np.array([12_345.678, 0]))["t"].dt.tz_localize(None)
    since = (wall - wall.dt.normalize()).dt.total_seconds()
    assert (since % schema.field("t").step == 0).all()


def test_midnights_that_there_are_not_are_the_first_hour_that_there_is():
    """In Sao Paulo of 2018 the 4th of November began at one o'clock."""
    seen = pd.to_datetime(["2018-11-01", "2018-11-03", "2018-11-06"]).tz_localize("America/Sao_Paulo")
    schema = infer(pd.DataFrame({"t": seen, "y": [0.5, 1.5, 2.5]}))
    missing_midnight = pd.Timestamp("2018-11-04 01:10", tz="America/Sao_Paulo").timestamp()
    assert schema.new(np.array([[missing_midnight, 1.5]]))["t"][0] == pd.Timestamp("2018-11-04 01:00-02:00")


def test_days_without_a_time_and_durations_of_whole_hours_stay_so():
    frame = pd.DataFrame(
        {
            "day": pd.to_datetime(["2024-01-01", "2024-03-05", "2024-07-09", "2024-02-02"]),
            "stay": pd.to_timedelta([5, 30, 71, 12], unit="h"),
            "free": pd.to_timedelta([5.25, 30, 71, 12], unit="s"),
        }
    )
    schema = infer(frame)
    assert [f.step for f in schema.fields] == [86_400, 3600, 0]
    v = schema.numbers(frame) + np.array([40_000.123456, 1234.56, 0.333333])
    new = schema.new(v)
    assert (new["day"].dt.normalize() == new["day"]).all()
    assert (new["stay"] % pd.Timedelta(1, "h") == pd.Timedelta(0)).all()
    assert new["free"][0] == pd.Timedelta("5.583333s")
    part = frame.copy()
    part.loc[1] = pd.NaT
    filled = schema.filled(part, v)
    assert filled["day"].tolist() == [*frame["day"][:1], new["day"][1], *frame["day"][2:]]
    assert filled["stay"].tolist() == [*frame["stay"][:1], new["stay"][1], *frame["stay"][2:]]


def test_times_beyond_a_type_are_its_ends():
    for unit in ("s", "ms", "us", "ns"):
        table = pa.table({"t": pa.array([0, 10**6, 5 * 10**8], pa.timestamp(unit)), "y": [0.5, 1.5, 2.5]})
        new = infer(table).new(np.array([[1e300, 1], [-1e300, 1]]))["t"].cast(pa.int64()).to_pylist()
        assert new[0] > 0 > new[1]
        assert new[0] == -new[1]
