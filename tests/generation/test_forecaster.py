"""The forecaster against windows of the same rows: gaps, keys, states on disk, and rows that are none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forecasting import HOUR, columns, forecasts_at_once, measured, model_of, with_clock

from gpurnn.backend import Backend
from gpurnn.data.series.forecast import Forecast
from gpurnn.exceptions import CheckpointError, DataError, UsageError
from gpurnn.generation.forecaster import Forecaster
from gpurnn.runs.checkpoint import read_checkpoint, write_checkpoint

BEGIN = 1_356_998_400  # 2013-01-01
COLUMNS = columns("temp", "wind", "humid")


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize(("cell", "layers", "start"), [("gru", 1, "zero"), ("lstm", 2, "learned")])
def test_rows_one_by_one_are_rows_at_once(be: Backend, dtype: str, bound: float, cell: str, layers: int, start: str):
    forecast = Forecast(COLUMNS, ("wind", "temp"), ("24h", "2h"))
    model = model_of(be, forecast, dtype=dtype, cell=cell, layers=layers, start=start)
    rows = measured(60, 3)
    rows[:3, 0] = np.nan
    forecaster = Forecaster(model, forecast)
    found = np.array([forecaster.step(row, BEGIN + i * HOUR) for i, row in enumerate(rows)])
    expected = forecasts_at_once(model, forecast, with_clock(COLUMNS, rows, BEGIN))
    assert found.shape == (60, 4) and found.dtype == np.float64
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.isnan(found[:3, 2:]).all() and not np.isnan(found[3:]).any()
    assert np.nanmax(np.abs(found - expected) / forecast.scale) < bound
    assert np.nanstd(found[:, 0]) > 0.1


def test_a_gap_up_to_fill_is_missing_rows_and_a_longer_one_begins_anew(be: Backend):
    forecast = Forecast(COLUMNS, ("temp",), ("1h",))
    model = model_of(be, forecast)
    rows = measured(40, 3, missing=0)
    kept = [*range(10), *range(13, 20), *range(24, 40)]  # 2 are missing, then 4
    forecaster = Forecaster(model, forecast)
    found = {i: forecaster.step(rows[i], BEGIN + i * HOUR)[0] for i in kept}
    filled = rows[:20].copy()
    filled[10:13] = np.nan
    first = forecasts_at_once(model, forecast, with_clock(COLUMNS, filled, BEGIN))[:, 0]
    second = forecasts_at_once(model, forecast, with_clock(COLUMNS, rows[24:], BEGIN + 24 * HOUR))[:, 0]
    for i in kept:
        assert found[i] == pytest.approx(first[i] if i < 20 else second[i - 24], abs=1e-9)
    assert filled[10:13].size and COLUMNS.fill == 3


def test_what_was_known_before_a_long_gap_is_forgotten(be: Backend):
    forecast = Forecast(COLUMNS, ("temp",), ("1h",))
    forecaster = Forecaster(model_of(be, forecast), forecast)
    assert not np.isnan(forecaster.step([1, 2, 3], BEGIN)).any()
    assert not np.isnan(forecaster.step([math.nan, 2, 3], BEGIN + 4 * HOUR)).any()
    assert np.isnan(forecaster.step([math.nan, 2, 3], BEGIN + 9 * HOUR)).all()


def test_after_a_long_gap_a_series_has_a_grid_of_its_own(be: Backend):
    forecast = Forecast(COLUMNS, ("temp",), ("1h",))
    model, rows = model_of(be, forecast), measured(6, 3, missing=0)
    forecaster = Forecaster(model, forecast)
    forecaster.step(rows[0], BEGIN)
    later = BEGIN + 4 * HOUR + 1  # a second later than what is filled
    found = [forecaster.step(row, later + i * HOUR)[0] for i, row in enumerate(rows)]
    assert found == pytest.approx(forecasts_at_once(model, forecast, with_clock(COLUMNS, rows, later))[:, 0], abs=1e-9)
    with pytest.raises(DataError, match="multiple of the interval"):
        forecaster.step(rows[0], BEGIN + 12 * HOUR)


def test_keys_do_not_touch_each_other(be: Backend):
    forecast = Forecast(COLUMNS, ("temp",), ("3h",))
    model = model_of(be, forecast, cell="lstm")
    series = {f"station {n}": measured(12, 3, seed=n) for n in range(40)}  # more than there is room for at first
    forecaster = Forecaster(model, forecast)
    order = np.random.default_rng(5).permutation([key for key in series for _ in range(12)])
    done = dict.fromkeys(series, 0)
    for key in order.tolist():
        i = done[key]
        found = forecaster.step(series[key][i], BEGIN + i * HOUR, key)
        done[key] += 1
        if i == 11:
            alone = forecasts_at_once(model, forecast, with_clock(COLUMNS, series[key], BEGIN))
            assert found == pytest.approx(alone[11], abs=1e-9)


def test_without_a_time_rows_follow_each_other(be: Backend):
    plain = columns("temp", "wind", clock=False)
    forecast = Forecast(plain, ("temp",), ("2h",))
    model, rows = model_of(be, forecast), measured(8, 2)
    forecaster = Forecaster(model, forecast)
    found = [forecaster.step(row)[0] for row in rows]
    assert found == pytest.approx(forecasts_at_once(model, forecast, rows)[:, 0], abs=1e-9, nan_ok=True)
    with pytest.raises(UsageError, match="time: the model reads a clock"):
        Forecaster(model_of(be, Forecast(COLUMNS, ("temp",), ("2h",))), Forecast(COLUMNS, ("temp",), ("2h",))).step(
            [1, 2, 3]
        )


WRONG: list[tuple[Any, int, type[Exception], str]] = [
    ([1, 2, 3], BEGIN + 5 * HOUR, DataError, "2013-01-01T05:00:00Z is the time of the last row of a, 2013-"),
    ([1, 2, 3], BEGIN, DataError, "2013-01-01T00:00:00Z is not after the last row of a"),
    (
        [1, 2, 3],
        BEGIN + 6 * HOUR + 60,
        DataError,
        "is 1 h 1 min after the last row.*multiple of the interval, 1 h",
    ),
    ([1, math.inf, 3], BEGIN + 6 * HOUR, DataError, "wind: inf is too large"),
    ([1, 2, -1e30], BEGIN + 6 * HOUR, DataError, r"humid: -1e\+30 is too large"),
    ([1, 2], BEGIN + 6 * HOUR, UsageError, "values: expected 3 numbers: temp, wind, humid"),
    ([1, "warm", 2], BEGIN + 6 * HOUR, UsageError, "values: expected 3 numbers"),
    (4, BEGIN + 6 * HOUR, UsageError, "values: expected 3 numbers"),
    ([1, 2, 3], 1.5, UsageError, "time: expected whole seconds"),  # type: ignore[list-item]
    ([1, 2, 3], 2**80, UsageError, "time: expected whole seconds"),
]


@pytest.mark.parametrize(("values", "time", "error", "told"), WRONG)
def test_a_row_that_is_none_changes_nothing(be: Backend, values: Any, time: int, error: type[Exception], told: str):
    forecast = Forecast(COLUMNS, ("temp",), ("24h",))
    model, rows = model_of(be, forecast), measured(7, 3)
    undisturbed, forecaster = Forecaster(model, forecast), Forecaster(model, forecast)
    for i in range(6):
        undisturbed.step(rows[i], BEGIN + i * HOUR, "a")
        forecaster.step(rows[i], BEGIN + i * HOUR, "a")
    with pytest.raises(error, match=told):
        forecaster.step(values, time, "a")
    last = undisturbed.step(rows[6], BEGIN + 6 * HOUR, "a")
    assert np.array_equal(forecaster.step(rows[6], BEGIN + 6 * HOUR, "a"), last)


@pytest.mark.parametrize("plain", [True, False])
def test_it_goes_on_from_its_state(be: Backend, tmp_path: Path, plain: bool):
    forecast = Forecast(COLUMNS, ("temp", "humid"), ("24h",))
    model = model_of(be, forecast, cell="lstm", layers=2)
    keys = [f"k{n}" if plain else f"ключ {n}" for n in range(20)]
    rows = {key: measured(10, 3, seed=n) for n, key in enumerate(keys)}
    undisturbed, before = Forecaster(model, forecast), Forecaster(model, forecast)
    for i in range(5):
        for key in keys:
            undisturbed.step(rows[key][i], BEGIN + i * HOUR, key)
            before.step(rows[key][i], BEGIN + i * HOUR, key)
    file = tmp_path / "state"
    before.save(file)
    before.save(file)  # over the old one
    after = Forecaster(model, forecast)
    after.load(file)
    for i in range(5, 10):
        for key in keys:
            expected = undisturbed.step(rows[key][i], BEGIN + i * HOUR, key)
            assert np.array_equal(after.step(rows[key][i], BEGIN + i * HOUR, key), expected, equal_nan=True)


def test_an_empty_state_is_one(be: Backend, tmp_path: Path):
    forecast = Forecast(COLUMNS, ("temp",), ("24h",))
    model = model_of(be, forecast)
    Forecaster(model, forecast).save(tmp_path / "state")
    forecaster = Forecaster(model, forecast)
    forecaster.step([1, 2, 3], BEGIN + HOUR, "a")
    forecaster.load(tmp_path / "state")
    forecaster.step([1, 2, 3], BEGIN, "a")


def test_the_state_of_another_model_is_refused(be: Backend, tmp_path: Path):
    forecast = Forecast(COLUMNS, ("temp",), ("24h",))
    file = tmp_path / "state"
    Forecaster(model_of(be, forecast), forecast).save(file)
    for other, ahead in ((2, "24h"), (1, "23h")):
        forecast = Forecast(COLUMNS, ("temp",), (ahead,))
        with pytest.raises(CheckpointError, match="state: it is the state of another model"):
            Forecaster(model_of(be, forecast, seed=other), forecast).load(file)


def test_damaged_states_are_refused_and_change_nothing(be: Backend, tmp_path: Path):
    forecast = Forecast(COLUMNS, ("temp",), ("24h",))
    model = model_of(be, forecast)
    forecaster = Forecaster(model, forecast)
    for key in ("a", "b"):
        forecaster.step([1, 2, 3], BEGIN, key)
    file = tmp_path / "state"
    forecaster.save(file)
    whole = read_checkpoint(file)

    def change(name: str, array: Any) -> dict[str, np.ndarray]:
        return {**whole.tensors, name: np.asarray(array)}

    poisoned = whole.tensors["state.0.h"].copy()
    poisoned[1, 2] = math.nan
    cases = [
        (change("state.0.h", poisoned), "expected finite"),
        (change("state.0.h", whole.tensors["state.0.h"][:1]), "state.0.h: expected float64"),
        (change("now", np.full((2, 1), math.inf)), "no infinite"),
        (change("now", np.zeros((2, 2))), "now: expected float64"),
        (change("times", np.zeros((2, 1), np.int64)), "expected "),
        (change("keys.offsets", np.array([0, 2, 1])), "keys are not in order"),
        (change("keys.offsets", np.array([0, 5, 2])), "keys are not in order"),
        (change("keys.bytes", np.array([97, 97], np.uint8)), "a key is there twice"),
        ({name: array for name, array in whole.tensors.items() if name != "keys.bytes"}, "keys are not in order"),
        ({name: array for name, array in whole.tensors.items() if name != "times"}, "expected "),
    ]
    other = Forecaster(model, forecast)
    other.step([1, 2, 3], BEGIN, "c")
    for tensors, told in cases:
        write_checkpoint(tmp_path / "bad", tensors, whole.header)
        with pytest.raises(CheckpointError, match=told):
            other.load(tmp_path / "bad")
    for header, told in (({}, "no state of"), ({**whole.header, "forecaster": 2}, "newer gpurnn")):
        write_checkpoint(tmp_path / "bad", whole.tensors, header)
        with pytest.raises(CheckpointError, match=told):
            other.load(tmp_path / "bad")
    (tmp_path / "bad").write_bytes(b"when,temp\n")
    with pytest.raises(CheckpointError, match="not an intact checkpoint"):
        other.load(tmp_path / "bad")
    with pytest.raises(DataError, match="is the time of the last row of c"):
        other.step([1, 2, 3], BEGIN, "c")


def test_a_model_of_something_else_is_refused(be: Backend):
    forecast = Forecast(COLUMNS, ("temp",), ("24h",))
    for other in (Forecast(COLUMNS, ("temp",), ("24h", "48h")), Forecast(columns("temp"), ("temp",), ("24h",))):
        with pytest.raises(UsageError, match="model: expected real input of 7 and 1 outputs, found real input of"):
            Forecaster(model_of(be, other), forecast)
    with pytest.raises(UsageError, match="model: expected a Model, found NoneType"):
        Forecaster(None, forecast)  # type: ignore[arg-type]
