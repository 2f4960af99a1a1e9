"""The table of frames with texts."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from tasks_lib.framed import FramesFound, FramesTask, Scores

_COLUMNS = {"cer": "CER", "wer": "WER", "exact": "exact"}


def told_framed(name: str, task: FramesTask, found: FramesFound) -> Iterator[str]:
    """The lines of a task."""
    yield f"{name}: {task.title}; {found.sequences:,} in test ({task.package.replace('==', ' ')}, {task.licence})"
    yield f"  {'':<44}" + "".join(f"{column:>10}" for column in _COLUMNS.values()) + f"{'loss takes':>12}"
    for training, made in found.made.items():
        for number, each in enumerate(made, 1):
            seed = f", seed {number}" if len(made) > 1 else ""
            took = f"   {each.windows:,} windows in {each.seconds:.0f} s: {each.ended}"
            yield _row(training + seed, each.scores) + f"{each.share:>12.1%}{took}"
        if len(made) > 1:
            mean = {column: statistics.fmean(each.scores[column] for each in made) for column in _COLUMNS}
            yield _row(f"{training}, mean of {len(made)}", mean)
    for baseline, scores in found.baselines.items():
        yield _row(baseline, scores)
    if found.grammar:
        yield f"  {found.sentences:,} in test whose texts follow rules, read by the first training:"
        for way, scores in found.grammar.items():
            yield _row(way, scores)


def _row(name: str, scores: Scores) -> str:
    cells = (f"{scores[column]:.4f}" if column in scores else "" for column in _COLUMNS)
    return f"  {name:<44}" + "".join(f"{cell:>10}" for cell in cells)
