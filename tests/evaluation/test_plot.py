"""Pictures of forecasts: which rows are drawn, and what is said without matplotlib."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forecasting import HOUR, columns

from gpurnn.data.series.forecast import Forecast
from gpurnn.evaluation import plot as plot_module
from gpurnn.evaluation.forecasts import Forecasts
from gpurnn.evaluation.plot import Plot
from gpurnn.exceptions import GpurnnError, UsageError

DAY = 24 * HOUR
FORECAST = Forecast(columns("temp", "wind"), ("temp", "wind"), ("24h", "3h"))


def block(key: int, first: int, count: int, quantiles: int = 1) -> Forecasts:
    """Each value is that of its time, in hours, and the target."""
    times = first + HOUR * np.arange(count)
    truth = times[:, None] / HOUR + np.arange(4) / 10
    values = truth[:, :, None] + 1 + np.arange(quantiles)
    return Forecasts(np.full(count, key), times, values, truth)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if matplotlib were installed: nothing is drawn."""
    monkeypatch.setattr(plot_module, "find_spec", lambda name: object())


def test_two_weeks_of_the_first_series_are_kept(there: None, tmp_path: Path):
    plot = Plot(tmp_path / "x.svg", FORECAST)
    first = 10 * DAY
    for found in (block(3, first, 5), block(1, first, 50), block(3, first + 8 * HOUR, 900), block(3, 0, 100)):
        plot.add(found)
    times, truth, values = plot._line(1)
    assert times.tolist() == (first + HOUR * np.arange(14 * 24)).tolist()
    assert np.isnan(truth[5:8]).all() and np.isnan(values[5:8]).all()
    known = [*range(5), *range(8, 14 * 24)]
    assert truth[known] == pytest.approx(times[known] / HOUR + 0.1)
    assert values[known, 0] == pytest.approx(times[known] / HOUR + 1.1)


def test_what_cannot_be_drawn(there: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UsageError, match=r"`plot`: expected a name that ends with .svg or .png, found 'x.pdf'"):
        Plot(tmp_path / "x.pdf", FORECAST)
    with pytest.raises(OSError, match="there is no folder"):
        Plot(tmp_path / "no" / "x.svg", FORECAST)
    monkeypatch.setattr(plot_module, "find_spec", lambda name: None)
    with pytest.raises(GpurnnError, match=r"`plot` needs matplotlib, .*: pip install 'gpurnn\[plot\]'"):
        Plot(tmp_path / "x.svg", FORECAST)


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed")
@pytest.mark.parametrize(("name", "begins"), [("x.svg", b"<?xml"), ("x.PNG", b"\x89PNG")])
@pytest.mark.parametrize("quantiles", [(), (0.1, 0.5, 0.9)])
def test_a_picture_is_drawn(tmp_path: Path, name: str, begins: bytes, quantiles: Any):
    plot = Plot(tmp_path / name, FORECAST)
    plot.add(block(0, 0, 200, max(1, len(quantiles))))
    plot.draw(["Köln"], quantiles)
    data = (tmp_path / name).read_bytes()
    assert data.startswith(begins) and len(data) > 10_000
