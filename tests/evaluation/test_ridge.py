"""Ridge regression against the same sums over rows that are put together one by one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from forecasting import HOUR, columns, measured, model_of, with_clock, write_series

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.series.forecast import Forecast
from gpurnn.evaluation import ridge as ridge_module
from gpurnn.evaluation.ridge import STRENGTHS, Ridge
from gpurnn.evaluation.series import evaluate_series

BEGIN = 1_356_998_400
VALID, TEST = BEGIN + 400 * HOUR, BEGIN + 500 * HOUR
COLUMNS = columns("temp", "wind")
SERIES = {"a": [(BEGIN, measured(700, 2, seed=1))], "b": [(BEGIN + 60 * HOUR, measured(560, 2, seed=2))]}


def table(forecast: Forecast, low: int, high: int, lags: int = 24) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, changes over the scale, and errors of "same as now" of every counted target, row by row."""
    columns, ahead, place = forecast.columns, forecast.steps[0], forecast.places[0]
    inputs, changes, now_errors = [], [], []
    for stretches in SERIES.values():
        for begin, raw in stretches:
            rows = with_clock(columns, raw, begin).astype(np.float64)
            scaled = np.where(np.isnan(rows), 0, (rows - columns.mean) / columns.scale)
            now = math.nan
            for i in range(len(rows) - ahead):
                now = now if math.isnan(rows[i, place]) else rows[i, place]
                truth = rows[i + ahead, place]
                inside = low <= begin + i * HOUR and begin + (i + ahead) * HOUR < high
                if math.isnan(now) or math.isnan(truth) or not inside:
                    continue
                x = [scaled[i - lag, c] if i >= lag else 0.0 for lag in range(lags) for c in range(2)]
                inputs.append([*x, *scaled[i, 2:], (now - columns.mean[place]) / columns.scale[place], 1.0])
                changes.append((truth - now) / columns.scale[place])
                now_errors.append(abs(now - truth))
    return np.array(inputs), np.array(changes), np.array(now_errors)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_series(tmp_path / "made.h5", COLUMNS, SERIES, VALID, TEST)


def test_weights_strength_and_errors(be: Backend, corpus: Path, monkeypatch: pytest.MonkeyPatch):
    forecast = Forecast(COLUMNS, ("wind",), ("6h",))
    x, y, _ = table(forecast, 0, VALID)
    assert x.shape[1] == 24 * 2 + 4 + 1 + 1
    held = np.eye(x.shape[1])
    held[-1, -1] = 0
    scale, mean = COLUMNS.scale[1], COLUMNS.mean[1]

    def base(x: np.ndarray, kind: str) -> np.ndarray:
        """What the change is counted from, over the scale, less the mean: now is the input before the last."""
        return x[:, -2] if kind == "now" else np.zeros(len(x))

    found = {}
    xv, yv, _ = table(forecast, VALID, TEST)
    for kind in ("now", "mean"):
        for s in STRENGTHS:
            y_kind = y + x[:, -2] - base(x, kind)
            weights = np.linalg.lstsq(x.T @ x + s * len(x) * held, x.T @ y_kind, rcond=None)[0]
            found[kind, s] = weights, np.abs(xv @ weights + base(xv, kind) - yv - xv[:, -2]).mean()
    best = min(found, key=lambda each: found[each][1])
    xt, yt, _ = table(forecast, TEST, 2**40)
    expected = np.abs(xt @ found[best][0] + base(xt, best[0]) - yt - xt[:, -2]).mean() * scale
    assert mean == 20 and len({round(error, 9) for _, error in found.values()}) == 8
    for block in (4096, 37):
        monkeypatch.setattr(ridge_module, "_CELLS", block * x.shape[1] if block > 64 else 0)
        with Corpus.open(corpus) as opened:
            ridge = Ridge(forecast)
            assert ridge.fit(opened)
            told = evaluate_series(model_of(be, forecast), forecast, opened, "test")
        assert ridge.chosen == ((best[1], best[0] == "now"),)
        assert told.baselines["ridge on 24 h"].mae == pytest.approx(expected, rel=1e-5)
        assert told.baselines["ridge on 24 h"].targets == len(yt)


def test_it_finds_a_rule_that_there_is(be: Backend, tmp_path: Path):
    """A column that follows from another one five hours before."""
    rng = np.random.default_rng(3)
    rows = np.empty((900, 2), np.float32)
    rows[:, 1] = rng.normal(size=900) * 6 + 20
    rows[:, 0] = 10
    rows[5:, 0] = 10 + (rows[:-5, 1] - 20) / 2
    series = {"": [(BEGIN, rows)]}
    path = write_series(tmp_path / "rule.h5", COLUMNS, series, BEGIN + 600 * HOUR, BEGIN + 700 * HOUR)
    forecast = Forecast(COLUMNS, ("temp",), ("2h", "7h"))
    with Corpus.open(path) as opened:
        found = evaluate_series(model_of(be, forecast), forecast, opened, "test")
        ridge = Ridge(forecast)
        assert ridge.fit(opened)
    assert ridge.chosen[0][0] == min(STRENGTHS)
    assert found.baselines["ridge on 24 h"].mae < 1.5 < found.baselines["same as now"].mae


def test_inputs_stay_few_where_rows_are_many():
    minutes = Ridge(Forecast(columns("a", "b", interval=60), ("a",), ("24h",)))
    assert minutes.seconds == 86_400
    assert minutes.lags[0] == 0 and len(minutes.lags) == 24 and minutes.lags[1] == 60 and minutes.lags[-1] == 1380
    many = Ridge(Forecast(columns(*(f"c{i}" for i in range(500))), ("c1",), ("24h",)))
    assert many.inputs < 2100 and len(many.lags) == 4
    assert Ridge(Forecast(columns("a", interval=86_400), ("a",), ("1d",))).lags == (0,)


def test_rows_are_left_out_evenly_where_they_are_many(corpus: Path, monkeypatch: pytest.MonkeyPatch):
    forecast = Forecast(COLUMNS, ("temp",), ("6h",))
    with Corpus.open(corpus) as opened:
        whole, half = Ridge(forecast), Ridge(forecast)
        assert whole.fit(opened)
        monkeypatch.setattr(ridge_module, "_MOST_WORK", opened.splits["train"] * whole.inputs**2 // 2)
        seen: list[int] = []
        solved = ridge_module._solved
        monkeypatch.setattr(ridge_module, "_solved", lambda a, b, s: seen.append(round(a[-1, -1])) or solved(a, b, s))
        assert half.fit(opened)
    used = len(table(forecast, 0, VALID)[1])
    assert set(seen) == {seen[0]} and abs(seen[0] - used / 2) < 0.1 * used


def test_without_train_or_valid(tmp_path: Path):
    forecast = Forecast(COLUMNS, ("temp",), ("6h",))
    with Corpus.open(write_series(tmp_path / "t.h5", COLUMNS, SERIES, BEGIN - 10**6, BEGIN - 10**6)) as opened:
        assert not Ridge(forecast).fit(opened)
    with Corpus.open(write_series(tmp_path / "v.h5", COLUMNS, SERIES, TEST, TEST)) as opened:
        ridge = Ridge(forecast)
        assert ridge.fit(opened)
        assert ridge.chosen == ((STRENGTHS[1], True),)
