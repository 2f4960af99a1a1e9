"""The columns of the clock against the calendar."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from gpurnn.data.series.clock import clock, clocks
from gpurnn.data.series.columns import CLOCK, clock_of


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


def test_a_short_train_split_has_no_place_in_the_year() -> None:
    assert clock_of(183 * 86_400) == CLOCK and clock_of(183 * 86_400 - 1) == ("hour_sin", "hour_cos")
    times = np.array([0, 21_600, 1_357_000_123])
    hours, whole = np.zeros((3, 2)), np.zeros((3, 4))
    clocks(times, hours)
    clocks(times, whole)
    np.testing.assert_array_equal(hours, whole[:, :2])
