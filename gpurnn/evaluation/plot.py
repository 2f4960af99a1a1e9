"""A picture of what was forecast and what was measured then, of some weeks of one series."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.series.durations import DAY
from gpurnn.data.series.forecast import Forecast
from gpurnn.evaluation.forecasts import Forecasts
from gpurnn.evaluation.series import middle_of
from gpurnn.exceptions import GpurnnError, UsageError
from gpurnn.files.durable import write_durably
from gpurnn.files.output import find_output

_FORMATS = (".svg", ".png")
_LONGEST = 14 * DAY
_MOST_ROWS = 5000
_PANELS = 6


class Plot:
    """Collects forecasts of the first series that it sees, two weeks from there on at most, and draws them.

    Raises UsageError for the name of another kind of file; OSError for one that cannot be written; GpurnnError where
    matplotlib is not installed.
    """

    def __init__(self, path: Path, forecast: Forecast) -> None:
        if path.suffix.lower() not in _FORMATS:
            raise UsageError(f"`plot`: expected a name that ends with {' or '.join(_FORMATS)}, found {path.name!r:.60}")
        if find_spec("matplotlib") is None:
            raise GpurnnError("`plot` needs matplotlib, which is not installed: pip install 'gpurnn[plot]'")
        find_output(path)
        self._path, self._forecast = path, forecast
        self._key, self._begin, self._end = -1, 0, 0
        self._parts: list[Forecasts] = []

    def add(self, found: Forecasts) -> None:
        """More forecasts; those of other series and of other weeks are passed over."""
        if self._key < 0:
            first = int(found.times.argmin())
            self._key = int(found.keys[first])
            rows = min(_LONGEST // self._forecast.columns.interval, _MOST_ROWS)
            self._begin = int(found.times[first])
            self._end = self._begin + max(rows, 2) * self._forecast.columns.interval
        mine = (found.keys == self._key) & (found.times >= self._begin) & (found.times < self._end)
        if mine.any():
            self._parts.append(Forecasts(*(array[mine] for array in found)))

    def draw(self, names: Sequence[str], quantiles: Sequence[float]) -> None:
        """Write the picture: of each target a panel. names: of the series. quantiles: of the model."""
        from matplotlib import dates  # takes a second to load
        from matplotlib.figure import Figure

        locator: Any = dates.AutoDateLocator
        formatter: Any = dates.ConciseDateFormatter
        forecast = self._forecast
        panels = min(forecast.width, _PANELS)
        figure = Figure(figsize=(11, 1 + 3 * panels), layout="constrained")
        for place, axes in enumerate(figure.subplots(panels, 1, squeeze=False)[:, 0]):
            times, truth, values = self._line(place)
            steps = forecast.steps[place % len(forecast.steps)]
            when = [datetime.fromtimestamp(int(time) + steps * forecast.columns.interval, UTC) for time in times]
            middle = middle_of(tuple(quantiles))
            if len(quantiles) > 1:
                label = f"{quantiles[0]:g} to {quantiles[-1]:g}"
                axes.fill_between(when, values[:, 0], values[:, -1], alpha=0.25, linewidth=0, label=label)
            axes.plot(when, truth, color="black", linewidth=1.2, label="measured")
            axes.plot(when, values[:, middle], linewidth=1.2, label="forecast")
            column, _, ahead = forecast.names[place].rpartition("+")
            of = f", {names[self._key]}" if names[self._key] else ""
            axes.set_title(f"{column}, {ahead} ahead{of}", loc="left", parse_math=False)
            axes.set_ylabel(column, parse_math=False)
            axes.legend(loc="upper right", frameon=False, ncols=3)
            axes.grid(alpha=0.3)
            axes.margins(x=0.01)
            ticks = locator(interval_multiples=False)  # multiples begin anew with each month
            axes.xaxis.set_major_locator(ticks)
            axes.xaxis.set_major_formatter(formatter(ticks))
        axes.set_xlabel("time that is forecast, UTC")
        _write(figure, self._path)

    def _line(self, place: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Times, truth (n,) and values (n, Q) of a target, each row of the weeks; NaN where it does not count."""
        interval = self._forecast.columns.interval
        times = np.concatenate([part.times for part in self._parts])
        first = int(times.min())
        rows = (times - first) // interval
        every = first + interval * np.arange(int(rows.max()) + 1, dtype=np.int64)
        truth = np.full(len(every), np.nan)
        truth[rows] = np.concatenate([part.truth[:, place] for part in self._parts])
        values = np.full((len(every), self._parts[0].values.shape[2]), np.nan)
        values[rows] = np.concatenate([part.values[:, place] for part in self._parts])
        return every, truth, values


def _write(figure: Any, path: Path) -> None:
    """The picture, so that a reader finds the old file or the whole new one. Raises OSError."""
    kind, data = path.suffix.lower()[1:], io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {}
    figure.savefig(data, format=kind, dpi=120, metadata=metadata)
    write_durably(path, [data.getvalue()])
