"""Real training on labels and tags, small, in both layouts: the subject of kills."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from corpora import Made, columns

from faults.training import Subject
from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.network import ModelConfig
from gpurnn.training.config import TrainConfig
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig

LABELS = ("O", "B-X", "I-X")
_BOTH = ("both_directions", "dropout")


def write_corpus(kind: str, rows: bool, folder: Path) -> Path:
    """Sequences with a label each, or a tag a step; of symbols or of rows."""
    rng = np.random.default_rng(3)
    splits: dict[str, Any] = {}
    for name, count in {"train": 40, "valid": 9}.items():
        lengths = rng.integers(1, 13, count)
        begins = np.append(0, np.cumsum(lengths))
        marks = rng.integers(0, 3, begins[-1])
        targets = marks[begins[:-1]] if kind == "labels" else np.maximum.accumulate(marks) * (marks > 0)
        own = {"reals": rng.normal(marks[:, None] + 10, 0.5, (len(marks), 2)).astype("<f4")}
        splits[name] = (own if rows else {"tokens": marks.astype("u1")}) | {
            "documents": begins[:-1].astype("<u8"),
            "targets": targets.astype("u1"),
        }
    counts = {"labels": np.bincount(splits["train"]["targets"], minlength=3).tolist()}
    tables = {"columns": columns("a", "b", interval=1, season=1)} if rows else {}
    policy = None
    if not rows:
        counts["vocabulary"] = np.bincount(splits["train"]["tokens"], minlength=3).tolist()
        tables, policy = {"vocabulary": Vocabulary("words", ["x", "y", "z"])}, TextPolicy()
    Made(kind, splits, Tables(**tables, labels=LABELS), policy, counts).write(folder / "corpus.h5")
    return folder / "corpus.h5"


def settings(corpus: Corpus, *, model: dict[str, Any], **changes: Any) -> TrainConfig:
    """Dropout, a schedule in steps, lines and validations that do not fall together."""
    rows = corpus.manifest.columns is not None
    steps = {"inputs": 2, "input": "real"} if rows else {"embedding": 3}
    config = TrainConfig(
        ModelConfig(0 if rows else 3, cell="gru", hidden=6, dropout=0.2, outputs=3, **steps, **model),
        OptimizerConfig("adam", clip=1.0, average=0.2),
        ScheduleConfig("step", lr=0.01, decay_every=37, decay_factor=0.9),
        lanes=3,
        bptt=16,
        restart=0.0,
        log_every=10,
        validate_every=35,
        divergence_nats=0.0,
    )
    return replace(config, **changes)


def _subject(kind: str, rows: bool, **changes: Any) -> Subject:
    make: Callable[[Path], Path] = partial(write_corpus, kind, rows)
    return Subject(make, partial(settings, **changes))


_WHOLE: dict[str, Any] = {"layout": "whole"}
LABELS_BOTH = _subject("labels", False, model={"stack": _BOTH, "pool": "mean", "layers": 2}, **_WHOLE).going()
LABELS_CUT = _subject("labels", True, model={"pool": "max"}, cut=True, bptt=7, **_WHOLE).going()
LABELS_THROUGH = _subject("labels", True, model={"pool": "last"}, layout="through", bptt=5, restart=0.2).going()
TAGS_BOTH = _subject("tags", False, model={"stack": _BOTH}, class_weights=("balanced",), **_WHOLE).going()
TAGS_CONTEXT = _subject("tags", True, model={"stack": _BOTH}, cut=True, context=2, bptt=9, **_WHOLE).going()
TAGS_THROUGH = _subject("tags", False, model={}, layout="through", bptt=5).going()
