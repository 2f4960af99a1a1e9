"""The columns that are made of the time: where a row stands in the day and in the year, in UTC."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.series.durations import DAY

YEAR = 31_556_952
"""Seconds of a mean year of the calendar, 365.2425 days: places in the year move by less than a day."""
_TURNS = tuple(2 * math.pi / length for length in (DAY, YEAR))


def clock(time: int) -> tuple[float, float, float, float]:
    """hour_sin, hour_cos, year_sin, year_cos of one time, in seconds since 1970: the columns named by `CLOCK`."""
    hour, year = time % DAY * _TURNS[0], time % YEAR * _TURNS[1]
    return math.sin(hour), math.cos(hour), math.sin(year), math.cos(year)


def clocks(times: NDArray[np.int64], out: NDArray[Any]) -> None:
    """out: (n, 4) float32 or float64, overwritten with `clock` of each of the times, (n,), but for rounding.

    Where it is (n, 2), with the first two of each.
    """
    for column, (length, turn) in enumerate(zip((DAY, YEAR), _TURNS, strict=True)):
        if 2 * column == out.shape[1]:
            return
        angle = times % length * turn
        out[:, 2 * column] = np.sin(angle)
        out[:, 2 * column + 1] = np.cos(angle)
