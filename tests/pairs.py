"""Small corpora of pairs and of captions, with the values that they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from tests.corpora import Made

SOUNDS, LETTERS, NUMBERS = "stuvw", "abcdefg", 3
END = len(SOUNDS)


@dataclass
class Paired:
    """What the pairs of a corpus hold. sources: symbols of each, or its vector. targets: without their end."""

    corpus: Corpus
    sources: list[np.ndarray]
    targets: list[np.ndarray]


def paired(path: Path, lengths: Sequence[tuple[int, int]], seed: int = 0, *, split: str = "train") -> Paired:
    """A corpus of pairs with so many symbols on both sides, source and target."""
    draw = np.random.default_rng(seed)
    sources = [draw.integers(0, len(LETTERS), n).astype("u1") for n, _ in lengths]
    targets = [draw.integers(0, len(SOUNDS), n).astype("u1") for _, n in lengths]
    found = _side("source", "source_documents", sources) | _side("tokens", "documents", targets)
    tables = Tables(vocabulary=Vocabulary("chars", list(SOUNDS)), source=Vocabulary("chars", list(LETTERS)))
    counts = {"vocabulary": [1] * len(SOUNDS), "source_vocabulary": [1] * len(LETTERS)}
    Made("pairs", {split: found}, tables, TextPolicy(), counts).write(path)
    return Paired(Corpus.open(path), sources, targets)


def captioned(path: Path, lengths: Sequence[int], seed: int = 0) -> Paired:
    """A corpus of vectors with texts of so many symbols."""
    draw = np.random.default_rng(seed)
    vectors = draw.normal(size=(len(lengths), NUMBERS)).astype("<f4")
    targets = [draw.integers(0, len(SOUNDS), n).astype("u1") for n in lengths]
    found = {"vectors": vectors} | _side("tokens", "documents", targets)
    tables = Tables(vocabulary=Vocabulary("chars", list(SOUNDS)))
    made = Made("captions", {"train": found}, tables, TextPolicy(), {"vocabulary": [1] * len(SOUNDS)}, vectors=NUMBERS)
    made.write(path)
    return Paired(Corpus.open(path), list(vectors), targets)


def _side(name: str, documents: str, found: list[np.ndarray]) -> dict[str, np.ndarray]:
    ends = np.cumsum([len(each) for each in found])
    return {name: np.concatenate(found), documents: np.append(0, ends[:-1]).astype("<u8")}


def some_pairs(count: int, longest: tuple[int, int], seed: int = 0) -> list[tuple[int, int]]:
    """Lengths of both sides, from 1 to these."""
    draw = np.random.default_rng(seed)
    return [(int(draw.integers(1, longest[0] + 1)), int(draw.integers(1, longest[1] + 1))) for _ in range(count)]
