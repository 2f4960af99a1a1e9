"""Small corpora and runs for the tests of what uses a trained model."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.prepare import prepare
from gpurnn.network import ModelConfig
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.load import Trained, load_trained
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.session import new_run


def documents(count: int, seed: int = 1) -> list[str]:
    """Documents of different lengths with an umlaut among their characters."""
    rng = random.Random(seed)
    words = ["tide", "stone", "für", "a", "note", "does", "it"]
    return [" ".join(rng.choices(words, k=rng.randint(1, 25))) + ".\n" for _ in range(count)]


def make_corpus(path: Path, texts: Sequence[str], **options: Any) -> Path:
    """A corpus of these documents; options are those of `prepare`."""
    text = path.with_suffix(".txt")
    text.write_text("\x00".join(texts), encoding="utf-8", newline="")
    options.setdefault("split", (0.8, 0.2, 0))
    prepare([text], path, document_separator="\x00", **options)
    return path


def make_run(be: Backend, corpus: Path, path: Path, windows: int = 12, **model: Any) -> Path:
    """A run of a few windows with a best and two last checkpoints; options are those of the model."""
    with Corpus.open(corpus) as opened:
        config = TrainConfig(
            ModelConfig(len(opened.vocabulary), **{"hidden": 6, "dropout": 0.0, "dtype": "float64", **model}),
            OptimizerConfig("adam", average=0.0),
            ScheduleConfig("constant", lr=0.03),
            lanes=4,
            bptt=16,
            log_every=5,
            validate_every=5,
        )
        new_run(be, opened, config, path, refuse).run(Limits(windows=windows))
    return path


def trained(
    be: Backend, folder: Path, texts: Sequence[str], prepared: dict[str, Any] | None = None, **model: Any
) -> Trained:
    """The model of a new run on a new corpus, made.h5 in `folder`."""
    corpus = make_corpus(folder / "made.h5", texts, **(prepared or {}))
    return load_trained(make_run(be, corpus, folder / "run", **model), be, checkpoint="last", on_warning=refuse)


def refuse(text: str) -> None:
    """A warning that should not have come."""
    raise AssertionError(f"unexpected warning: {text}")
