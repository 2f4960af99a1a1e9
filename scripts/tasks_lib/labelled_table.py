"""The table of a labelled data set."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from tasks_lib.labelled import LabelledFound, LabelledTask, Scores, Training

_COLUMNS = {"accuracy": "accuracy", "macro_f1": "macro F1", "span_f1": "span F1"}


def told_labelled(name: str, task: LabelledTask, found: LabelledFound) -> Iterator[str]:
    """The lines of a task."""
    columns = [column for column in _COLUMNS if column in found.seeds[0].scores]
    yield f"{name}: {task.title}; {found.targets:,} in test ({task.package.replace('==', ' ')}, {task.licence})"
    yield f"  {'':<44}" + "".join(f"{_COLUMNS[column]:>10}" for column in columns)
    for number, training in enumerate(found.seeds, 1):
        yield _row(f"gpurnn, seed {number}", training.scores, columns) + _took(training)
    mean = {column: statistics.fmean(each.scores[column] for each in found.seeds) for column in columns}
    yield _row(f"gpurnn, mean of {len(found.seeds)}", mean, columns)
    for other, training in found.others.items():
        yield _row(f"gpurnn, {other}", training.scores, columns) + _took(training)
    for baseline, scores in found.baselines.items():
        yield _row(baseline, scores, columns)
    yield "  F1 of seed 1: " + ", ".join(f"{label} {f1:.3f}" for label, f1 in found.f1.items())
    if task.long_runs:
        tag, longer = task.long_runs
        inside = [f"seed {number} {each.inside:.3f}" for number, each in enumerate(found.seeds, 1)]
        inside += [f"{other} {each.inside:.3f}" for other, each in found.others.items()]
        yield f"  accuracy in {tag}s of more than {longer:,} steps, {found.inside:,} in all: {', '.join(inside)}"


def _row(name: str, scores: Scores, columns: Sequence[str]) -> str:
    cells = (f"{scores[column]:.4f}" if column in scores else "" for column in columns)
    return f"  {name:<44}" + "".join(f"{cell:>10}" for cell in cells).rstrip()


def _took(training: Training) -> str:
    return f"   {training.windows:,} windows in {training.seconds:.0f} s: {training.ended}"
