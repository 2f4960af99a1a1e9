"""The forecasts of a model over a split: of each series the state is carried through all rows that come before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream.stretches import StretchStream
from gpurnn.network import Model
from gpurnn.training.finite import expect_finite
from gpurnn.training.validation import ForwardPass

EVERYTHING = 2**62
"""More rows than come before any split."""
_STEPS = 128


class Forecasts(NamedTuple):
    """Forecasts from n rows, in the units of their columns.

    keys: (n,), which series; times: (n,), of the rows, seconds since 1970. values: (n, C A, Q), Q is 1 where the model
    gives no quantiles. truth: (n, C A), NaN where a target does not count.
    """

    keys: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    truth: NDArray[np.float64]


def forecasts(
    model: Model,
    forecast: Forecast,
    corpus: Corpus,
    split: str,
    on_progress: Callable[[int, int], None] = lambda done, rows: None,
) -> Iterator[Forecasts]:
    """The forecasts from every row of a split with a target that counts: one that is known, and lies in the split, too.

    Where the split is too short for that, the row may lie before it. Each series is read from the beginning of the
    stretch that reaches into the split, so that its state is what it is in use. on_progress: called with the rows that
    were read and those there are. Raises DataError; GpurnnError: a forecast that is not finite.
    """
    stream = StretchStream(corpus, split, forecast, lead=EVERYTHING, steps=_STEPS)
    repeats = np.repeat(np.arange(len(forecast.target)), len(forecast.ahead))
    done = 0
    for window, outputs, _ in ForwardPass(model, stream.lanes, stream.steps).outputs(stream):
        place = stream.place(window)
        done += int(np.count_nonzero(place.key >= 0))
        on_progress(done, stream.rows)
        counted = window.weight > 0
        if not counted.any():
            continue
        o = outputs.reshape(*window.carry.shape, forecast.width, -1)[counted].astype(np.float64)
        expect_finite(f"a forecast over split {split}", o)
        o.sort(axis=2)  # quantiles that cross each other
        now = place.now[counted][:, repeats]
        values = now[:, :, None] + o * forecast.scale[:, None]
        truth = now + window.targets[counted] * forecast.scale
        yield Forecasts(place.key[counted], place.time[counted], values, truth)
