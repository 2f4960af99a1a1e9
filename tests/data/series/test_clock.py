"""The columns of the clock against the calendar."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from gpurnn.data.series.clock import clock, clocks


def seconds(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("date", "hour"),
    [((2013, 5, 1, 0), (0, 1)), ((2013, 5, 1, 6), (1, 0)), ((1999, 2, 28, 12), (0, -1)), ((1969, 7, 20, 18), (-1, 0))],
)
def test_the_hour_is_that_of_the_day(date: tuple[int, ...], hour: tuple[int, int]):
    assert clock(seconds(*date))[:2] == pytest.approx(hour, abs=1e-12)


def test_the_year_turns_once_a_year():
    for year in (1970, 2000, 2013, 2024):
        assert clock(seconds(year, 1, 1))[2:] == pytest.approx((0, 1), abs=0.02)  # a day is 0.017
        assert clock(seconds(year, 7, 2, 12))[2:] == pytest.approx((0, -1), abs=0.02)
        assert clock(seconds(year, 4, 2))[2:] == pytest.approx((1, 0), abs=0.02)


def test_many_times_at_once_are_the_same():
    times = seconds(2013, 1, 1) + np.arange(-500, 500, dtype=np.int64) * 7919
    out = np.empty((len(times), 4))
    clocks(times, out)
    assert out == pytest.approx(np.array([clock(int(time)) for time in times]), abs=1e-14)
