"""Mean, standard deviation and the error of "the same time a day ago" of columns, in one pass over their rows."""

import numpy as np
from numpy.typing import NDArray

_ROWS = 4096


class Statistics:
    """Of the numbers that are known. count, mean, low, high, scale, season_error: (F,).

    season: how many rows before lies what a number is compared with. Source: Chan, Golub & LeVeque 1979.
    """

    def __init__(self, columns: int, season: int) -> None:
        self.count = np.zeros(columns, np.int64)
        self.mean = np.zeros(columns)
        self.low = np.full(columns, np.inf)
        self.high = np.full(columns, -np.inf)
        self._squares = np.zeros(columns)
        self._season = season
        self._errors = np.zeros(columns)
        self._compared = np.zeros(columns, np.int64)
        self._tail = np.zeros((0, columns), np.float32)
        self._waiting: list[NDArray[np.float32]] = []
        self._rows = 0

    def add(self, begins: bool, values: NDArray[np.float32]) -> None:
        """Rows, (n, F), that follow those of before, or begin a stretch."""
        if begins:
            self.finish()
            self._tail = self._tail[:0]
        self._waiting.append(values)
        self._rows += len(values)
        if self._rows >= max(_ROWS, self._season // 4):
            self.finish()

    def finish(self) -> None:
        """Counts what waits; to be called in the end."""
        if not self._rows:
            return
        values = np.concatenate(self._waiting)
        self._waiting, self._rows = [], 0
        self._add_moments(values.astype(np.float64))
        whole = np.concatenate((self._tail, values))
        if len(whole) > self._season:
            errors = np.abs(whole[self._season :].astype(np.float64) - whole[: -self._season])
            known = ~np.isnan(errors)
            self._errors += np.where(known, errors, 0).sum(axis=0)
            self._compared += known.sum(axis=0)
        self._tail = whole[-self._season :].copy()

    def _add_moments(self, values: NDArray[np.float64]) -> None:
        known = ~np.isnan(values)
        count = known.sum(axis=0)
        some = np.maximum(count, 1)
        mean = np.where(known, values, 0).sum(axis=0) / some
        squares = np.where(known, values - mean, 0)
        total = np.maximum(self.count + count, 1)
        shift = np.where(count > 0, mean - self.mean, 0)
        self._squares += (squares**2).sum(axis=0) + shift**2 * (self.count * count / total)
        self.mean += shift * count / total
        self.count += count
        self.low = np.minimum(self.low, np.where(known, values, np.inf).min(axis=0))
        self.high = np.maximum(self.high, np.where(known, values, -np.inf).max(axis=0))

    @property
    def scale(self) -> NDArray[np.float64]:
        """The standard deviation, 0 where nothing is known."""
        return np.sqrt(self._squares / np.maximum(self.count, 1))

    @property
    def season_error(self) -> NDArray[np.float64]:
        """The mean of |x(t) - x(t - season)|, NaN where there is none."""
        return np.where(self._compared > 0, self._errors / np.maximum(self._compared, 1), np.nan)
