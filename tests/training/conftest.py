"""A small corpus with documents, and trainers on it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from signalled import default_signals_here

from gpurnn.data.corpus import Corpus
from gpurnn.data.prepare import prepare


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 6,000 characters in documents of different lengths, with valid and test splits."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = random.Random(7)
    words = ["window", "lane", "carry", "error", "gate", "hidden", "state", "token", "loss"]
    documents = [" ".join(rng.choices(words, k=rng.randint(20, 120))) for _ in range(14)]
    text = folder / "text.txt"
    text.write_text("%".join(documents))
    prepare([text], folder / "small.h5", split=(0.8, 0.1, 0.1), document_separator="%")
    return folder / "small.h5"


@pytest.fixture
def corpus(small_corpus: Path):
    with Corpus.open(small_corpus) as opened:
        yield opened


@pytest.fixture
def default_signals() -> Iterator[None]:
    """Signals do here what they do in a shell's foreground job."""
    with default_signals_here():
        yield
