"""The loss of strings without an alignment, and its errors: gpurnn and PyTorch in turn, and whether they agree."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench_lib.check import difference
from bench_lib.measure import ROUNDS, alternate
from bench_lib.process import THREADS, Process, ProgramError
from bench_lib.stats import Ratio, ratio

_SECONDS = 0.5
_TOLERANCE = 1e-10
"""In float64."""
_BATCHES = 20
"""As many of `RANDOM` are compared."""


@dataclass(frozen=True)
class Strings:
    """One batch: outputs (T, B, K) and a string of labels below K - 1 for each of B sequences.

    ragged: whether sequences and strings are of all lengths up to these, empty strings and some that do not fit among
    them; else all have these. threads: that compute.
    """

    steps: int = 160
    lanes: int = 64
    labels: int = 30
    symbols: int = 31
    dtype: str = "float32"
    ragged: bool = False
    threads: int = THREADS
    seed: int = 0

    def outputs(self) -> NDArray[np.float32 | np.float64]:
        """Standard normal, times 2."""
        drawn = np.random.default_rng(self.seed).standard_normal((self.steps, self.lanes, self.symbols))
        return (2 * drawn).astype(self.dtype)

    def strings(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Labels (B, L), how many of them each string has, and how many steps its sequence has."""
        rng = np.random.default_rng(self.seed + 1)
        labels = rng.integers(0, self.symbols - 1, (self.lanes, self.labels))
        counts, frames = np.full(self.lanes, self.labels), np.full(self.lanes, self.steps)
        if self.ragged:
            frames = rng.integers(1, self.steps + 1, self.lanes)
            counts = rng.integers(0, np.minimum(frames, self.labels) + 1)
        return labels, counts, frames


RANDOM = Strings(15, 500, 10, 6, "float64", ragged=True)


def check_strings(processes: Mapping[str, Process]) -> Iterator[tuple[bool, str]]:
    """Whether PyTorch agrees with gpurnn on the losses and errors of many random strings, and a line that says so."""
    if "pytorch" not in processes:
        return
    worst = 0.0
    for seed in range(_BATCHES):
        case = asdict(replace(RANDOM, seed=seed))
        wanted, found = (processes[name].ask("strings_trace", case=case) for name in ("gpurnn", "pytorch"))
        worst = max(worst, difference(wanted, found))
    many = RANDOM.lanes * _BATCHES
    yield worst <= _TOLERANCE, f"{many:,} strings without an alignment: pytorch: largest difference {worst:.1e}"


@dataclass
class StringTimes:
    """seconds: of losses and errors by program, one a round."""

    case: Strings
    seconds: dict[str, list[float]]

    @property
    def ratio(self) -> Ratio:
        """How many times as long as gpurnn PyTorch takes, round by round."""
        return ratio(self.seconds["gpurnn"], self.seconds["pytorch"])

    def __str__(self) -> str:
        took = ", ".join(f"{name} {1e3 * statistics.median(each):.1f} ms" for name, each in self.seconds.items())
        case, found = self.case, self.ratio
        return (
            f"{case.lanes} strings of {case.labels} labels, {case.steps} steps each, {case.symbols} symbols, "
            f"{case.threads} thread{'s' * (case.threads > 1)}: {took}; "
            f"pytorch takes {found.median:.2f} ({found.low:.2f}-{found.high:.2f}) times as long"
        )


def compare_strings(processes: Mapping[str, Process], rounds: int = ROUNDS) -> Iterator[StringTimes]:
    """Times of both programs, with one thread and with all. Raises ProgramError where they do not agree."""
    for ok, line in check_strings(processes):
        if not ok:
            raise ProgramError(f"{line}: not the same loss")
    for threads in range(1, THREADS + 1):
        case = Strings(threads=threads)
        about = {name: each.ask("strings", case=asdict(case))["seconds"] for name, each in processes.items()}
        yield StringTimes(case, alternate(processes, about, _SECONDS, rounds))
