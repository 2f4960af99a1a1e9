"""The table of advice: the loss before, what is said, and the loss after that."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from tasks_lib.advice import TARGETS, AdviceFound, AdviceTask, Run

_LAGS = (1, 20, 36, 38, 40, 42, 44, 60)


def told_advice(name: str, task: AdviceTask, found: AdviceFound) -> Iterator[str]:
    """The lines of the task."""
    yield f"{name}: {task.title}; {TARGETS:,} targets a window ({task.package.replace('==', ' ')}, {task.licence})"
    for of, runs in found.runs.items():
        trial = task.trials[of]
        floor = "" if trial.floor is None else f"; no loss is below {trial.floor:.4f}"
        yield f"  {of}: {trial.title}{floor}"
        seeds = ", ".join(f"seed {number}" for number in range(1, 1 + len(runs[0].losses)))
        yield f"  {'nats a symbol of the test split':<44}{'mean':>8}   {seeds}"
        for run in runs:
            mean, each = statistics.fmean(run.losses), ", ".join(f"{loss:.4f}" for loss in run.losses)
            yield f"  {f'{trial.setting}={run.value:g}, {run.windows:,} windows':<44}{mean:>8.4f}   {each}"
            yield f"    {run.level}: {run.sentence}"
            if trial.floor is not None:
                yield from _by_lag(run)


def _by_lag(run: Run) -> Iterator[str]:
    if run.errors:
        told = ", ".join(f"{run.errors[lag]:.2g} at {lag}" for lag in _LAGS if lag < len(run.errors))
        yield f"    errors by steps back: {told}"
    if run.worth:
        told = ", ".join(f"{lost:.2g} from {begin}" for begin, lost in run.worth.items() if begin in (0, 8, 16, 32, 48))
        yield f"    worth of the state by steps back, nats: {told}"
