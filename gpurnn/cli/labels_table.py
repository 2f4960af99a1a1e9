"""What `gpurnn evaluate` prints of labels and tags: the model above simple guesses, then classes and confusions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gpurnn.cli.cells import cut, left, right, width
from gpurnn.evaluation.label_baselines import Baseline
from gpurnn.evaluation.labels import LabelsEvaluation
from gpurnn.training.scores import Score

_NAME = 28
"""Columns of the longest name."""
_HEAD = 14
"""And of what stands above a column."""
_MOST_NAMES = 40
_MOST_CLASSES, _WIDEST = 24, 100
"""Of a table of confusions, and how many columns it takes; the commonest ones are listed where it would be larger."""
_MOST_CONFUSIONS = 12


def table_of(result: LabelsEvaluation) -> Iterator[str]:
    """The lines of the table."""
    noun = "sequences" if result.what == "labels" else "tokens"
    named = {found for row in result.confusion.values() for found in row}
    there = {name: each for name, each in result.classes.items() if each.count or name in named}
    there = dict(sorted(there.items(), key=lambda each: -each[1].count))
    yield f"  {noun} {result.count:,}, loss {result.loss:.4f} nats"
    for section in (
        _models(result),
        _scores(f"spans ({result.scheme}, strict)", "spans", result.spans) if result.spans else (),
        _scores(result.what, noun, there),
        _confusions(result, list(there)),
    ):
        lines = list(section)
        yield from ("", *lines) if lines else ()


def _models(result: LabelsEvaluation) -> Iterator[str]:
    """The model and the baselines."""
    span_f1 = next(iter(result.spans.values())).f1 if result.spans else None
    rows = {"this model": Baseline(result.accuracy, result.macro_f1, span_f1)}
    rows |= dict(sorted(result.baselines.items(), key=_better, reverse=True))
    heads = (*(("span F1",) if result.spans else ()), "accuracy", "macro F1")
    first = max(map(len, rows))
    yield f"  {'':<{first}}" + "".join(f"{head:>11}" for head in heads)
    for name, each in rows.items():
        figures = (*(() if each.span_f1 is None else (each.span_f1,)), each.accuracy, each.macro_f1)
        more = f"  from {each.learnt_from:,} texts" if each.learnt_from else ""
        yield f"  {name:<{first}}" + "".join(f"{figure:>11.4f}" for figure in figures) + more


def _better(named: tuple[str, Baseline]) -> tuple[float, float]:
    """What baselines are in order of."""
    return named[1].span_f1 or 0.0, named[1].accuracy


def _scores(title: str, noun: str, rows: Mapping[str, Score]) -> Iterator[str]:
    """Precision, recall and F1 by name."""
    names = _names(list(rows)[:_MOST_NAMES])
    first = max(width(title), *map(width, names.values()), 0)
    yield f"  {left(title, first)}{'precision':>11}{'recall':>8}{'F1':>8}{noun:>11}"
    for name, shown in names.items():
        each = rows[name]
        yield f"  {left(shown, first)}{each.precision:>11.4f}{each.recall:>8.4f}{each.f1:>8.4f}{each.count:>11,}"
    if len(rows) > len(names):
        yield f"  and {len(rows) - len(names):,} more; --json has all"


def _confusions(result: LabelsEvaluation, labels: list[str]) -> Iterable[str]:
    """What was taken for what."""
    lines = list(_matrix(result, labels)) if len(labels) <= _MOST_CLASSES else []
    return lines if lines and max(map(width, lines)) <= _WIDEST else _commonest(result)


def _matrix(result: LabelsEvaluation, labels: list[str]) -> Iterator[str]:
    """How often each label was found for each."""
    names = _names(labels)
    heads = [cut(label, _HEAD) for label in labels]
    corner = "truth \\ found"
    first = max(len(corner), *map(width, names.values()))
    counts = {truth: [result.confusion.get(truth, {}).get(found, 0) for found in labels] for truth in labels}
    columns = [
        2 + max(width(head), *(len(f"{row[place]:,}") for row in counts.values())) for place, head in enumerate(heads)
    ]
    yield f"  {left(corner, first)}" + "".join(map(right, heads, columns))
    for truth, row in counts.items():
        yield f"  {left(names[truth], first)}" + "".join(map(right, (f"{count:,}" for count in row), columns))


def _commonest(result: LabelsEvaluation) -> Iterator[str]:
    """What was most often taken for something else."""
    wrong = [
        (count, truth, found)
        for truth, row in result.confusion.items()
        for found, count in row.items()
        if found != truth
    ]
    wrong.sort(key=lambda each: -each[0])
    shown = wrong[:_MOST_CONFUSIONS]
    if not shown:
        return
    names = _names(name for _, *pair in shown for name in pair)
    first = max(len("truth"), *(width(names[truth]) for _, truth, _ in shown))
    second = max(len("found"), *(width(names[found]) for *_, found in shown))
    yield f"  {left('truth', first)}  {left('found', second)}{'times':>11}  the commonest confusions"
    for count, truth, found in shown:
        share = count / max(1, result.classes[truth].count)
        yield f"  {left(names[truth], first)}  {left(names[found], second)}{count:>11,}  {share:.1%} of {names[truth]}"
    if len(wrong) > len(shown):
        yield f"  and {len(wrong) - len(shown):,} more kinds; --json has all"


def _names(labels: Iterable[str]) -> dict[str, str]:
    return {label: cut(label, _NAME) for label in labels}
