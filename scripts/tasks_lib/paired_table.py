"""The table of pairs or captions."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence

from tasks_lib.paired import Made, PairedFound, PairedTask

_COLUMNS = {
    "exact": "exact",
    "symbol_error": "symbol error",
    "word_error": "word error",
    "chrf": "chrF",
    "bleu": "BLEU",
}
_WIDTH = 14


def told_paired(name: str, task: PairedTask, found: PairedFound) -> Iterator[str]:
    """The lines of a task."""
    counts = ", ".join(f"{count:,} in test{f' of {of}' if of else ''}" for of, count in found.sources.items())
    yield f"{name}: {task.title}; {counts} ({task.package.replace('==', ' ')}, {task.licence})"
    heads = "".join(f"{_COLUMNS[column]:>{_WIDTH}}" for column in task.figures)
    yield f"  {'':<44}{heads}{'texts/s':>{_WIDTH}}"
    for training, made in found.made.items():
        for number, each in enumerate(made, 1):
            seed = f", seed {number}" if len(made) > 1 else ""
            took = f"   {each.windows:,} windows in {each.seconds:.0f} s: {each.ended}"
            yield _row(training + seed, each.scores, task.figures) + f"{each.a_second:>{_WIDTH},.0f}{took}"
        if len(made) > 1:
            mean = {column: statistics.fmean(each.scores[column] for each in made) for column in task.figures}
            yield _row(f"{training}, mean of {len(made)}", mean, task.figures)
    for of, baselines in found.baselines.items():
        for baseline, scores in baselines.items():
            yield _row(f"{baseline}{f', {of}' if of else ''}", scores, task.figures)
    for training, made in found.made.items():
        if made[0].by_length:
            yield f"  exact by length of the source, {training}: {_lengths(made[0])}"


def _row(name: str, scores: Mapping[str, float], columns: Sequence[str]) -> str:
    cells = (f"{scores[column]:.1f}" if column in ("chrf", "bleu") else f"{scores[column]:.4f}" for column in columns)
    return f"  {name:<44}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells)


def _lengths(made: Made) -> str:
    return ", ".join(
        f"{shortest}{f'-{longest}' if longest > shortest else ''} {exact:.3f}"
        for shortest, longest, exact in made.by_length
    )
