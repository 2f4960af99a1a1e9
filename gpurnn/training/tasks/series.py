"""Measured series: how columns change until some times ahead."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Annotated, Any

import numpy as np

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.series.columns import Columns
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream import Cursor, WindowStream
from gpurnn.data.stream.series import series_fields
from gpurnn.data.stream.stretches import StretchStream
from gpurnn.exceptions import UsageError
from gpurnn.fields import Field
from gpurnn.network import Model
from gpurnn.settings import OneOf, checked
from gpurnn.training.config import TrainConfig
from gpurnn.training.tasks.base import Task, refuse_others
from gpurnn.training.validation import ForwardPass

LOSS = "huber"
LOSSES = ("absolute", "squared", "huber", "quantile")
"""The heads that a forecast may have."""
QUANTILES = (0.1, 0.5, 0.9)
DEFAULTS: Mapping[str, Any] = {
    "cell": "gru",
    "hidden": 32,
    "dropout": 0.2,
    "lanes": 16,
    "lr": 2e-3,
    "schedule": "cosine",
    "weight_decay": 0.05,
    "restart": 0.0,
    "patience": 20,
}
_LEAST_STEPS, _MOST_STEPS = 96, 256
_VALIDATION_STEPS = 128


@dataclass(frozen=True)
class ForecastLosses:
    """The mean loss of the targets of the valid split.

    mean: of the weighted steps. mae: the mean absolute error in the column's unit; None where targets are of several.
    """

    mean: float
    mae: float | None
    stuck = 0

    def judged(self, counted_lanes: str) -> float:
        """The mean loss: there are no lanes here to leave out."""
        return self.mean

    def in_words(self) -> str:
        """What a person is told of it."""
        error = "" if self.mae is None else f"mean absolute error {self.mae:.4g}, "
        return f"{error}loss {self.mean:.4f}"

    def to_json(self) -> dict[str, float | int | None]:
        """What the log says of it."""
        found = {"valid_loss": _finite(self.mean)}
        return found if self.mae is None else found | {"valid_mae": _finite(self.mae)}


class Series(Task):
    """Forecasts: the targets of each row are how columns change until some times ahead."""

    rate_key, loss_key, valid_key = "targets_per_second", "loss", "valid_loss"
    decay_epochs = 3

    def __init__(self, corpus: Corpus, config: TrainConfig) -> None:
        super().__init__(corpus, config)
        self.forecast = Forecast(corpus.columns, config.target, config.ahead)
        self._forward: ForwardPass | None = None

    @classmethod
    def defaults(cls, corpus: Corpus, given: Mapping[str, Any]) -> dict[str, Any]:
        """See `Task`. They were chosen by the error of a valid split, that of a year of weather, an hour a row."""
        refuse_others(given, ("target", "ahead", "loss", "quantiles"), corpus)
        for name in ("target", "ahead"):
            if name not in given:
                names = ", ".join(corpus.columns.names[: corpus.columns.measured])
                example = "`target=COLUMN`" if name == "target" else "`ahead=24h`"
                raise UsageError(f"train: {corpus.path} holds series; say what to forecast with {example} ({names})")
        head = checked("`loss`", Annotated[str, OneOf(LOSSES)], given.get("loss", LOSS))
        quantiles = tuple(given.get("quantiles", QUANTILES)) if head == "quantile" else ()
        if "quantiles" in given and head != "quantile":
            raise UsageError(f"train: `quantiles` goes with `loss=quantile`, the loss is {head}")
        forecast = Forecast(corpus.columns, tuple(given["target"]), tuple(given["ahead"]))
        season = corpus.columns.season
        return dict(DEFAULTS) | {
            "symbols": 0,
            "inputs": corpus.columns.inputs,
            "outputs": forecast.width * max(1, len(quantiles)),
            "input": "real",
            "head": head,
            "quantiles": quantiles,
            "bptt": _usual_steps(corpus.columns),
            "burn_in": season // 2,
        }

    @property
    def meaning(self) -> Columns:
        """What the numbers of a row mean."""
        return self.corpus.columns

    @property
    def fields(self) -> tuple[Field, ...]:
        """See `Task`."""
        return series_fields(self.forecast)

    @property
    def windows_per_epoch(self) -> int:
        """See `Task`. There is a target of each row."""
        return self.lanes_of(len(self.corpus.split("train")) + 1).windows

    def windows(self, be: Backend, cursor: Cursor | None) -> WindowStream:
        """See `Task`."""
        return self.stream(cursor, plan=False, forecast=self.forecast, burn_in=self.config.burn_in)

    @cached_property
    def _valid(self) -> StretchStream | None:
        if not len(self.corpus.split("valid")):
            return None
        return StretchStream(self.corpus, "valid", self.forecast, steps=_VALIDATION_STEPS)

    def validate(self, model: Model, stopping: Callable[[], bool]) -> ForecastLosses | None:
        """See `Task`; `validate_windows` counts windows as large as those of training."""
        stream = self._valid
        if stream is None:
            return None
        if self._forward is None:
            self._forward = ForwardPass(model, stream.lanes, stream.steps)
        self._forward.state.reset()
        sums = np.zeros(4)
        most = -(-self.config.validate_windows * self.config.lanes * self.config.bptt // (stream.lanes * stream.steps))
        for window, o, losses in self._forward.outputs(islice(stream.recycled(), most)):
            errors = self._errors(model, o, window.targets)
            known = np.isfinite(window.targets)
            sums += (
                float(np.sum(losses * window.weight, dtype=np.float64)),
                window.weight_sum,
                float(np.sum(errors[known], dtype=np.float64)),
                int(np.count_nonzero(known)),
            )
            if stopping():
                break
        loss, weight, error, count = sums.tolist()
        if not weight:
            return None
        return ForecastLosses(loss / weight, error / count if len(self.forecast.target) == 1 else None)

    def _errors(self, model: Model, o: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Absolute errors (T, B, C A) in the columns' units; of quantiles those of the one nearest to the median."""
        quantiles = model.config.quantiles
        if quantiles:
            middle = min(range(len(quantiles)), key=lambda i: abs(quantiles[i] - 0.5))
            o = o[..., middle :: len(quantiles)]
        errors: np.ndarray = np.abs(o - targets) * self.forecast.scale
        return errors

    @property
    def usual_geometry(self) -> dict[str, int]:
        """See `Task`."""
        return {"lanes": DEFAULTS["lanes"], "bptt": _usual_steps(self.corpus.columns)}

    def line(self, loss: float | None) -> dict[str, float | None]:
        """The loss, and the error in the column's unit where the loss is one."""
        found = {self.loss_key: loss}
        if len(self.forecast.target) > 1 or self.config.model.head not in _ERRORS:
            return found
        name, error = _ERRORS[self.config.model.head]
        return found | {name: None if loss is None else error(loss) * float(self.forecast.scale[0])}


_ERRORS = {"absolute": ("mae", float), "squared": ("rmse", math.sqrt)}
"""The error that a mean loss is, by the head, and how it follows from the loss."""


def _usual_steps(columns: Columns) -> int:
    return min(_MOST_STEPS, max(_LEAST_STEPS, columns.season))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
