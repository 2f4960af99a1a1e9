"""Corpora of many forms: one class in a split, empty splits, 2 to 300 labels, every scheme, every kind of step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled_corpora import Sentence, model_of, write

from gpurnn import backend
from gpurnn.cli.labels_table import table_of
from gpurnn.data.corpus import Corpus
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.evaluation.labels import evaluate_labels
from gpurnn.exceptions import DataError

SYMBOLS = 9


def labels_of(rng: np.random.Generator, scheme: str, spaced: bool) -> tuple[str, ...]:
    count = int(rng.choice([2, 3, 7, 60, 300]))
    if not scheme:
        labels = [f"\x1b[{n}m" if n == 1 else f"label {n}" for n in range(count)]
    else:
        marks = "BIES" if scheme == "IOBES" else "BI"
        labels = ["O", *(f"{mark}-{n}" for n in range(-(-count // len(marks))) for mark in marks)]
    return (*labels, *([" "] if spaced else []))


def sentences(rng: np.random.Generator, count: int, kind: str, steps: str, labels: int) -> list[Sentence]:
    found = []
    one = rng.random() < 0.3
    longest = int(rng.choice([1, 2, 20]))
    for _ in range(count):
        n = int(rng.integers(1, longest + 1))
        values: Any = rng.normal(size=(n, 2)) if steps == "rows" else rng.integers(0, SYMBOLS, n)
        if kind == "labels":
            found.append((values, 0 if one else int(rng.integers(0, labels))))
        else:
            found.append((values, np.zeros(n, int) if one else rng.integers(0, labels, n)))
    return found


@pytest.mark.parametrize("seed", range(24))
def test_every_form_of_corpus_is_evaluated_or_refused(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    kind, steps = str(rng.choice(["labels", "tags"])), ("chars", "words", "bytes", "rows")[seed % 4]
    scheme = str(rng.choice(["", "IOB1", "IOB2", "IOBES"])) if kind == "tags" else ""
    labels = labels_of(rng, scheme, kind == "tags" and steps == "chars" and seed % 8 == 0)
    counts = {
        "train": int(rng.choice([1, 3, 50])),
        "valid": int(rng.choice([0, 1, 9])),
        "test": int(rng.choice([0, 1, 40])),
    }
    splits = {name: sentences(rng, count, kind, steps, len(labels)) for name, count in counts.items()}
    symbols: list[Any] = [bytes([97 + n]) if steps == "bytes" else chr(97 + n) for n in range(SYMBOLS)]
    vocabulary = None if steps == "rows" else Vocabulary(steps, symbols)  # type: ignore[arg-type]
    with Corpus.open(write(tmp_path / "made.h5", kind, splits, labels, vocabulary)) as corpus:
        labelling = Labelling(**{**vars(Labelling.of(corpus)), "scheme": scheme or None})
        model, _, config = model_of(backend.get("cpu"), labelling)
        for split, given in splits.items():
            if not given:
                with pytest.raises(DataError, match=f"split {split} is empty"):
                    evaluate_labels(model, labelling, config, corpus, split)
                continue
            with np.errstate(all="raise", under="ignore"):
                found = evaluate_labels(model, labelling, config, corpus, split)
            assert found.count == sum(sum(row.values()) for row in found.confusion.values())
            assert found.count == sum(each.count for each in found.classes.values())
            if not labelling.spelt:
                assert found.count == (len(given) if kind == "labels" else sum(len(tags) for _, tags in given))
            assert all(0 <= each.accuracy <= 1 and 0 <= each.macro_f1 <= 1 for each in found.baselines.values())
            json.dumps(found.to_json(), allow_nan=False)
            assert all(line.isprintable() for line in table_of(found))
