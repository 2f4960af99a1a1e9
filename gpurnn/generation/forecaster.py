"""Forecasts from rows as they come: of each series the state is kept, so that a row costs one step of the network."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.series.clock import clock
from gpurnn.data.series.durations import in_words
from gpurnn.data.series.forecast import Forecast
from gpurnn.exceptions import CheckpointError, DataError, GpurnnError, UsageError
from gpurnn.files.durable import write_durably
from gpurnn.files.errors import reported_as
from gpurnn.generation.keystates import KeyStates
from gpurnn.network import Model
from gpurnn.network.stepper import Stepper
from gpurnn.runs.checkpoint import NewerFormatError, encode_checkpoint, read_checkpoint
from gpurnn.settings import expect_kind

VERSION = 1
_LONGEST = 2**62  # seconds since 1970, either way
_FAR = 1e15
"""So many times its scale a number may be from its mean: sums of larger ones would not be finite."""


class RepeatedRow(DataError):
    """A row with the time of the last one of its series."""


class Forecaster:
    """Takes rows of any number of series, one after the other, and forecasts from each.

    forecast: what the model forecasts; its columns say what a row is.
    A row that is missing is stepped over as `prepare` fills it: up to `columns.fill` of them count as rows whose
    numbers are all missing; after a longer gap the series begins anew, on a grid of its own. What is kept of a series
    does not grow.
    Raises UsageError for a model that does not forecast this.
    """

    def __init__(self, model: Model, forecast: Forecast) -> None:
        expect_kind("model", Model, model)
        expect_kind("forecast", Forecast, forecast)
        self.model, self.forecast, columns = model, forecast, forecast.columns
        quantiles = _expect_fit(model, forecast)
        self._stepper = Stepper(model)
        self._start = model.state(1)
        model.begin(self._start)
        self._state = self._stepper.state.named()
        widths = {name: array.shape[1] for name, array in self._state.items()}
        self._kept = KeyStates(model.be, widths, model.config.real, len(forecast.target))
        self._at = -1  # whose state the stepper has
        self._row = np.full((1, columns.inputs), math.nan, np.float32)
        self._x = np.zeros((1, columns.inputs), np.float32)  # as windows have it
        self._staging = model.be.staging({"x": self._stepper.x})
        self._limits = (np.abs(columns.mean) + _FAR * columns.scale)[: columns.measured].tolist()
        self._measured, self._clock = columns.measured, columns.inputs - columns.measured
        self._nothing = [math.nan] * self._measured
        self._repeats = np.repeat(np.arange(len(forecast.target)), len(forecast.ahead))
        self._scale = forecast.scale.copy()
        self._shape: tuple[int, ...] = (forecast.width,)
        if quantiles:
            self._shape = (forecast.width, len(quantiles))
            self._scale, self._repeats = self._scale[:, None], self._repeats[:, None]

    def step(self, values: Sequence[float] | NDArray[Any], time: int | None = None, key: str = "") -> np.ndarray:
        """The forecasts after one more row: (C A,) float64 in the order of `forecast.names`, in the columns' units.

        NaN before the first known value of a column. A model of quantiles gives (C A, Q), rising in each row.
        values: a number of each measured column, in their order; NaN where it is missing. time: seconds since 1970, in
        UTC; None: that of the row after the last one. key: which series it is of.
        Raises DataError, and changes nothing: an infinite number; a row that is not after the last one of its series,
        RepeatedRow where it has its time, or not at a multiple of the interval after it. UsageError for what is no row;
        GpurnnError: a forecast that is not finite.
        """
        place = self._kept.find(key)
        if time is None:
            time = self._next_time(place)
        self._check(values, time)
        missing = self._missing(place, time, key)
        if place < 0:
            place = self._kept.add(key, time)
        self._bring(place)
        if missing < 0:
            self._stepper.begin(self._start)
            self._kept.now[place] = math.nan
        else:
            for number in range(missing, 0, -1):
                self._advance(place, self._nothing, time - number * self.forecast.columns.interval)
        return self._forecasts(place, self._advance(place, values, time))

    def _next_time(self, place: int) -> int:
        columns = self.forecast.columns
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
            names = ", ".join(self.forecast.columns.names[:measured][:10])
            raise UsageError(f"values: expected {measured} numbers: {names}") from None
        for place, (value, limit) in enumerate(zip(self._row[0, :measured].tolist(), self._limits, strict=True)):
            if value > limit or value < -limit:
                name = self.forecast.columns.names[place]
                raise DataError(f"{name}: {float(values[place])} is too large; NaN stands for a missing number")

    def _missing(self, place: int, time: int, key: str) -> int:
        """How many rows are missing before this one; -1 where a series begins with it. Raises DataError."""
        if place < 0:
            return -1
        columns, last = self.forecast.columns, self._kept.times[place]
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
        columns, row = self.forecast.columns, self._row
        row[0, : self._measured] = values
        if self._clock:
            row[0, self._measured :] = clock(time)[: self._clock]
        columns.scaled(row, self._x)
        self._staging.push({"x": self._x})
        self._staging.pop()
        o = self.model.be.to_host(self._stepper.run())
        now = self._kept.now[place]
        for number, column in enumerate(self.forecast.places):
            value = row[0, column]
            if value == value:  # it is known
                now[number] = value
        self._kept.times[place] = time
        return o

    def _forecasts(self, place: int, o: np.ndarray) -> np.ndarray:
        change = o.reshape(self._shape) * self._scale
        if not np.isfinite(change).all():
            raise GpurnnError("a forecast is not finite: the model has diverged, or a number is far outside its column")
        if len(self._shape) > 1:
            change.sort(axis=1)  # quantiles that cross each other
        change += self._kept.now[place][self._repeats]
        return change

    def save(self, path: Path) -> None:
        """Write the states of all series to one file, so that a reader finds the old or the whole new one.

        It belongs to this model. Raises CheckpointError.
        """
        self._keep()
        header: dict[str, Any] = {"forecaster": VERSION, "model": self._identity(), "forecasts": self._names()}
        chunks = encode_checkpoint(self._kept.to_arrays(), header)
        with reported_as(CheckpointError, f"cannot write state {path}"):
            write_durably(path, chunks)

    def load(self, path: Path) -> None:
        """Go on from the states that `save` wrote. Raises CheckpointError for another model's and other files."""
        checkpoint = read_checkpoint(path)
        version = checkpoint.header.get("forecaster")
        if type(version) is not int or version < 1:
            raise CheckpointError(f"{path}: it is no state of `gpurnn predict`; give another name")
        if version > VERSION:
            raise NewerFormatError(f"{path}: a state of format version {version}; use a newer gpurnn")
        if checkpoint.header.get("model") != self._identity():
            raise CheckpointError(f"{path}: it is the state of another model or another checkpoint; begin a new one")
        self._kept.from_arrays(checkpoint.tensors, str(path))
        self._at = -1

    def _names(self) -> list[Any]:
        return list(self.forecast.names)

    def _identity(self) -> str:
        """A digest of all that states depend on: the parameters, the columns and what is forecast."""
        model, columns = self.model, self.forecast.columns
        digest = hashlib.sha256(repr((model.config, columns.names, columns.interval, self.forecast.names)).encode())
        for array in columns.to_arrays().values():
            digest.update(array.astype("<f8").tobytes())
        for name, value in sorted(model.params.value.items()):
            digest.update(name.encode())
            digest.update(model.be.to_host(value).tobytes())
        return digest.hexdigest()


def _expect_fit(model: Model, forecast: Forecast) -> tuple[float, ...]:
    """The quantiles of the model, none where it gives a value. Raises UsageError where it does not forecast this."""
    quantiles = model.config.quantiles
    outputs = forecast.width * max(1, len(quantiles))
    found = (model.config.input_kind, model.config.input_width, model.config.output_width)
    expected = ("real", forecast.columns.inputs, outputs)
    if found != expected:
        raise UsageError(
            f"model: expected {expected[0]} input of {expected[1]} and {expected[2]} outputs, found {found[0]} input "
            f"of {found[1]} and {found[2]} outputs; does the forecast belong to another model?"
        )
    return quantiles


def _told(time: int) -> str:
    """A time for people."""
    try:
        return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{time} s"
