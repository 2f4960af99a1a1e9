"""Frames and what they say: lines of writing, speech; how much of it is read right, and how fast it is learnt."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gpurnn
from gpurnn.evaluation.transcripts import TranscriptEvaluation
from gpurnn.training.edits import TextErrors
from tasks_lib.loss_share import loss_share

_BEAM = 8
_LANGUAGE: Mapping[str, Any] = {"minutes": 0.25, "hidden": 64}
"""How the model of the texts that follow rules is trained."""
Scores = Mapping[str, float]
"""cer, wer and exact, as far as they are known."""


@dataclass(frozen=True)
class FramesTask:
    """One data set. package, licence: see `LabelledTask`; members, fetch: see `PairedTask`.

    write: makes lists of files out of those, in a folder: those of the splits by corpus, of which the one that is
    learnt from has the name "". prepare: options of `gpurnn.prepare`. trainings: by name those of `gpurnn.train`; of
    the first there are as many as seeds are asked for. minutes: of each. baselines: by name what is scored on the test
    split out of the files. grammar: the corpus whose texts follow rules, as those of the corpus "text" do, from which
    they are learnt.
    """

    title: str
    package: str
    licence: str
    write: Callable[[Sequence[Path], Path], Mapping[str, Mapping[str, Path]]]
    prepare: Mapping[str, Any]
    members: Sequence[str] = ()
    fetch: Callable[[], Sequence[Path]] | None = None
    trainings: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: {"both directions": {"both_directions": True}, "one direction": {}}
    )
    minutes: float = 0.5
    baselines: Mapping[str, Callable[[Sequence[Path]], Scores]] = field(default_factory=dict)
    grammar: str = ""


@dataclass
class Reading:
    """What came out of a training. scores: of the test split. seconds: that it took, in so many windows.

    share: of the time of a window, the part that the loss and its error take.
    """

    scores: Scores
    windows: int
    seconds: float
    ended: str
    share: float


@dataclass
class FramesFound:
    """What came out. sequences: how many were judged. made: by training, one a seed.

    grammar: by how it was read, of the first training of the first seed; sentences: how many those are.
    """

    sequences: int = 0
    made: dict[str, list[Reading]] = field(default_factory=dict)
    baselines: dict[str, Scores] = field(default_factory=dict)
    sentences: int = 0
    grammar: dict[str, Scores] = field(default_factory=dict)


def measure_framed(
    task: FramesTask, sources: Sequence[Path], folder: Path, minutes: float | None, seeds: int
) -> FramesFound:
    """Prepare, train and evaluate; files, corpora and runs go into `folder`. minutes: None for those of the task."""
    found, spent = FramesFound(), task.minutes if minutes is None else minutes
    files = task.write(sources, folder)
    corpus = folder / "corpus.h5"
    others: dict[str, Any] = {split: files[""][split] for split in ("valid", "test")}
    gpurnn.prepare(files[""]["train"], corpus, frames=True, force=True, **others, **task.prepare)
    for number, (name, options) in enumerate(task.trainings.items()):
        for seed in range(1, 1 + (1 if number else seeds)):
            given = {"minutes": spent, "seed": seed, **options}
            found.made.setdefault(name, []).append(_train(corpus, folder / f"run{number}-{seed}", given, found))
    found.baselines = {name: score(sources) for name, score in task.baselines.items()}
    if task.grammar:
        gpurnn.prepare(files["text"]["train"], folder / "text.h5", force=True)
        gpurnn.train(folder / "text.h5", folder / "language", **_LANGUAGE)
        _read_grammar(files[task.grammar]["test"], folder, found)
    return found


def _train(corpus: Path, run: Path, options: Mapping[str, Any], found: FramesFound) -> Reading:
    began = time.monotonic()
    ended = gpurnn.train(corpus, run, **options)
    seconds = time.monotonic() - began
    result = gpurnn.evaluate(run, corpus, split="test")
    assert isinstance(result, TranscriptEvaluation)
    found.sequences = result.sequences
    return Reading(_scores(result), ended.windows, seconds, ended.reason, loss_share(run, corpus))


def _scores(result: TranscriptEvaluation) -> Scores:
    return {"cer": result.cer, "wer": result.wer, "exact": result.exact}


def _read_grammar(listed: Path, folder: Path, found: FramesFound) -> None:
    """Files whose texts follow rules, read without a language model, and with one that has learnt from other texts."""
    rows = [json.loads(line) for line in listed.read_text(encoding="utf-8").splitlines()]
    model = gpurnn.load(folder / "run0-1")
    ways: dict[str, dict[str, Any]] = {
        "the likeliest label of each frame": {},
        f"a beam of {_BEAM}": {"beam": _BEAM},
        f"a beam of {_BEAM} with a language model": {"beam": _BEAM, "lm": folder / "language", "lm_weight": 1.0},
    }
    for name, options in ways.items():
        errors, texts = TextErrors(), model.transcribe([listed.parent / row["frames"] for row in rows], **options)
        for row, text in zip(rows, texts, strict=True):
            errors.add(text, row["text"])
        exact = errors.right / errors.texts
        found.grammar[name] = {"cer": errors.symbols.rate, "wer": errors.words.rate, "exact": exact}
    found.sentences = len(rows)
