"""Columns: what is kept of them, how rows are scaled, and what is refused."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gpurnn.data.series.columns import CLOCK, Columns
from gpurnn.exceptions import DataError, UsageError

NAN = math.nan


def columns(**changed: Any) -> Columns:
    given: dict[str, Any] = {
        "names": ("temp", "wind speed", *CLOCK),
        "mean": [10.0, -2.0, 0, 0, 0, 0],
        "scale": [4.0, 0.5, 1, 1, 1, 1],
        "season_error": [3.5, NAN, 0, 0, 0, 0],
        "interval": 3600,
        "season": 24,
        "time": ("date", "hour"),
        "key": "station",
        "clock": True,
        "fill": 3,
        "form": {"delimiter": ";", "missing": ["NA", ""]},
    }
    return Columns(**given | changed)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_scaled_number_by_number(dtype: type):
    given = columns()
    generator = np.random.default_rng(3)
    rows = generator.normal(5, 30, (2000, 6)).astype(np.float32)
    rows[generator.random(rows.shape) < 0.1] = NAN
    out = np.full((2000, 6), 7, dtype)
    given.scaled(rows, out)
    for t in range(0, 2000, 37):
        for i in range(6):
            x = float(rows[t, i])
            expected = 0.0 if math.isnan(x) else (x - float(given.mean[i])) / float(given.scale[i])
            assert out[t, i] == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert (out[np.isnan(rows)] == 0).all()


def test_a_block_is_scaled_like_its_rows_one_by_one():
    given = columns(names=("a", "b"), mean=[1013.25, 0], scale=[7.1, 1e-3], season_error=[NAN, NAN], clock=False)
    rows = np.random.default_rng(0).normal(1000, 9, (5000, 2)).astype(np.float32)
    together, alone = np.empty((5000, 2), np.float32), np.empty((5000, 2), np.float32)
    given.scaled(rows, together)
    for t in range(5000):
        given.scaled(rows[t : t + 1], alone[t : t + 1])
    assert np.array_equal(together, alone)


def test_what_is_stored_comes_back():
    given = columns()
    found = Columns.from_json(json.loads(json.dumps(given.to_json())), given.to_arrays(), "a file")
    assert found.to_json() == given.to_json()
    assert found.names == ("temp", "wind speed", *CLOCK)
    assert found.time == ("date", "hour")
    for name, array in given.to_arrays().items():
        assert np.array_equal(found.to_arrays()[name], array, equal_nan=True)
    assert sorted(given.to_arrays()) == ["columns.mean", "columns.scale", "columns.season_error"]
    assert (found.inputs, found.measured) == (6, 2)


def test_arrays_are_copies_that_cannot_be_changed():
    mean = np.zeros(6)
    given = columns(mean=mean)
    mean[0] = 1
    assert given.mean[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        given.scale[0] = 2


def test_a_column_is_found_by_name_or_the_nearest_one_is_named():
    assert columns().index("wind speed") == 1
    with pytest.raises(UsageError, match="no column 'wind_speed'; did you mean 'wind speed'"):
        columns().index("wind_speed")
    with pytest.raises(UsageError, match="no column 'xyz'; there are 'temp', 'wind speed', 'hour_sin'"):
        columns().index("xyz")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"names": ("temp", "temp", *CLOCK)}, "'temp' is there twice"),
        ({"names": ("temp", "", *CLOCK)}, "names: expected texts"),
        ({"names": ("temp", "\ud800", *CLOCK)}, "is not Unicode"),
        ({"names": "temp"}, "names: expected texts"),
        ({"names": ()}, "expected 1 to"),
        ({"names": (*CLOCK, "temp", "wind")}, "the clock's"),
        ({"mean": [0, 0]}, r"mean: expected \(6,\) numbers"),
        ({"mean": [NAN, 0, 0, 0, 0, 0]}, "a finite mean of column 'temp'"),
        ({"mean": [0, 0, 0, 0, 0, 0.5]}, "unscaled"),
        ({"scale": [1, 0, 1, 1, 1, 1]}, "a finite scale above 0 of column 'wind speed'"),
        ({"scale": [1, 1e-46, 1, 1, 1, 1]}, "a finite scale above 0"),
        ({"scale": [1, NAN, 1, 1, 1, 1]}, "a finite scale above 0"),
        ({"scale": [math.inf, 1, 1, 1, 1, 1]}, "a finite scale above 0 of column 'temp'"),
        ({"season_error": [-1, 0, 0, 0, 0, 0]}, "an error >= 0 of column 'temp'"),
        ({"season_error": [math.inf, 0, 0, 0, 0, 0]}, "an error >= 0"),
        ({"interval": 0}, "interval: expected a whole number from 1"),
        ({"interval": 3600.0}, "interval: expected a whole number"),
        ({"interval": True}, "interval: expected a whole number"),
        ({"season": 0}, "season"),
        ({"fill": -1}, "fill"),
        ({"time": ("a", "a")}, "time: 'a' is there twice"),
        ({"key": None}, "key or clock"),
        ({"clock": 1}, "key or clock"),
        ({"key": "\udc00"}, "key and form are not JSON"),
        ({"form": []}, "form: expected names and values"),
        ({"form": {"x": {1, 2}}}, "key and form are not JSON"),
        ({"form": {"x": NAN}}, "key and form are not JSON"),
        ({"form": {"x": "\ud800"}}, "key and form are not JSON"),
    ],
)
def test_columns_that_are_none_are_refused(changed: dict[str, Any], told: str):
    with pytest.raises(DataError, match=told):
        columns(**changed)


@pytest.mark.parametrize("data", [None, [], {}, {"names": ["a"]}, columns().to_json() | {"more": 1}])
def test_what_describes_no_columns_is_refused(data: Any):
    with pytest.raises(DataError, match=r"run/best: expected of its columns clock, fill"):
        Columns.from_json(data, columns().to_arrays(), "run/best")


def test_a_missing_array_is_named():
    arrays = columns().to_arrays()
    del arrays["columns.scale"]
    with pytest.raises(DataError, match=r"run/best: it has no columns\.scale"):
        Columns.from_json(columns().to_json(), arrays, "run/best")
    with pytest.raises(DataError, match="run/best: its columns: fill"):
        Columns.from_json(replace(columns()).to_json() | {"fill": -1}, columns().to_arrays(), "run/best")
