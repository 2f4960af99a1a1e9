"""Windows of measured series: a row of each step, and as its targets how columns change until some times ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Split
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream.lanes import LaneBuffer
from gpurnn.data.stream.restarts import Restarts
from gpurnn.data.stream.windows import Geometry, WindowMaker
from gpurnn.fields import Field

FAR = 2**62
"""More rows than a split has."""


def series_fields(forecast: Forecast) -> tuple[Field, Field]:
    """What windows of series have of each step: the scaled numbers of a row, and its targets, NaN where missing."""
    return (
        Field("reals", "real", forecast.columns.inputs),
        Field("targets", "real", forecast.width),
    )


class SeriesWindows(WindowMaker):
    """Makes windows from the rows of a split.

    A weight is 0 where every target of the step is missing, and where the state is young: for `burn_in` rows after the
    lane or a stretch has begun.
    """

    def __init__(self, split: Split, geometry: Geometry, forecast: Forecast, burn_in: int, restarts: Restarts) -> None:
        super().__init__(geometry, series_fields(forecast), restarts)
        self._split, self._forecast, self._burn_in = split, forecast, burn_in
        inputs = forecast.columns.inputs
        self._buffer = buffer = LaneBuffer(geometry, 4 * inputs)
        self._reals, self._targets = (
            buffer.hold("reals", np.float32, inputs),
            buffer.hold("targets", np.float32, forecast.width),
        )
        self._carry, self._weight = buffer.hold("carry", np.float32), buffer.hold("weight", np.float32)
        self._rows = np.zeros((buffer.block + forecast.most, inputs), np.float32)
        self._marks = Marks(split, buffer.block + forecast.most)

    def fill(self, window: Mapping[str, NDArray[Any]], offset: int) -> bool:
        """See `WindowMaker.fill`."""
        self._buffer.fill(window, offset, self._read)
        return True

    def _read(self, lane: int, start: int, count: int) -> None:
        """The rows start .. start + count of the split into a lane."""
        forecast, split = self._forecast, self._split
        there = min(count + forecast.most, len(split) - start)
        split.read_rows(start, self._rows[:there])
        self._rows[there : count + forecast.most] = np.nan
        targets = self._targets[lane, :count]
        forecast.columns.scaled(self._rows[:count], self._reals[lane, :count])
        self._marks.seek(start, there)
        forecast.changes(self._rows, self._marks.left(count), targets)
        np.subtract(1, self._marks.first(count), out=self._carry[lane, :count])
        old = self._marks.age(count) >= self._burn_in
        begin = start - lane * self.geometry.lane
        old[: max(0, min(count, self._burn_in - begin))] = False
        np.copyto(self._weight[lane, :count], old & ~np.isnan(targets).all(axis=1))


class Marks:
    """Where stretches begin and end around some rows of a split."""

    def __init__(self, split: Split, most: int) -> None:
        """most: the most rows that `seek` is asked for."""
        self._documents, self._length = split.documents, len(split)
        self._first = np.zeros(most, np.uint8)
        self._ahead = np.zeros(most + 1, np.int64)
        self._places = np.arange(most, dtype=np.int64)
        self._begin = np.zeros(1, np.uint64)
        self._before = 0

    def seek(self, start: int, count: int) -> None:
        """Look at the rows start .. start + count."""
        first, ahead = self._first[:count], self._ahead[: count + 1]
        self._documents.mark(start, first)
        self._documents.read(self._documents.locate(start + 1) - 1, self._begin)
        self._before = start - int(self._begin[0])
        ahead[:count] = np.where(first, self._places[:count], FAR)
        ahead[count] = count if start + count == self._length else FAR  # an end beyond these rows is far enough
        np.minimum.accumulate(ahead[::-1], out=ahead[::-1])

    def first(self, count: int) -> NDArray[np.uint8]:
        """(count,), 1 where a row begins a stretch, else 0."""
        return self._first[:count]

    def left(self, count: int) -> NDArray[np.int64]:
        """(count,), how many rows of its stretch come after each; any large number where the end is not looked at."""
        return self._ahead[1 : count + 1] - self._places[:count] - 1

    def age(self, count: int) -> NDArray[np.int64]:
        """(count,), how many rows of its stretch come before each."""
        places = self._places[:count]
        begins = np.where(self._first[:count], places, -self._before)
        return places - np.maximum.accumulate(begins)
