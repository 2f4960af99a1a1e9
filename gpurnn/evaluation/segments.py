"""The rows of a split and their targets, for what forecasts without a network: some rows of a stretch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.sizes import SPLITS
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream.stretches import Stretch, last_known, stretches_of
from gpurnn.evaluation.forecasts import EVERYTHING


class Segment(NamedTuple):
    """n rows of a stretch, from row `first` on, with a target that counts.

    now: (n, C), the last known values of the targets' columns. truth: (n, C A), NaN where a target does not count.
    """

    stretch: Stretch
    first: int
    now: NDArray[np.float64]
    truth: NDArray[np.float64]


class Segments:
    """The segments of a split, of up to `most` rows each. A target counts where it does in `forecasts`."""

    def __init__(self, corpus: Corpus, split: str, forecast: Forecast, most: int) -> None:
        self._forecast, self._most = forecast, most
        self._stretches = stretches_of(corpus, split, forecast, EVERYTHING)
        self._splits = {name: corpus.split(name) for name in SPLITS}

    def __iter__(self) -> Iterator[Segment]:
        places = list(self._forecast.places)
        for stretch in self._stretches:
            known = np.full(len(places), np.nan)
            for first in range(0, stretch.count, self._most):
                n = min(self._most, stretch.count - first)
                now = last_known(self.rows(stretch, first, n)[:, places], known)
                known = now[-1]
                truth = self._truth(stretch, first, now)
                if not np.isnan(truth).all():
                    yield Segment(stretch, first, now, truth)

    def rows(self, stretch: Stretch, first: int, count: int) -> NDArray[np.float32]:
        """The rows first .. first + count of a stretch, (count, F); NaN before its beginning and after its end."""
        rows = np.full((count, self._forecast.columns.inputs), np.nan, np.float32)
        begin = 0
        for piece in stretch.pieces:
            low, high = max(first, begin), min(first + count, begin + piece.rows)
            if low < high:
                self._splits[piece.split].read_rows(piece.start + low - begin, rows[low - first : high - first])
            begin += piece.rows
        return rows

    def ahead(self, segment: Segment, offsets: tuple[int, ...]) -> NDArray[np.float64]:
        """(n, C A): of each target its column, so many rows after now (before it: negative). offsets: A of them."""
        n, targets = len(segment.now), len(self._forecast.target)
        out = np.empty((n, targets, len(offsets)))
        for number, offset in enumerate(offsets):
            rows = self.rows(segment.stretch, segment.first + offset, n)
            out[:, :, number] = rows[:, list(self._forecast.places)]
        return out.reshape(n, -1)

    def _truth(self, stretch: Stretch, first: int, now: NDArray[np.float64]) -> NDArray[np.float64]:
        steps, n = self._forecast.steps, len(now)
        if first + n <= min(map(stretch.counts_from, steps)):  # all of it lies before the split
            return np.full((n, self._forecast.width), np.nan)
        truth = self.ahead(Segment(stretch, first, now, now), steps).reshape(n, -1, len(steps))
        for number, ahead in enumerate(steps):
            truth[: max(0, stretch.counts_from(ahead) - first), :, number] = np.nan
        truth[np.isnan(now)] = np.nan
        return truth.reshape(n, -1)
