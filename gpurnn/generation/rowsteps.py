"""Rows of many series, one after the other: of each its state is kept, so that a row costs one step of the network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.series.clock import clock
from gpurnn.data.series.columns import Columns
from gpurnn.data.series.durations import in_words
from gpurnn.exceptions import DataError, UsageError
from gpurnn.generation.keystates import KeyStates
from gpurnn.network import Model
from gpurnn.network.stepper import Stepper

_LONGEST = 2**62  # seconds since 1970, either way
FAR = 1e15
"""So many times its scale a number may be from its mean: sums of larger ones would not be finite."""


class RepeatedRow(DataError):
    """A row with the time of the last one of its series."""


def missing_rows(columns: Columns, last: int, time: int, key: str = "") -> int:
    """How many rows are missing between one at `last` and the next one of its series; -1 where the series begins anew.

    As `prepare` fills them: up to `columns.fill`. Raises DataError for a row that is not after the last one,
    RepeatedRow where it has its time, or not at a multiple of the interval after it.
    """
    rows, rest = divmod(time - last, columns.interval)
    if time - last > (columns.fill + 1) * columns.interval:
        return -1
    if time > last and not rest:
        return rows - 1
    before = f"the last row{f' of {key}' if key else ''}, {_told(last)}"
    if time == last:
        raise RepeatedRow(f"{_told(time)} is the time of {before}, too")
    if time < last:
        raise DataError(f"{_told(time)} is not after {before}")
    raise DataError(
        f"{_told(time)} is {in_words(time - last)} after {before}; expected a multiple of the interval, "
        f"{in_words(columns.interval)}"
    )


class RowSteps:
    """Takes rows of any number of series, one after the other, and runs a model on each.

    columns: what a row is. A row that is missing is stepped over as `prepare` fills it: up to `columns.fill` of them
    count as rows whose numbers are all missing; after a longer gap the series begins anew, on a grid of its own. What
    is kept of a series does not grow.
    """

    def __init__(self, model: Model, columns: Columns, known: Sequence[int] = ()) -> None:
        """known: columns whose last known values are kept."""
        self.model, self.columns, self._known = model, columns, known
        self._stepper = Stepper(model)
        self._start = model.state(1)
        model.begin(self._start)
        self._state = self._stepper.state.named()
        widths = {name: array.shape[1] for name, array in self._state.items()}
        self._kept = KeyStates(model.be, widths, model.config.real, len(known))
        self._at = -1  # whose state the stepper has
        self._row = np.full((1, columns.inputs), math.nan, np.float32)
        self._x = np.zeros((1, columns.inputs), np.float32)  # as windows have it
        self._staging = model.be.staging({"x": self._stepper.x})
        self._limits = (np.abs(columns.mean) + FAR * columns.scale)[: columns.measured].tolist()
        self._measured, self._clock = columns.measured, columns.inputs - columns.measured
        self._nothing = [math.nan] * self._measured

    def _outputs(self, values: Sequence[float] | NDArray[Any], time: int | None, key: str) -> tuple[int, np.ndarray]:
        """The place of the row's series, and the outputs (1, K) after the row.

        values, time, key, and what it raises: see `Forecaster.step`.
        """
        place = self._kept.find(key)
        if time is None:
            time = self._next_time(place)
        self._check(values, time)
        missing = -1 if place < 0 else missing_rows(self.columns, self._kept.times[place], time, key)
        if place < 0:
            place = self._kept.add(key, time)
        self._bring(place)
        if missing < 0:
            self._stepper.begin(self._start)
            self._kept.now[place] = math.nan
        else:
            for number in range(missing, 0, -1):
                self._advance(place, self._nothing, time - number * self.columns.interval)
        return place, self._advance(place, values, time)

    def _next_time(self, place: int) -> int:
        columns = self.columns
        if place >= 0:
            return self._kept.times[place] + columns.interval
        if columns.clock:
            raise UsageError("time: the model reads a clock; say of the first row of a series when it is")
        return 0

    def _check(self, values: Any, time: Any) -> None:
        """That it is a row; it is in `_row` then."""
        measured = self._measured
        if type(time) is not int or not -_LONGEST < time < _LONGEST:
            raise UsageError(f"time: expected whole seconds since 1970, found {time!r:.40}")
        try:
            if len(values) != measured:
                raise ValueError
            with np.errstate(over="ignore"):
                self._row[0, :measured] = values
        except (TypeError, ValueError):
            names = ", ".join(self.columns.names[:measured][:10])
            raise UsageError(f"values: expected {measured} numbers: {names}") from None
        for place, (value, limit) in enumerate(zip(self._row[0, :measured].tolist(), self._limits, strict=True)):
            if value > limit or value < -limit:
                name = self.columns.names[place]
                raise DataError(f"{name}: {float(values[place])} is too large; NaN stands for a missing number")

    def _bring(self, place: int) -> None:
        """Have the stepper go on from the state of a place."""
        if place != self._at:
            self._keep()
            self._kept.read(place, self._state)
            self._at = place

    def _keep(self) -> None:
        """Put the state that the stepper has where it belongs."""
        if self._at >= 0:
            self._kept.write(self._at, self._state)

    def _advance(self, place: int, values: Any, time: int) -> np.ndarray:
        """The outputs (1, K) after a row; what is kept of its series is that after it."""
        columns, row = self.columns, self._row
        row[0, : self._measured] = values
        if self._clock:
            row[0, self._measured :] = clock(time)[: self._clock]
        columns.scaled(row, self._x)
        self._staging.push({"x": self._x})
        self._staging.pop()
        o = self.model.be.to_host(self._stepper.run())
        now = self._kept.now[place]
        for number, column in enumerate(self._known):
            value = row[0, column]
            if value == value:  # it is known
                now[number] = value
        self._kept.times[place] = time
        return o


def _told(time: int) -> str:
    """A time for people."""
    try:
        return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{time} s"
