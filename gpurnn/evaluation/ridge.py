"""Ridge regression on the last hours of all columns: what a forecast has to beat before a network is worth its while.

The change of each target from now, over the column's scale, is a sum over the inputs x of a row: the scaled numbers of
the last rows, 0 where one is missing, the clock, the last known values of the targets, and 1. With X and Y over the
rows of the train split the weights are (X'X + s n I)^-1 X'Y; n is how many rows there are, and 1 is not held down. The
strength s is the one of a few whose mean absolute error is the smallest on the valid split, for each target its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus
from gpurnn.data.series.durations import DAY
from gpurnn.data.series.forecast import Forecast
from gpurnn.evaluation.segments import Segment, Segments

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_UNTRIED = 2  # which one is taken where there is no valid split
_MOST_LAGS = 200
_MOST_INPUTS = 2048
_MOST_WORK = 10**11
"""Products of two numbers that the sums over the train split may take: rows are left out evenly beyond it."""
_CELLS = 1 << 21


class Ridge:
    """What it forecasts from the rows of a corpus.

    hours: from how many seconds of rows. Each of `lags`, rows before now, is read: all where they are few.
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
        self.strengths: tuple[float, ...] = ()

    def fit(self, corpus: Corpus) -> bool:
        """Find the weights on the train split and the strengths on the valid one; False where train has no targets.

        Only rows all of whose targets are known are learnt from.
        """
        width = self._forecast.width
        square, product, n = np.zeros((self.inputs, self.inputs)), np.zeros((self.inputs, width)), 0
        every = -(-(corpus.splits["train"] * self.inputs**2) // _MOST_WORK) or 1
        segments = Segments(corpus, "train", self._forecast, self.block)
        for segment in segments:
            y = self._changes(segment)
            used = ~np.isnan(y).any(axis=1) & ((segment.first + np.arange(len(y))) % every == 0)
            x = self._x(segments, segment)[used]
            square += x.T @ x
            product += x.T @ y[used]
            n += len(x)
        if not n:
            return False
        tried = np.stack([_solved(square, product, strength * n) for strength in STRENGTHS])  # (S, inputs, C A)
        best = self._best(corpus, tried)
        self.strengths = tuple(STRENGTHS[place] for place in best.tolist())
        self._weights = np.ascontiguousarray(tried[best, :, np.arange(width)].T)
        return True

    def values(self, segments: Segments, segment: Segment) -> NDArray[np.float64]:
        """(n, C A): what it forecasts from the rows of a segment, in the units of the columns."""
        assert self._weights is not None
        changes: NDArray[np.float64] = self._x(segments, segment) @ self._weights
        return self._now(segment) + changes * self._forecast.scale

    def _best(self, corpus: Corpus, tried: NDArray[np.float64]) -> NDArray[np.intp]:
        """(C A,): for each target the place of the strength that is the best on the valid split."""
        strengths, _, width = tried.shape
        errors, counts = np.zeros((strengths, width)), np.zeros(width, np.int64)
        segments = Segments(corpus, "valid", self._forecast, self.block)
        for segment in segments:
            y = self._changes(segment)
            there = ~np.isnan(y)
            counts += there.sum(axis=0)
            x = self._x(segments, segment)
            for place in range(strengths):
                errors[place] += np.where(there, np.abs(x @ tried[place] - y), 0).sum(axis=0)
        return np.where(counts > 0, errors.argmin(axis=0), _UNTRIED)

    def _now(self, segment: Segment) -> NDArray[np.float64]:
        return np.repeat(segment.now, len(self._forecast.ahead), axis=1)

    def _changes(self, segment: Segment) -> NDArray[np.float64]:
        return (segment.truth - self._now(segment)) / self._forecast.scale

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
