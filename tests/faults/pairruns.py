"""Real training on pairs and on vectors with texts, small: the subject of kills."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from faults.training import Subject
from gpurnn.data.corpus import Corpus
from gpurnn.data.pairs.options import pair_options
from gpurnn.data.prepare_pairs import prepare_pairs
from gpurnn.network import ModelConfig
from gpurnn.training.config import TrainConfig
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig

VECTORS = 3


def write_corpus(kind: str, folder: Path) -> Path:
    """Words read backwards, or what the largest of three numbers is called."""
    draw = np.random.default_rng(3)
    words = ["".join(draw.choice(list("abc"), draw.integers(1, 9))) for _ in range(60)]
    vectors = draw.normal(size=(len(words), VECTORS)).astype("<f4")
    lines = [f"{word}\t{word[::-1]}" for word in words] if kind == "pairs" else [words[i] for i in vectors.argmax(1)]
    (folder / "texts.tsv").write_text("".join(f"{line}\n" for line in lines))
    options = pair_options("pairs" if kind == "pairs" else "captions", split=(0.8, 0.2, 0), seed=1)
    if kind == "pairs":
        prepare_pairs([folder / "texts.tsv"], folder / "corpus.h5", options, force=True)
    else:
        np.save(folder / "vectors.npy", vectors)
        prepare_pairs([folder / "texts.tsv"], folder / "corpus.h5", options, vectors=folder / "vectors.npy", force=True)
    return folder / "corpus.h5"


def settings(corpus: Corpus, *, model: dict[str, Any], **changes: Any) -> TrainConfig:
    """Dropout, a schedule in steps, lines and validations that do not fall together."""
    pairs = corpus.kind == "pairs"
    own: dict[str, Any] = (
        {"start": "encoder", "source": len(corpus.source_vocabulary), "source_embedding": 3}
        if pairs
        else {"start": "vector", "vectors": VECTORS}
    )
    config = TrainConfig(
        ModelConfig(len(corpus.vocabulary) + 1, hidden=6, dropout=0.2, embedding=3, **own, **model),
        OptimizerConfig("adam", clip=1.0, average=0.2),
        ScheduleConfig("step", lr=0.01, decay_every=37, decay_factor=0.9),
        lanes=3,
        bptt=16,
        target_bptt=16 if pairs else 0,
        layout="whole",
        restart=0.0,
        log_every=10,
        validate_every=35,
        divergence_nats=0.0,
    )
    return replace(config, **changes)


def _subject(kind: str, **changes: Any) -> Subject:
    return Subject(partial(write_corpus, kind), partial(settings, **changes))


PAIRS_BOTH = _subject("pairs", model={"cell": "lstm", "encoder": ("both_directions", "dropout")}).going()
PAIRS_ATTENTION = _subject(
    "pairs",
    model={"cell": "gru", "layers": 2, "encoder": ("recurrent", "dropout"), "attention": "additive"},
    scheduled_sampling=0.3,
).going()
CAPTIONS = _subject("captions", model={"cell": "gru"}).going()
CAPTIONS_THROUGH = _subject("captions", model={"cell": "lstm"}, layout="through", bptt=3).going()
