"""Small corpora of labels and tags as a test tells them, and models of them that were never trained."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from gpurnn.backend import Backend
from gpurnn.data.corpus.sizes import index_type
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.text.tokens import TextPolicy
from gpurnn.network import Model, ModelConfig
from gpurnn.training.config import TrainConfig

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.corpora import Made, columns

BIO = ("B-X", "B-Y", "I-X", "I-Y", "O")
SPELT = (*BIO, " ")
Sentence = tuple[np.ndarray, Any]


def write(path: Path, kind: str, splits: dict[str, list[Sentence]], labels: tuple[str, ...], symbols: Any) -> Path:
    """symbols: the vocabulary; None where steps are rows of two numbers."""
    arrays: dict[str, Any] = {}
    for name, sentences in splits.items():
        if sentences:
            values = np.concatenate([values for values, _ in sentences])
            steps = {"reals": values.astype("<f4")} if symbols is None else {"tokens": values.astype("u1")}
            begins = np.cumsum([0, *(len(values) for values, _ in sentences)])[:-1].astype("<u8")
            targets = np.concatenate([np.atleast_1d(targets) for _, targets in sentences])
            arrays[name] = steps | {"documents": begins, "targets": targets.astype(index_type(len(labels)))}
    counts = {"labels": np.bincount(arrays["train"]["targets"], minlength=len(labels)).tolist()}
    if symbols is None:
        Made(kind, arrays, Tables(columns=columns("a", "b", interval=1, season=1), labels=labels), counts=counts).write(
            path
        )
        return path
    counts["vocabulary"] = np.bincount(arrays["train"]["tokens"], minlength=len(symbols)).tolist()
    Made(kind, arrays, Tables(vocabulary=symbols, labels=labels), TextPolicy(), counts).write(path)
    return path


def model_of(be: Backend, labelling: Labelling, seed: int = 3) -> tuple[Model, Labelling, TrainConfig]:
    symbols = labelling.vocabulary is not None
    config = ModelConfig(
        labelling.inputs if symbols else 0,
        "gru",
        5,
        inputs=0 if symbols else labelling.inputs,
        outputs=len(labelling.labels),
        input="" if symbols else "real",
        stack=("both_directions", "dropout"),
        pool="last" if labelling.what == "labels" else "",
        dtype="float64",
    )
    model = Model(be, config)
    model.params.initialise(be, seed)
    return model, labelling, TrainConfig(model=config, layout="whole", bptt=64)


def tagged(rng: np.random.Generator, count: int, symbols: int, spelt: bool = False) -> list[Sentence]:
    """Sentences whose tags hang together with their words, and now and then do not."""
    found = []
    for _ in range(count):
        if not spelt:
            values = rng.integers(0, symbols, rng.integers(1, 12))
            tags = np.where(rng.random(len(values)) < 0.8, values % 5, rng.integers(0, 5, len(values)))
            found.append((values, tags))
            continue
        words = [rng.integers(1, symbols, rng.integers(1, 4)) for _ in range(rng.integers(1, 6))]
        tags = [int(word[0]) % 5 if rng.random() < 0.8 else int(rng.integers(0, 5)) for word in words]
        values = np.concatenate([np.append(word, 0) for word in words])[:-1]
        numbers = np.concatenate([[tag] * len(word) + [5] for word, tag in zip(words, tags, strict=True)])[:-1]
        found.append((values, numbers))
    return found
