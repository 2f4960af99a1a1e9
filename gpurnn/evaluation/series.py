"""How well a model forecasts a split: errors in the unit of what is forecast, beside those of simple forecasts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus
from gpurnn.data.series.columns import Columns
from gpurnn.data.series.forecast import Forecast
from gpurnn.evaluation.baselines import alike, baselines
from gpurnn.evaluation.forecasts import Forecasts, forecasts
from gpurnn.evaluation.metrics import Accuracy, Errors, QuantileErrors
from gpurnn.evaluation.part import part_of
from gpurnn.exceptions import DataError
from gpurnn.network import Model
from gpurnn.settings import expect_kind

SCALES = "standard deviations"


@dataclass(frozen=True)
class SeriesEvaluation:
    """A model's errors over a split.

    targets: how many counted. mae, rmse, mase: see `Accuracy`, over all of them. unit: the name of the column whose
    unit they have; where several are forecast, "standard deviations", by which each error was divided.
    horizons: by target, "temp+24h", in its own unit. series: by key; empty where there is one series without a name.
    baselines: by name, see `gpurnn.evaluation.baselines`, in `unit`. same: their names, those that are one and the
    same together. quantiles: by quantile, `pinball` and `coverage`; empty where the model gives none.
    """

    targets: int
    mae: float
    rmse: float
    mase: float | None
    unit: str
    horizons: dict[str, Accuracy]
    series: dict[str, Accuracy]
    baselines: dict[str, Accuracy]
    same: list[tuple[str, ...]]
    quantiles: dict[str, dict[str, float]]

    def to_json(self) -> dict[str, Any]:
        """The fields as a dictionary, without `same`, and without quantiles where there are none."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in ("targets", "mae", "rmse", "mase", "unit")}
        for name in ("horizons", "series", "baselines"):
            plain[name] = {key: each._asdict() for key, each in getattr(self, name).items()}
        return plain | ({"quantiles": self.quantiles} if self.quantiles else {})


def evaluate_series(
    model: Model,
    forecast: Forecast,
    corpus: Corpus,
    split: str = "valid",
    *,
    on_progress: Callable[[int, int], None] = lambda done, rows: None,
    on_forecasts: Callable[[Forecasts], None] = lambda found: None,
) -> SeriesEvaluation:
    """The errors of every target of a split, beside those of the baselines on the same targets.

    Of quantiles the middle one is the forecast. on_progress: see `forecasts`; on_forecasts: called with all of them.
    Raises DataError: other columns, a split without a target; UsageError: what is no model, forecast or corpus;
    GpurnnError: a forecast that is not finite.
    """
    expect_kind("model", Model, model)
    expect_kind("forecast", Forecast, forecast)
    expect_kind("corpus", Corpus, corpus)
    expect_columns(forecast.columns, corpus)
    part_of(corpus, split, "rows")
    names = corpus.key_names
    season = np.repeat(forecast.columns.season_error[list(forecast.places)], len(forecast.ahead))
    unit = np.ones(forecast.width) if len(forecast.target) == 1 else forecast.scale
    sums = Errors(len(names), unit, season)
    of_quantiles = QuantileErrors(model.config.quantiles, unit)
    middle = middle_of(model.config.quantiles)
    for found in forecasts(model, forecast, corpus, split, on_progress):
        sums.add(found.keys, found.values[:, :, middle] - found.truth)
        if model.config.quantiles:
            of_quantiles.add(found.values, found.truth)
        on_forecasts(found)
    whole = sums.of_all()
    if whole.mae is None or whole.rmse is None:
        raise DataError(
            f"{corpus.path}: split {split} has no target to count: no known {' or '.join(forecast.target)} "
            f"{forecast.ahead[0]} after a row"
        )
    simple = baselines(forecast, corpus, split, lambda: Errors(len(names), unit, season))
    by_key = {name: sums.of_key(key) for key, name in enumerate(names)}
    return SeriesEvaluation(
        targets=whole.targets,
        mae=whole.mae,
        rmse=whole.rmse,
        mase=whole.mase,
        unit=forecast.target[0] if len(forecast.target) == 1 else SCALES,
        horizons={name: sums.of_target(place) for place, name in enumerate(forecast.names)},
        series={name: each for name, each in by_key.items() if each.targets and name},
        baselines={name: each.of_all() for name, each in simple.items()},
        same=alike(forecast, simple),
        quantiles=of_quantiles.found(),
    )


def middle_of(quantiles: tuple[float, ...]) -> int:
    """Which quantile is the forecast: the one nearest to a half."""
    return int(np.argmin(np.abs(np.array(quantiles) - 0.5))) if quantiles else 0


def expect_columns(columns: Columns, corpus: Corpus) -> None:
    """Raises DataError where the rows of a corpus are not what a model was trained on: other columns or scales."""
    other = corpus.columns
    if (other.names, other.interval) != (columns.names, columns.interval):
        what = f"{', '.join(other.names[:8])} every {other.interval} s"
        raise DataError(
            f"{corpus.path}: it has the columns {what}; the model was trained on {', '.join(columns.names[:8])} every "
            f"{columns.interval} s; prepare it with `columns_from`"
        )
    if not (_alike(other.mean, columns.mean) and _alike(other.scale, columns.scale)):
        raise DataError(
            f"{corpus.path}: its columns are scaled otherwise than those that the model was trained on; prepare it "
            "with `columns_from`"
        )


def _alike(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return bool((a == b).all())
