"""Ridge regression on the last hours of all columns: what a forecast has to beat before a network is worth its while.

What each target is, less what its column is now, or less the mean of its column, over the column's scale, is a sum over
the inputs x of a row: the scaled numbers of the last rows, 0 where one is missing, the clock, the last known values of
the targets, and 1. With X and Y over the rows of the train split the weights are (X'X + s n I)^-1 X'Y; n is how many
rows there are, and 1 is not held down. Which of the two is learnt, and with which of a few strengths s, is what has the
smallest mean absolute error on the valid split, for each target its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus
from gpurnn.data.series.durations import DAY
from gpurnn.data.series.forecast import Forecast
from gpurnn.evaluation.segments import Segment, Segments

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)
_UNTRIED = 1  # which one is taken where there is no valid split, of the changes from now
_MOST_LAGS = 24
_MOST_INPUTS = 2048
_MOST_WORK = 10**11
"""Products of two numbers that the sums over the train split may take: rows are left out evenly beyond it."""
_CELLS = 1 << 21


class Ridge:
    """Forecasts from the rows of a corpus.

    seconds: how much time the rows take that it reads. lags: how many rows before now each of them is: all, or evenly
    so many that there are few. chosen: for each target the strength, and whether changes from now were learnt.
    """

    def __init__(self, forecast: Forecast) -> None:
        columns = forecast.columns
        self._forecast, self._measured = forecast, columns.measured
        rows = max(1, DAY // columns.interval)
        self.seconds = rows * columns.interval
        other = columns.inputs - columns.measured + len(forecast.target) + 1
        most = max(1, min(_MOST_LAGS, (_MOST_INPUTS - other) // max(1, columns.measured)))
        self.lags = tuple(range(0, rows, -(-rows // most)))
        self.inputs = len(self.lags) * columns.measured + other
        self.block = max(64, min(4096, _CELLS // self.inputs))
        self._weights: NDArray[np.float64] | None = None
        self.chosen: tuple[tuple[float, bool], ...] = ()
        self._from_now = np.ones(forecast.width, bool)

    def fit(self, corpus: Corpus) -> bool:
        """Find the weights on the train split and the strengths on the valid one; False where train has no targets.

        Only rows all of whose targets are known are learnt from.
        """
        width = self._forecast.width
        square, product, n = np.zeros((self.inputs, self.inputs)), np.zeros((self.inputs, 2 * width)), 0
        every = -(-(corpus.splits["train"] * self.inputs**2) // _MOST_WORK) or 1
        segments = Segments(corpus, "train", self._forecast, self.block)
        for segment in segments:
            y = np.hstack([self._scaled(segment, base) for base in self._bases(segment)])
            used = ~np.isnan(y).any(axis=1) & ((segment.first + np.arange(len(y))) % every == 0)
            x = self._x(segments, segment)[used]
            square += x.T @ x
            product += x.T @ y[used]
            n += len(x)
        if not n:
            return False
        solved = [_solved(square, product, strength * n) for strength in STRENGTHS]
        tried = np.stack([weights[:, part] for part in (slice(width), slice(width, None)) for weights in solved])
        best = self._best(corpus, tried)
        self._from_now = best < len(STRENGTHS)
        strengths = [STRENGTHS[place % len(STRENGTHS)] for place in best.tolist()]
        self.chosen = tuple(zip(strengths, self._from_now.tolist(), strict=True))
        self._weights = np.ascontiguousarray(tried[best, :, np.arange(width)].T)
        return True

    def values(self, segments: Segments, segment: Segment) -> NDArray[np.float64]:
        """(n, C A): what it forecasts from the rows of a segment, in the units of the columns."""
        assert self._weights is not None
        found: NDArray[np.float64] = self._x(segments, segment) @ self._weights
        now, mean = self._bases(segment)
        return np.where(self._from_now, now, mean) + found * self._forecast.scale

    def _best(self, corpus: Corpus, tried: NDArray[np.float64]) -> NDArray[np.intp]:
        """(C A,): for each target which weights are the best on the valid split.

        tried: (2 S, inputs, C A): those of changes from now with each strength, then those of changes from the mean.
        """
        count, _, width = tried.shape
        errors, counts = np.zeros((count, width)), np.zeros(width, np.int64)
        segments = Segments(corpus, "valid", self._forecast, self.block)
        for segment in segments:
            wanted = [self._scaled(segment, base) for base in self._bases(segment)]
            there = ~np.isnan(segment.truth)
            counts += there.sum(axis=0)
            x = self._x(segments, segment)
            for place in range(count):
                error = np.abs(x @ tried[place] - wanted[place // len(STRENGTHS)])
                errors[place] += np.where(there, error, 0).sum(axis=0)
        return np.where(counts > 0, errors.argmin(axis=0), _UNTRIED)

    def _bases(self, segment: Segment) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What changes are counted from: for each target what its column is now, (n, C A), and its mean, (C A,)."""
        columns, times = self._forecast.columns, len(self._forecast.ahead)
        return np.repeat(segment.now, times, axis=1), np.repeat(columns.mean[list(self._forecast.places)], times)

    def _scaled(self, segment: Segment, base: NDArray[np.float64]) -> NDArray[np.float64]:
        return (segment.truth - base) / self._forecast.scale

    def _x(self, segments: Segments, segment: Segment) -> NDArray[np.float64]:
        """(n, inputs)."""
        columns, n, before = self._forecast.columns, len(segment.now), self.lags[-1]
        rows = segments.rows(segment.stretch, segment.first - before, before + n)
        scaled = np.empty(rows.shape, np.float32)
        columns.scaled(rows, scaled)
        x = np.empty((n, self.inputs))
        m = self._measured
        for number, lag in enumerate(self.lags):
            x[:, number * m : (number + 1) * m] = scaled[before - lag : before - lag + n, :m]
        rest = x[:, len(self.lags) * m :]
        clock, places = columns.inputs - m, list(self._forecast.places)
        rest[:, :clock] = scaled[before:, m:]
        now = (segment.now - columns.mean[places]) / columns.scale[places]
        rest[:, clock:-1] = np.where(np.isnan(now), 0, now)
        rest[:, -1] = 1
        return x


def _solved(square: NDArray[np.float64], product: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    held = square.copy()
    held.flat[: -1 : len(square) + 1] += strength  # the last input is 1
    solution: NDArray[np.float64] = np.linalg.solve(held, product).astype(np.float64, copy=False)
    return solution
