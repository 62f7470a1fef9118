"""Days and times as people write them, against strptime."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velbo.errors import DataError
from velbo.formats.date_cells import day_formats, day_of, iso, parsed

DAYS = ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d %Y"]
DAYS += ["%d/%m/%y", "%d-%b-%y", "%d.%m.%y", "%Y-%b-%d", "%Y%m%d"]
TIMES = [
    "",
    " %H:%M",
    " %H:%M:%S",
    "T%H:%M:%S",
    " %H:%M:%S.%f",
    " %I:%M %p",
    " %I:%M:%S %p",
    " %H:%M:%S%z",
    " %H:%M %z",
]
MOMENTS = st.datetimes(dt.datetime(1969, 1, 1), dt.datetime(2068, 12, 31))


def read(cell: str, date_format: str) -> str | None:
    return iso(parsed(pa.array([cell]), day_of(date_format), with_time=True))[0].as_py()


class TestFormats:
    @settings(max_examples=300, deadline=None)
    @given(MOMENTS, st.sampled_from(DAYS), st.sampled_from(TIMES), st.sampled_from([0, 120, -90]))
    def test_what_strftime_writes_is_the_same_moment(self, moment, day, time, minutes):
        written = moment.replace(tzinfo=dt.timezone(dt.timedelta(minutes=minutes))).strftime(day + time)
        expected = dt.datetime.strptime(written, day + time)
        found = dt.datetime.fromisoformat(read(written, day + time))
        assert found == expected
        assert found.utcoffset() == expected.utcoffset()
        if day != "%Y%m%d":
            assert day.replace("%B", "%b") in day_formats(written)

    @pytest.mark.parametrize(
        ("cell", "formats"),
        [
            ("1/2/2023", ["%d/%m/%Y", "%m/%d/%Y"]),
            ("01.02.2023", ["%d.%m.%Y"]),
            ("1-2-2023", ["%d-%m-%Y", "%m-%d-%Y"]),
            ("1/2/23", ["%d/%m/%y", "%m/%d/%y"]),
            ("2023/1/2", ["%Y/%m/%d"]),
            ("31-DEC-23 10:00", ["%d-%b-%y"]),
            # no days
            ("1.10.12", []),
            ("1-2-3", []),
            ("1.5", []),
            ("10.1.2.3", []),
            ("1/2", []),
            ("1/2/2023x", []),
            ("12345", []),
        ],
    )
    def test_what_a_cell_may_be(self, cell, formats):
        assert day_formats(cell) == formats

    @pytest.mark.parametrize(
        ("cell", "date_format", "expected"),
        [
            ("1/2/2023", "%d/%m/%Y", "2023-02-01"),
            ("31 dec 2023", "%d %b %Y", "2023-12-31"),
            ("31 December 2023", "%d %b %Y", "2023-12-31"),
            ("Sept. 1 2023", "%b %d %Y", "2023-09-01"),
            ("1/1/68", "%d/%m/%y", "2068-01-01"),
            ("1/1/69", "%d/%m/%y", "1969-01-01"),
            ("1/1/2023 12:05 am", "%d/%m/%Y", "2023-01-01 00:05:00"),
            ("1/1/2023 12:05 p.m.", "%d/%m/%Y", "2023-01-01 12:05:00"),
            ("1/1/2023 1:05 PM", "%d/%m/%Y", "2023-01-01 13:05:00"),
            ("1/1/2023 13:05 PM", "%d/%m/%Y", None),
            ("1/1/2023 10:00:00,123456789", "%d/%m/%Y", "2023-01-01 10:00:00.123456789"),
            ("2023-01-01 10:00 UTC", "%Y-%m-%d", "2023-01-01 10:00:00Z"),
            ("1/1/2023 10:00 Z", "%d/%m/%Y", "2023-01-01 10:00:00Z"),
            ("1.1.23", "%d.%m.%y", None),
            ("31/12/2023 x", "%d/%m/%Y", None),
            ("31 Foo 2023", "%d %b %Y", None),
        ],
    )
    def test_cells(self, cell, date_format, expected):
        assert read(cell, date_format) == expected

    def test_a_day_alone_has_no_time(self):
        cells = pa.array(["31/12/2023", "31/12/2023 10:00", None])
        assert iso(parsed(cells, "%d/%m/%Y", with_time=False)).to_pylist() == ["2023-12-31", None, None]

    @pytest.mark.parametrize(
        "date_format", ["", "%d", "%d/%m", "%d/%m/%Q", "%H:%M", "%d/%m/%Y %Hh", "d/m/y", "%d/%d/%Y"]
    )
    def test_formats_that_are_none(self, date_format):
        with pytest.raises(DataError, match=r"no format of dates.*--date-format '%d/%m/%Y'"):
            day_of(date_format)
