"""Columns, models and rows of measured series for the tests of what forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from corpora import Made

from gpurnn.backend import Backend
from gpurnn.data.corpus.sizes import SPLITS
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.series.clock import clocks
from gpurnn.data.series.columns import CLOCK, Columns
from gpurnn.data.series.forecast import Forecast
from gpurnn.network import Model, ModelConfig

HOUR = 3600


def columns(*names: str, clock: bool = True, interval: int = HOUR, fill: int = 3, **more: Any) -> Columns:
    """Of these measured columns, the first with mean 10 and scale 4, the next with 20 and 6, and so on."""
    n, own = len(names), CLOCK if clock else ()
    return Columns(
        (*names, *own),
        np.array([*(10.0 * (i + 1) for i in range(n)), *(0.0 for _ in own)]),
        np.array([*(4.0 + 2 * i for i in range(n)), *(1.0 for _ in own)]),
        np.array([*(1.5 for _ in range(n)), *(np.nan for _ in own)]),
        interval,
        86_400 // interval if 86_400 % interval == 0 else 1,
        more.pop("time", ("when",)),
        more.pop("key", "where"),
        clock,
        fill,
        more.pop("form", {}),
        **more,
    )


def model_of(be: Backend, forecast: Forecast, seed: int = 1, **config: Any) -> Model:
    """A model that was never trained, with parameters large enough to be told apart."""
    quantiles = len(config.get("quantiles", ())) or 1
    settings = {"cell": "gru", "hidden": 6, "head": "squared", "dtype": "float64", "dropout": 0.0, **config}
    model = Model(
        be,
        ModelConfig(
            symbols=0, inputs=forecast.columns.inputs, outputs=forecast.width * quantiles, input="real", **settings
        ),
    )
    model.params.initialise(be, seed)
    return model


def measured(count: int, width: int, seed: int = 1, missing: float = 0.1) -> np.ndarray:
    """(count, width) float32: rows that go up and down, with missing numbers."""
    rng = np.random.default_rng(seed)
    rows = np.cumsum(rng.normal(size=(count, width)), axis=0) + 10
    rows[rng.random(rows.shape) < missing] = np.nan
    return rows.astype(np.float32)


def with_clock(columns: Columns, rows: np.ndarray, time: int) -> np.ndarray:
    """(n, F) float32: the rows as a corpus has them, the first one at this time."""
    out = np.empty((len(rows), columns.inputs), np.float32)
    out[:, : columns.measured] = rows
    if columns.clock:
        clocks(time + columns.interval * np.arange(len(rows)), out[:, columns.measured :])
    return out


def forecasts_at_once(model: Model, forecast: Forecast, rows: np.ndarray) -> np.ndarray:
    """(n, C A) or (n, C A, Q): the forecasts after each of the rows (n, F) of one stretch, from one window."""
    columns, n = forecast.columns, len(rows)
    ws, state = model.workspace(1, n, train=False), model.state(1)
    model.begin(state)
    x = np.empty((n, columns.inputs), np.float32)  # as windows have it
    columns.scaled(rows, x)
    model.be.from_host(x, out=ws.batch.reals)
    ws.batch.carry.fill(1)
    ws.batch.begin(n, None)
    model.forward(ws, state)
    o = model.be.to_host(ws.o).astype(np.float64).reshape(n, forecast.width, -1)
    now = np.full((n, len(forecast.target)), np.nan)
    for c, place in enumerate(forecast.places):
        known = np.nan
        for i, value in enumerate(rows[:, place].tolist()):
            known = known if np.isnan(value) else value
            now[i, c] = known
    found = np.repeat(now, len(forecast.ahead), axis=1)[:, :, None] + np.sort(o, axis=2) * forecast.scale[:, None]
    return found if o.shape[2] > 1 else found[:, :, 0]


Stretches = Mapping[str, Sequence[tuple[int, np.ndarray]]]
"""By key, the time of the first row of each stretch, and its rows (n, measured)."""


def write_series(path: Path, columns: Columns, series: Stretches, valid: int, test: int) -> Path:
    """A corpus of these stretches, cut where a split begins: the times from which on rows are of valid and of test."""
    found: dict[str, dict[str, list[Any]]] = {
        name: {"reals": [], "documents": [], "keys": [], "starts": []} for name in SPLITS
    }
    borders = {"train": (-(2**60), valid), "valid": (valid, test), "test": (test, 2**60)}
    for name, (low, high) in borders.items():
        part, done = found[name], 0
        for number, key in enumerate(sorted(series)):
            for begin, rows in series[key]:
                times = begin + columns.interval * np.arange(len(rows))
                inside = (times >= low) & (times < high)
                if inside.any():
                    whole = with_clock(columns, rows, begin)[inside]
                    part["reals"].append(whole)
                    part["documents"].append(done)
                    part["keys"].append(number)
                    part["starts"].append(int(times[inside][0]))
                    done += len(whole)
    types = {"documents": "<u8", "keys": "u1", "starts": "<i8"}
    splits = {
        name: {
            "reals": np.concatenate(part["reals"]),
            **{what: np.array(part[what], dtype) for what, dtype in types.items()},
        }
        for name, part in found.items()
        if part["reals"]
    }
    Made("series", splits, Tables(columns=columns, keys=tuple(sorted(series)))).write(path)
    return path
