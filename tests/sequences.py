"""Small corpora of sequences with labels or tags, with the values that they hold."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from tests.corpora import Made, columns, rows

LABELS = ("zero", "one", "two", "three", "four")
SYMBOLS, WIDTH = 7, 3


@dataclass
class Told:
    """What the sequences of a corpus hold, each as an array."""

    corpus: Corpus
    inputs: list[np.ndarray]
    targets: list[Any]
    at_end: bool


def told(path: Path, kind: str, of: str, lengths: list[int], seed: int = 0, *, valid: bool = False) -> Told:
    """A corpus of these sequences. kind: "tags" or "labels". of: "symbols" or "reals". valid: split valid, too."""
    rng = np.random.default_rng(seed)
    begins = np.append(0, np.cumsum(lengths))
    count = int(begins[-1])
    targets = rng.integers(0, len(LABELS), len(lengths) if kind == "labels" else count).astype("u1")
    split: dict[str, Any] = {"documents": begins[:-1].astype("<u8"), "targets": targets}
    tables: dict[str, Any] = {"labels": LABELS}
    more: dict[str, Any] = {"counts": {"labels": np.bincount(targets, minlength=len(LABELS)).tolist()}}
    if of == "symbols":
        split["tokens"] = inputs = rng.integers(0, SYMBOLS, count).astype("u1")
        tables["vocabulary"] = Vocabulary("chars", list("abcdefg"))
        more["policy"] = TextPolicy()
        more["counts"]["vocabulary"] = np.bincount(inputs, minlength=SYMBOLS).tolist()
    else:
        split["reals"] = raw = rows(count, WIDTH, seed)
        tables["columns"] = scale = columns("x", "y", "z", interval=1, season=1)
        inputs = np.where(np.isnan(raw), 0, (raw - scale.mean) / scale.scale).astype(np.float32)
    Made(kind, {"train": split} | ({"valid": split} if valid else {}), Tables(**tables), **more).write(path)
    parts = [slice(a, b) for a, b in pairwise(begins)]
    each = targets.tolist() if kind == "labels" else [targets[part] for part in parts]
    return Told(Corpus.open(path), [inputs[part] for part in parts], each, kind == "labels")


def some_lengths(count: int, longest: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(1, longest, count, endpoint=True).tolist()
