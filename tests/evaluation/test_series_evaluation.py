"""Errors of forecasts against sums over the rows themselves: which targets count, by series, by target, by baseline."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forecasting import HOUR, Stretches, columns, measured, model_of, write_series

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.series.forecast import Forecast
from gpurnn.evaluation.forecasts import forecasts
from gpurnn.evaluation.metrics import Errors, QuantileErrors
from gpurnn.evaluation.series import SCALES, evaluate_series
from gpurnn.exceptions import DataError, GpurnnError, UsageError
from gpurnn.generation.forecaster import Forecaster

BEGIN = 1_356_998_400  # 2013-01-01
VALID, TEST = BEGIN + 300 * HOUR, BEGIN + 400 * HOUR
COLUMNS = columns("temp", "wind")
SERIES: Stretches = {
    "Köln": [(BEGIN, measured(330, 2, seed=1)), (BEGIN + 337 * HOUR, measured(200, 2, seed=2))],
    "Bonn": [(BEGIN - 50 * HOUR, measured(560, 2, seed=3))],
    "Trier": [(BEGIN + 100 * HOUR, measured(20, 2, seed=4))],
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    path = write_series(tmp_path_factory.mktemp("series") / "made.h5", COLUMNS, SERIES, VALID, TEST)
    with Corpus.open(path) as opened:
        yield opened


Counted = dict[tuple[str, int, int, int], tuple[float, float, float]]
"""By key, time of the row, place of the column and rows ahead: what is forecast from the row, the truth, and now."""


def one_by_one(be: Backend, forecast: Forecast, low: int, high: int, **model: Any) -> Counted:
    """What is forecast at times from `low` on of those before `high`, by a forecaster that sees whole stretches."""
    counted: Counted = {}
    network = model_of(be, forecast, **model)
    for key, stretches in SERIES.items():
        for begin, rows in stretches:
            forecaster, now = Forecaster(network, forecast), [math.nan] * len(forecast.target)
            for i, row in enumerate(rows):
                found = forecaster.step(row, BEGIN + (begin - BEGIN) + i * HOUR, "any")
                for c, place in enumerate(forecast.places):
                    now[c] = now[c] if np.isnan(row[place]) else float(row[place])
                    for a, ahead in enumerate(forecast.steps):
                        time = begin + (i + ahead) * HOUR
                        if i + ahead >= len(rows) or begin + i * HOUR < low or time >= high:
                            continue
                        truth = float(rows[i + ahead, place])
                        if not (math.isnan(truth) or math.isnan(now[c])):
                            value = found[c * len(forecast.steps) + a]
                            counted[key, begin + i * HOUR, place, ahead] = value, truth, now[c]
    return counted


def mean(values: Any) -> float:
    values = list(values)
    return math.fsum(values) / len(values)


@pytest.mark.parametrize(("split", "low", "high"), [("test", TEST, 2**40), ("valid", VALID, TEST), ("train", 0, VALID)])
@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-10), ("float32", 1e-5)])
def test_every_target_of_the_split_counts_as_the_forecaster_gives_it(
    be: Backend, corpus: Corpus, split: str, low: int, high: int, dtype: str, bound: float
):
    forecast = Forecast(COLUMNS, ("temp",), ("24h", "3h"))
    expected = one_by_one(be, forecast, low, high, dtype=dtype)
    model = model_of(be, forecast, dtype=dtype)
    found = {}
    for block in forecasts(model, forecast, corpus, split):
        for key, time, values, truth in zip(block.keys, block.times, block.values, block.truth, strict=True):
            for a, ahead in enumerate(forecast.steps):
                if not np.isnan(truth[a]):
                    found[corpus.key_names[key], int(time), 0, ahead] = values[a, 0], truth[a]
    assert found.keys() == expected.keys() and len(found) > 100
    for place, (value, truth) in found.items():
        assert abs(value - expected[place][0]) / forecast.scale[0] < bound
        assert truth == pytest.approx(expected[place][1], rel=1e-5, abs=1e-5)


def test_errors_by_target_and_series(be: Backend, corpus: Corpus):
    forecast = Forecast(COLUMNS, ("temp",), ("24h", "3h"))
    counted = one_by_one(be, forecast, TEST, 2**40)
    found = evaluate_series(model_of(be, forecast), forecast, corpus, "test")
    errors = {place: value - truth for place, (value, truth, _) in counted.items()}
    assert (found.targets, found.unit) == (len(errors), "temp")
    assert found.mae == pytest.approx(mean(map(abs, errors.values())), rel=1e-6)
    assert found.rmse == pytest.approx(math.sqrt(mean(e * e for e in errors.values())), rel=1e-6)
    assert found.mase == pytest.approx(found.mae / 1.5, rel=1e-12)
    assert list(found.horizons) == ["temp+24h", "temp+3h"] and set(found.series) == {"Bonn", "Köln"}
    for name, ahead in (("temp+24h", 24), ("temp+3h", 3)):
        mine = [e for place, e in errors.items() if place[3] == ahead]
        assert found.horizons[name].targets == len(mine)
        assert found.horizons[name].mae == pytest.approx(mean(map(abs, mine)), rel=1e-6)
    for key in found.series:
        mine = [e for place, e in errors.items() if place[0] == key]
        assert found.series[key].targets == len(mine)
        assert found.series[key].rmse == pytest.approx(math.sqrt(mean(e * e for e in mine)), rel=1e-6)
    told = found.to_json()
    assert list(told) == ["targets", "mae", "rmse", "mase", "unit", "horizons", "series", "baselines"]
    assert told["horizons"]["temp+3h"]["mae"] == found.horizons["temp+3h"].mae


def test_several_columns_are_added_up_over_their_scales(be: Backend, corpus: Corpus):
    forecast = Forecast(COLUMNS, ("wind", "temp"), ("2h",))
    counted = one_by_one(be, forecast, TEST, 2**40)
    found = evaluate_series(model_of(be, forecast), forecast, corpus, "test")
    scaled = [(value - truth) / COLUMNS.scale[place[2]] for place, (value, truth, _) in counted.items()]
    assert (found.targets, found.unit) == (len(scaled), SCALES)
    assert found.mae == pytest.approx(mean(map(abs, scaled)), rel=1e-6)
    own = [abs(value - truth) for place, (value, truth, _) in counted.items() if place[2] == 1]
    assert found.horizons["wind+2h"].mae == pytest.approx(mean(own), rel=1e-6)


def test_baselines_on_the_same_targets(be: Backend, corpus: Corpus):
    forecast = Forecast(COLUMNS, ("temp",), ("24h", "3h"))
    counted = one_by_one(be, forecast, TEST, 2**40)
    found = evaluate_series(model_of(be, forecast), forecast, corpus, "test")
    at = {
        (key, begin + i * HOUR): float(row[0])
        for key, stretches in SERIES.items()
        for begin, rows in stretches
        for i, row in enumerate(rows)
    }
    starts = {key: [begin for begin, _ in stretches] for key, stretches in SERIES.items()}

    def same(days: int) -> float:
        errors = []
        for (key, time, _, ahead), (_, truth, now) in counted.items():
            past = time + ahead * HOUR
            while past > time:
                past -= days * 24 * HOUR
            first = max(begin for begin in starts[key] if begin <= time)
            value = at[key, past] if past >= first else math.nan
            errors.append(abs((now if math.isnan(value) else value) - truth))
        return mean(errors)

    assert found.baselines["same as now"].mae == pytest.approx(mean(abs(n - t) for _, t, n in counted.values()))
    assert found.baselines["same time yesterday"].mae == pytest.approx(same(1))
    assert found.baselines["same time last week"].mae == pytest.approx(same(7))
    assert found.baselines["mean of train"].mae == pytest.approx(mean(abs(10 - t) for _, t, _ in counted.values()))
    assert {each.targets for each in found.baselines.values()} == {found.targets}
    assert len(found.same) == 5
    day = Forecast(COLUMNS, ("temp",), ("24h", "48h"))
    alike = evaluate_series(model_of(be, day), day, corpus, "test").same
    assert alike[0] == ("same as now", "same time yesterday")
    assert [len(group) for group in alike] == [2, 1, 1, 1]


def test_a_split_without_rows_cuts_no_stretch(be: Backend, tmp_path: Path):
    forecast = Forecast(COLUMNS, ("temp",), ("24h",))
    model, rows = model_of(be, forecast), measured(100, 2, missing=0)
    border = BEGIN + 60 * HOUR
    with Corpus.open(write_series(tmp_path / "two.h5", COLUMNS, {"a": [(BEGIN, rows)]}, border, border)) as opened:
        [found] = forecasts(model, forecast, opened, "test")
    forecaster = Forecaster(model, forecast)
    expected = [forecaster.step(row, BEGIN + i * HOUR)[0] for i, row in enumerate(rows)]
    assert found.times.tolist() == [BEGIN + i * HOUR for i in range(60, 76)]
    assert found.values[:, 0, 0] == pytest.approx(expected[60:76], abs=1e-9)


def test_baselines_of_days_are_left_out_where_a_day_is_no_whole_number_of_rows(be: Backend, tmp_path: Path):
    odd = columns("temp", interval=7 * HOUR)
    rows = measured(200, 1)
    path = write_series(tmp_path / "odd.h5", odd, {"": [(0, rows)]}, 120 * 7 * HOUR, 160 * 7 * HOUR)
    forecast = Forecast(odd, ("temp",), ("14h",))
    with Corpus.open(path) as opened:
        found = evaluate_series(model_of(be, forecast), forecast, opened, "test")
    assert list(found.baselines) == ["same as now", "mean of train", "ridge on 21 h"]
    assert found.series == {}


def test_quantiles_are_sorted_and_measured(be: Backend, corpus: Corpus):
    quantiles = (0.1, 0.5, 0.9)
    forecast = Forecast(COLUMNS, ("temp",), ("3h",))
    model = model_of(be, forecast, head="quantile", quantiles=quantiles)
    values, truth = [], []
    for block in forecasts(model, forecast, corpus, "test"):
        values += block.values[:, 0].tolist()
        truth += block.truth[:, 0].tolist()
    assert all(low <= middle <= high for low, middle, high in values)
    rows = SERIES["Köln"][1][1][:40]
    stepped = Forecaster(model, forecast)
    one = [stepped.step(row, SERIES["Köln"][1][0] + i * HOUR) for i, row in enumerate(rows)]
    assert all(each[0, 0] <= each[0, 1] <= each[0, 2] for each in one[3:])
    found = evaluate_series(model, forecast, corpus, "test")
    assert found.mae == pytest.approx(mean(abs(v[1] - t) for v, t in zip(values, truth, strict=True)), rel=1e-9)
    for place, q in enumerate(quantiles):
        errors = [t - v[place] for v, t in zip(values, truth, strict=True)]
        loss = mean(max(q * e, (q - 1) * e) for e in errors)
        assert found.quantiles[f"{q:g}"]["pinball"] == pytest.approx(loss, rel=1e-9)
        assert found.quantiles[f"{q:g}"]["coverage"] == pytest.approx(mean(e <= 0 for e in errors))
    assert list(found.to_json())[-1] == "quantiles"


def test_sums_of_errors_by_hand():
    sums = Errors(2, np.array([1.0, 2.0]), np.array([2.0, 5.0]))
    sums.add(np.array([0, 1, 1]), np.array([[3.0, math.nan], [-1.0, 4.0], [math.nan, math.nan]]))
    whole = sums.of_all()
    assert whole.targets == 3
    assert whole.mae == pytest.approx((3 + 1 + 4 / 2) / 3)
    assert whole.rmse == pytest.approx(math.sqrt((9 + 1 + 4) / 3))
    assert whole.mase == pytest.approx((3 / 2 + 1 / 2 + 4 / 5) / 3)
    assert sums.of_target(1) == (1, 4.0, 4.0, 0.8)
    assert sums.of_key(0) == (1, 3.0, 3.0, 1.5)
    empty = Errors(1, np.ones(1), np.array([math.nan]))
    assert empty.of_all() == (0, None, None, None)
    empty.add(np.array([0]), np.array([[2.0]]))
    assert empty.of_all() == (1, 2.0, 2.0, None)


def test_quantiles_by_hand():
    sums = QuantileErrors((0.1, 0.9), np.array([2.0]))
    sums.add(np.array([[[1.0, 4.0]], [[2.0, 2.0]], [[0.0, 9.0]]]), np.array([[3.0], [2.0], [math.nan]]))
    found = sums.found()
    assert found["0.1"] == pytest.approx({"pinball": (0.1 * 2 + 0) / 2 / 2, "coverage": 0.5})
    assert found["0.9"] == pytest.approx({"pinball": (0.1 * 1 + 0) / 2 / 2, "coverage": 1.0})


def test_what_cannot_be_evaluated(be: Backend, corpus: Corpus, tmp_path: Path):
    forecast = Forecast(COLUMNS, ("temp",), ("24h",))
    model = model_of(be, forecast)
    for other, told in (
        (columns("temp", "rain"), r"it has the columns temp, wind, hour_sin.*`columns_from`"),
        (columns("temp", "wind", interval=2 * HOUR), r"every 3600 s; the model was trained on .* every 7200 s"),
    ):
        wrong = Forecast(other, ("temp",), ("24h",))
        with pytest.raises(DataError, match=told):
            evaluate_series(model_of(be, wrong), wrong, corpus)
    early = write_series(tmp_path / "early.h5", COLUMNS, {"a": [(BEGIN, measured(30, 2))]}, VALID, TEST)
    with Corpus.open(early) as opened, pytest.raises(DataError, match=r"split test is empty; .* rows: train 30"):
        evaluate_series(model, forecast, opened, "test")
    blind = measured(30, 2)
    blind[:, 0] = np.nan
    unknown = write_series(tmp_path / "b.h5", COLUMNS, {"a": [(BEGIN, blind)]}, VALID, TEST)
    told = "split train has no target to count: no known temp 24h after a row"
    with Corpus.open(unknown) as opened, pytest.raises(DataError, match=told):
        evaluate_series(model, forecast, opened, "train")
    with pytest.raises(UsageError, match="forecast: expected a Forecast, found NoneType"):
        evaluate_series(model, None, corpus)  # type: ignore[arg-type]
    model.params.value["output.c"].fill(math.nan)
    with pytest.raises(GpurnnError, match="is not finite"):
        evaluate_series(model, forecast, corpus, "test")
