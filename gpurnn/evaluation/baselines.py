"""What forecasts without a network, on the very targets that a model is measured on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus
from gpurnn.data.series.durations import DAY, in_words
from gpurnn.data.series.forecast import Forecast
from gpurnn.evaluation.metrics import Errors
from gpurnn.evaluation.ridge import Ridge
from gpurnn.evaluation.segments import Segment, Segments

NOW = "same as now"
YESTERDAY = "same time yesterday"
LAST_WEEK = "same time last week"
MEAN = "mean of train"

_Values = Callable[[Segments, Segment], NDArray[np.float64]]


def baselines(forecast: Forecast, corpus: Corpus, split: str, errors: Callable[[], Errors]) -> dict[str, Errors]:
    """The errors of each baseline by its name, on the targets of a split.

    "same as now" is the last known value of the column. "same time yesterday" is what the column was a whole number of
    days before the time that is forecast, the smallest that lies in the past, "same time last week" of weeks; both are
    left out where the interval divides no day, and are as now where that row is missing. "mean of train" and "ridge on
    24 h" know the train split. errors: makes empty sums.
    """
    ridge = Ridge(forecast)
    found: dict[str, _Values] = {NOW: partial(_now, forecast)}
    for name, days in ((YESTERDAY, 1), (LAST_WEEK, 7)):
        if DAY % forecast.columns.interval == 0:
            offsets = _before(forecast, days * DAY // forecast.columns.interval)
            found[name] = partial(_same_time, forecast, offsets)
    found[MEAN] = partial(_mean, forecast)
    if ridge.fit(corpus):
        found[f"ridge on {in_words(ridge.seconds) if ridge.seconds != DAY else '24 h'}"] = ridge.values
    sums = {name: errors() for name in found}
    segments = Segments(corpus, split, forecast, ridge.block)
    for segment in segments:
        keys = np.full(len(segment.now), segment.stretch.key)
        for name, values in found.items():
            sums[name].add(keys, values(segments, segment) - segment.truth)
    return sums


def alike(forecast: Forecast, names: Mapping[str, object]) -> list[tuple[str, ...]]:
    """The names, those of one and the same baseline together: now is the same time yesterday, 24 h ahead."""
    rows = DAY // forecast.columns.interval
    offsets = {
        name: _before(forecast, days * rows) if days else (0,) * len(forecast.steps)
        for name, days in ((NOW, 0), (YESTERDAY, 1), (LAST_WEEK, 7))
        if name in names
    }
    groups: dict[object, list[str]] = {}
    for name in names:
        groups.setdefault(offsets.get(name, name), []).append(name)
    return [tuple(group) for group in groups.values()]


def _before(forecast: Forecast, season: int) -> tuple[int, ...]:
    """For each time ahead, at which row the season that is forecast was last: 0 is now, -1 the row before."""
    return tuple(steps - -(-steps // season) * season for steps in forecast.steps)


def _now(forecast: Forecast, segments: Segments, segment: Segment) -> NDArray[np.float64]:
    return np.repeat(segment.now, len(forecast.ahead), axis=1)


def _same_time(
    forecast: Forecast, offsets: tuple[int, ...], segments: Segments, segment: Segment
) -> NDArray[np.float64]:
    values = segments.ahead(segment, offsets)
    return np.where(np.isnan(values), _now(forecast, segments, segment), values)


def _mean(forecast: Forecast, segments: Segments, segment: Segment) -> NDArray[np.float64]:
    mean = np.repeat(forecast.columns.mean[list(forecast.places)], len(forecast.ahead))
    return np.broadcast_to(mean, segment.truth.shape)
