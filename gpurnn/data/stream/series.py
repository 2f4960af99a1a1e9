"""Windows of measured series: a row of each step, and as its targets how columns change until some times ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Split
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream.restarts import Restarts
from gpurnn.data.stream.windows import Geometry, WindowMaker
from gpurnn.fields import Field

_BLOCK_BYTES = 256 * 1024
_BUFFER_BYTES = 64 * 1024 * 1024
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
        self._buffer = _LaneBuffer(split, geometry, forecast, burn_in)

    def fill(self, window: Mapping[str, NDArray[Any]], offset: int) -> bool:
        """See `WindowMaker.fill`."""
        steps = len(window["carry"])
        column = self._buffer.seek(offset, steps)
        for name, array in self._buffer.arrays.items():
            np.copyto(window[name], np.swapaxes(array[:, column : column + steps], 0, 1))
        return True


class _LaneBuffer:
    """A host buffer of lanes x block steps that moves over the lanes in step, one contiguous read a lane.

    arrays: of each lane and step, by their names in a window.
    """

    def __init__(self, split: Split, geometry: Geometry, forecast: Forecast, burn_in: int) -> None:
        self._split, self._geometry, self._forecast, self._burn_in = split, geometry, forecast, burn_in
        lanes, inputs = geometry.lanes, forecast.columns.inputs
        fair = min(_BLOCK_BYTES, _BUFFER_BYTES // lanes) // (4 * inputs)
        self.block = min(max(fair, geometry.steps), geometry.lane + geometry.rest)
        shape = (lanes, self.block)
        self.arrays = {
            "reals": np.zeros((*shape, inputs), np.float32),
            "targets": np.zeros((*shape, forecast.width), np.float32),
            "carry": np.zeros(shape, np.float32),
            "weight": np.zeros(shape, np.float32),
        }
        self._rows = np.zeros((self.block + forecast.most, inputs), np.float32)
        self._marks = Marks(split, self.block + forecast.most)
        self._begin = self._end = 0

    def seek(self, offset: int, steps: int) -> int:
        """Make the steps offset .. offset + steps of every lane available; returns their column."""
        if not self._begin <= offset or offset + steps > self._end:
            g = self._geometry
            self._begin = offset
            self._end = min(offset + self.block, g.lane + (g.rest if g.tail else 0))
            for lane in range(g.lanes):
                self._read(lane, lane * g.lane + offset, self._end - self._begin)
        return offset - self._begin

    def _read(self, lane: int, start: int, count: int) -> None:
        """The rows start .. start + count of the split into a lane."""
        forecast, part = self._forecast, {name: array[lane, :count] for name, array in self.arrays.items()}
        there = min(count + forecast.most, len(self._split) - start)
        self._split.read_rows(start, self._rows[:there])
        self._rows[there : count + forecast.most] = np.nan
        forecast.columns.scaled(self._rows[:count], part["reals"])
        self._marks.seek(start, there)
        forecast.changes(self._rows, self._marks.left(count), part["targets"])
        np.subtract(1, self._marks.first(count), out=part["carry"])
        old = self._marks.age(count) >= self._burn_in
        old[: max(0, min(count, self._burn_in - self._begin))] = False
        np.copyto(part["weight"], old & ~np.isnan(part["targets"]).all(axis=1))


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
