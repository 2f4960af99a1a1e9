"""What is measured: a corpus of the kind that a model was trained on, and a split of it."""

from __future__ import annotations

from gpurnn.data.corpus import Corpus, Split
from gpurnn.exceptions import DataError


def part_of(corpus: Corpus, split: str, what: str) -> Split:
    """A split that is not empty. what: it has, for the message. Raises DataError."""
    part = corpus.split(split)
    if not corpus.splits[split]:
        others = ", ".join(f"{name} {steps:,}" for name, steps in corpus.splits.items() if steps)
        raise DataError(f"{corpus.path}: split {split} is empty; it has these {what}: {others}")
    return part


def expect_corpus_of(kind: str, corpus: Corpus) -> None:
    """Raises DataError for a corpus of another kind than a model was trained on."""
    if corpus.kind != kind:
        held = corpus.manifest.shape.called
        raise DataError(f"{corpus.path}: it holds {held}, the model was trained on {kind}; name a corpus of {kind}")
