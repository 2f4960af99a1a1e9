"""Rows of one series after the other become sequences that a model of labels or tags reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.series.clock import clocks
from gpurnn.data.series.columns import Columns
from gpurnn.data.series.reader import Record
from gpurnn.exceptions import DataError
from gpurnn.generation.rowsteps import FAR, missing_rows


class Stretches:
    """The rows of one series. records: as they came. places: of each, in which of the sequences, and which step.

    Gaps of rows with times are filled as `prepare` fills them, and a longer one begins another sequence.
    """

    def __init__(self, columns: Columns, key: str) -> None:
        self.key = key
        self.records: list[Record] = []
        self.places: list[tuple[int, int]] = []
        self._columns = columns
        self._values: list[list[NDArray[np.float64]]] = []
        self._times: list[list[int]] = []
        self._mean, self._most = columns.mean[: columns.measured], (FAR * columns.scale)[: columns.measured]
        self._nothing = np.full(columns.measured, np.nan)

    def add(self, record: Record) -> None:
        """Raises DataError, and changes nothing, for a number that is too large and as `missing_rows` does."""
        columns = self._columns
        far = np.abs(record.values - self._mean) > self._most
        if far.any():
            place = int(far.argmax())
            found = f"{columns.names[place]}: {float(record.values[place])}"
            raise DataError(f"{found} is too large; NaN stands for a missing number")
        missing = 0
        if columns.time and self.records:
            missing = missing_rows(columns, self.records[-1].time, record.time, self.key)
        if missing < 0 or not self.records:
            self._values.append([])
            self._times.append([])
        values, times = self._values[-1], self._times[-1]
        for number in range(missing, 0, -1):
            values.append(self._nothing)
            times.append(record.time - number * columns.interval)
        self.places.append((len(self._values) - 1, len(values)))
        self.records.append(record)
        values.append(record.values)
        times.append(record.time)

    @property
    def steps(self) -> int:
        """Of all sequences together."""
        return sum(map(len, self._values))

    @property
    def longest(self) -> int:
        """Steps of the longest."""
        return max(map(len, self._values), default=0)

    def sequences(self) -> list[NDArray[np.float32]]:
        """Each (n, F) float32, scaled."""
        columns, found = self._columns, []
        for values, times in zip(self._values, self._times, strict=True):
            rows = np.empty((len(values), columns.inputs), np.float32)
            rows[:, : columns.measured] = values
            if columns.inputs > columns.measured:
                clocks(np.array(times, np.int64), rows[:, columns.measured :])
            columns.scaled(rows, rows)
            found.append(rows)
        return found
