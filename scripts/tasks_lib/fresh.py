"""Forecasts by the last rows alone: for each target a state of zeros, and so many rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gpurnn.data.corpus import Corpus
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream import Cursor, Window
from gpurnn.evaluation.segments import Segment, Segments
from gpurnn.network import Model
from gpurnn.training.feed import Feed

_LANES = 128


def fresh_error(model: Model, forecast: Forecast, corpus: Corpus, split: str, rows: int) -> float:
    """The mean absolute error over every target of a split, in the unit of the one column that is forecast."""
    segments = Segments(corpus, split, forecast, _LANES)
    workspace, state = model.workspace(_LANES, rows, train=False), model.state(_LANES)
    found = list(segments)
    total, count = 0.0, 0
    windows = _windows(segments, found, forecast, rows)
    for segment, _ in zip(found, Feed(model.be, workspace.batch).run(windows), strict=True):
        model.forward(workspace, state)
        o = model.be.to_host(workspace.o).reshape(rows, _LANES, -1)[-1, : len(segment.now)]
        error = np.abs(segment.now + o * forecast.scale - segment.truth)
        total, count = total + float(np.nansum(error)), count + int(np.count_nonzero(~np.isnan(error)))
    return total / count


def _windows(segments: Segments, found: list[Segment], forecast: Forecast, rows: int) -> Iterator[Window]:
    """One for each segment: lane i has the rows up to the i-th of the segment, no state comes from before them."""
    columns = forecast.columns
    for index, segment in enumerate(found):
        n, first = len(segment.now), segment.first - rows + 1
        raw = segments.rows(segment.stretch, first, n + rows - 1)
        scaled = np.zeros(raw.shape, np.float32)
        columns.scaled(raw, scaled)
        reals = np.zeros((rows, _LANES, columns.inputs), np.float32)
        reals[:, :n] = sliding_window_view(scaled, rows, axis=0).transpose(2, 0, 1)
        place = first + np.arange(rows)[:, None] + np.arange(_LANES)
        carry = (place > 0).astype(np.float32)  # 0 up to the first row of the stretch
        carry[0] = 0
        targets = np.full((rows, _LANES, forecast.width), np.nan, np.float32)
        yield Window(
            index,
            0,
            carry=carry,
            weight=np.zeros((rows, _LANES), np.float32),
            has_boundary=True,
            uniform=False,
            weight_sum=0.0,
            cursor=Cursor(index + 1, _LANES, rows, 0),
            reals=reals,
            targets=targets,
        )
