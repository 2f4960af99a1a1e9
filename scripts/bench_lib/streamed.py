"""Targets a second, streamed and re-read: the processes in turn."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import gpurnn
from bench_lib.measure import ROUNDS
from bench_lib.process import Process, ProgramError
from bench_lib.stats import Ratio, ratio

TABLE = Path(__file__).resolve().parents[1] / "demo_data" / "weather.csv.gz"
_SECONDS = 0.7
_APART = 1e-4
"""So far outputs of the same network may be from one another, in standard deviations."""


@dataclass
class Compared:
    """rates: targets a second by program, one a round. ratio: how many times those of PyTorch gpurnn has."""

    rates: dict[str, list[float]] = field(default_factory=dict)

    @property
    def ratio(self) -> Ratio:
        """Round by round."""
        seconds = {name: [1 / rate for rate in rates] for name, rates in self.rates.items()}
        return ratio(seconds["gpurnn"], seconds["pytorch"])


def prepared(corpus: Path) -> None:
    """Make the corpus."""
    gpurnn.prepare(TABLE, corpus, series=True, time="time_hour", key="origin", clock=True)


def compare(processes: Mapping[str, Process], corpus: Path, rounds: int = ROUNDS) -> Compared:
    """Rates of both programs. processes: "gpurnn" and "pytorch". Raises ProgramError where they are not the same."""
    outputs = {name: process.ask("series", corpus=str(corpus))["outputs"] for name, process in processes.items()}
    apart = max(abs(a - b) for a, b in zip(outputs["gpurnn"], outputs["pytorch"], strict=True))
    if not apart <= _APART:
        raise ProgramError(f"the outputs of the same parameters are {apart:.2g} apart: not the same network")
    found = Compared({name: [] for name in processes})
    for _ in range(rounds):
        for name, process in processes.items():
            done = process.ask("series_run", seconds=_SECONDS)
            found.rates[name].append(done["targets"] / done["seconds"])
    return found


def told(found: Compared) -> Iterator[str]:
    """What is printed."""
    ways = {"gpurnn": "from a stream, state carried", "pytorch": "from windows that are read again"}
    for name, rates in found.rates.items():
        yield f"{name:<8} {statistics.median(rates):>10,.0f} targets/s  {ways[name]}"
    times = found.ratio
    yield f"gpurnn learns from {times.median:.1f} times as many targets a second ({times.low:.1f}-{times.high:.1f})"
