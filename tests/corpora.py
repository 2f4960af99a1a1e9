"""Tiny corpora of every kind that is not text, written as a program would, with the values that they hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gpurnn.data.corpus.finishing import finish_corpus
from gpurnn.data.corpus.schema import Manifest
from gpurnn.data.corpus.sizes import SPLITS, SplitSize
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.corpus.writer import new_corpus
from gpurnn.data.frames.form import FrameForm
from gpurnn.data.series.columns import CLOCK, Columns
from gpurnn.data.text.tokens import TextPolicy, Vocabulary

NAN = float("nan")
HOUR = 3600


@dataclass
class Made:
    """A corpus to be written. splits: by name, the arrays by field; those that are not there are empty."""

    kind: str
    splits: Mapping[str, Mapping[str, Any]]
    tables: Tables
    policy: TextPolicy | None = None
    counts: Mapping[str, list[int]] = field(default_factory=dict)
    vectors: int = 0

    def size(self, name: str) -> SplitSize:
        """What a split measures."""
        found = self.splits.get(name, {})
        steps = len(found.get("tokens", found.get("reals", ())))
        strings = len(found["targets"]) if self.kind == "frames" and found else 0
        return SplitSize(steps, len(found.get("documents", ())), len(found.get("source", ())), strings)

    def write(self, path: Path) -> Manifest:
        """The corpus at a path."""
        empty = {name: SplitSize(0, 0) for name in SPLITS}
        sizes = empty | {name: self.size(name) for name in self.splits}
        with new_corpus(path, replace=True) as writer:
            for name, found in self.splits.items():
                for what, values in found.items():
                    flat = np.asarray(values).reshape(-1)
                    if len(flat):
                        writer.create(f"{what}/{name}", len(flat), flat.dtype)
                        writer.append(f"{what}/{name}", flat)
            return finish_corpus(
                writer,
                self.kind,
                sizes,
                self.tables,
                policy=self.policy,
                counts=self.counts,
                vectors=self.vectors,
            )


def columns(*names: str, clock: bool = False, **more: Any) -> Columns:
    """Columns whose means and scales are numbers that nothing else is."""
    names = (*names, *(CLOCK if clock else ()))
    measured = len(names) - (len(CLOCK) if clock else 0)
    mean, scale = np.zeros(len(names)), np.ones(len(names))
    mean[:measured], scale[:measured] = np.arange(measured) + 10.25, np.arange(measured) + 0.5
    season_error = np.full(len(names), NAN)
    season_error[0] = 3.125
    return Columns(names, mean, scale, season_error, clock=clock, **{"interval": HOUR, "season": 24} | more)


def rows(count: int, width: int, seed: int = 0) -> np.ndarray:
    """Numbers as they are measured, some of them missing."""
    generator = np.random.default_rng(seed)
    found = generator.normal(10, 3, (count, width)).astype("<f4")
    found[generator.random(found.shape) < 0.1] = NAN
    return found


def starts(*positions: int) -> np.ndarray:
    """Where documents begin."""
    return np.array(positions, "<u8")


def series(train: int = 40) -> Made:
    """Two stations, gaps between their stretches, and a split without rows."""
    begin = 1_357_000_000 // HOUR * HOUR
    return Made(
        "series",
        {
            "train": {
                "reals": rows(train, 6),
                "documents": starts(0, 12, train - 15),
                "keys": np.array([0, 0, 1], "u1"),
                "starts": np.array([begin, begin + 30 * HOUR, begin - 5 * HOUR], "<i8"),
            },
            "test": {
                "reals": rows(9, 6, seed=1),
                "documents": starts(0, 4),
                "keys": np.array([0, 1], "u1"),
                "starts": np.array([begin + 10_000 * HOUR] * 2, "<i8"),
            },
        },
        Tables(
            columns=columns("temp", "wind °", clock=True, time=("date", "hour"), key="place", fill=3, form={"x": [1]}),
            keys=("EWR", "Zürich"),
        ),
    )


def _tokens(*ids: int) -> np.ndarray:
    return np.array(ids, "u1")


_LETTERS = Vocabulary("chars", ["a", "b", "é"])
_WORDS = Vocabulary("words", ["to", "be", ""], 2)


def tags_of_symbols() -> Made:
    """A name or no name, of each letter."""
    return Made(
        "tags",
        {"train": {"tokens": _tokens(0, 1, 2, 0), "documents": starts(0, 3), "targets": _tokens(0, 1, 2, 0)}},
        Tables(vocabulary=_LETTERS, labels=("O", "B-PER", "I-PER")),
        TextPolicy(lower=True),
        {"vocabulary": [2, 1, 1], "labels": [2, 1, 1]},
    )


def tags_of_reals() -> Made:
    """What a machine does at each time, of machines with names."""
    return Made(
        "tags",
        {
            "train": {
                "reals": rows(5, 1),
                "documents": starts(0, 2),
                "targets": _tokens(0, 0, 1, 1, 0),
                "keys": _tokens(1, 0),
                "starts": np.array([100, 0], "<i8"),
            }
        },
        Tables(columns=columns("load"), keys=("one", "two"), labels=("runs", "stands")),
        counts={"labels": [3, 2]},
    )


def labels_of_symbols() -> Made:
    """What a post is like; 300 labels, which need two bytes each."""
    names = tuple(f"class {i}" for i in range(300))
    return Made(
        "labels",
        {
            "train": {"tokens": _tokens(0, 1, 2, 0), "documents": starts(0, 3), "targets": np.array([299, 0], "<u2")},
            "valid": {"tokens": _tokens(2), "documents": starts(0), "targets": np.array([7], "<u2")},
        },
        Tables(vocabulary=_WORDS, labels=names),
        TextPolicy(),
        {"vocabulary": [2, 1, 1], "labels": [1] + [0] * 298 + [1]},
    )


def labels_of_reals() -> Made:
    """What a movement was, without a time of its own."""
    return Made(
        "labels",
        {"test": {"reals": rows(7, 3), "documents": starts(0, 5), "targets": _tokens(1, 0)}},
        Tables(columns=columns("x", "y", "z", interval=1, season=1), labels=("walks", "sits")),
        counts={"labels": [0, 0]},
    )


def pairs() -> Made:
    """Words of letters on one side and of sounds on the other, each with a vocabulary of its own."""
    return Made(
        "pairs",
        {
            "train": {
                "tokens": _tokens(0, 1, 1, 2),
                "documents": starts(0, 1),
                "source": _tokens(2, 1, 0, 0, 2),
                "source_documents": starts(0, 4),
            }
        },
        Tables(vocabulary=_WORDS, source=_LETTERS),
        TextPolicy(normalise="NFC"),
        {"vocabulary": [1, 2, 1], "source_vocabulary": [2, 1, 2]},
    )


def captions() -> Made:
    """A vector and a text of each picture."""
    vectors = np.random.default_rng(5).normal(size=(2, 4)).astype("<f4")
    return Made(
        "captions",
        {"train": {"tokens": _tokens(0, 1, 2, 0), "documents": starts(0, 3), "vectors": vectors}},
        Tables(vocabulary=_LETTERS),
        TextPolicy(),
        {"vocabulary": [2, 1, 1]},
        vectors=4,
    )


def frames() -> Made:
    """Strings of labels, one with a label repeated, of sequences of rows, which come from files with names."""
    return Made(
        "frames",
        {
            "train": {
                "reals": rows(9, 2),
                "documents": starts(0, 4, 6),
                "targets": _tokens(0, 2, 1, 1, 1),
                "targets_offsets": np.array([0, 2, 3, 5], "<u8"),
                "keys": _tokens(2, 0, 1),
            },
            "valid": {
                "reals": rows(2, 2),
                "documents": starts(0),
                "targets": _tokens(2),
                "targets_offsets": np.array([0, 1], "<u8"),
                "keys": _tokens(3),
            },
        },
        Tables(
            columns=columns("low", "high", interval=1, season=1, form=FrameForm("arrays", 2).to_json()),
            keys=("b.npy", "c.npy", "a.npy", "é.npy"),
            strings=Vocabulary("chars", ["s", "t", "u"]),
        ),
        TextPolicy(lower=True),
        counts={"labels": [1, 3, 1]},
    )


EVERY = {
    "series": series,
    "tags of symbols": tags_of_symbols,
    "tags of reals": tags_of_reals,
    "labels of symbols": labels_of_symbols,
    "labels of reals": labels_of_reals,
    "pairs": pairs,
    "captions": captions,
    "frames": frames,
}
"""How to make each."""
