"""Forecasts from rows as they come: of each series the state is kept, so that a row costs one step of the network."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.series.forecast import Forecast
from gpurnn.exceptions import CheckpointError, GpurnnError, UsageError
from gpurnn.generation.rowsteps import RowSteps
from gpurnn.network import Model
from gpurnn.runs.checkpoint import NewerFormatError, read_checkpoint, write_checkpoint
from gpurnn.settings import expect_kind

VERSION = 1


class Forecaster(RowSteps):
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
        quantiles = _expect_fit(model, forecast)
        super().__init__(model, forecast.columns, forecast.places)
        self.forecast = forecast
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
        return self._forecasts(*self._outputs(values, time, key))

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
        write_checkpoint(path, self._kept.to_arrays(), header, "state")

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
