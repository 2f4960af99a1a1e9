"""Evaluation against the equations worked out scalar by scalar, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from network import reference
from trained import documents, make_corpus, trained

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.evaluation import language_model as evaluate_module
from gpurnn.evaluation.language_model import evaluate
from gpurnn.exceptions import DataError, GpurnnError, UsageError
from gpurnn.training.load import Trained


@pytest.fixture(scope="module")
def made(be: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Trained, Corpus]]:
    folder = tmp_path_factory.mktemp("evaluate")
    model = trained(be, folder, documents(24), layers=2)
    with Corpus.open(folder / "made.h5") as corpus:
        yield model, corpus


def tokens_and_starts(corpus: Corpus, name: str) -> tuple[list[int], set[int]]:
    split = corpus.split(name)
    tokens, starts = np.empty(len(split), split.dtype), np.empty(len(split.documents), np.uint64)
    split.read(0, tokens)
    split.documents.read(0, starts)
    return tokens.tolist(), set(starts.tolist())


def slow_nats(model: Trained, tokens: list[int], starts: set[int], lanes: int) -> list[float]:
    """The loss of each counted target: lane by lane, the last one to the end of the split."""
    be, config = model.model.be, model.config.model
    values = {name: be.to_host(array).tolist() for name, array in model.model.params.value.items()}
    length = (len(tokens) - 1) // lanes
    losses = []
    for lane in range(lanes):
        first, end = lane * length, len(tokens) - 1 if lane == lanes - 1 else (lane + 1) * length
        zero = [[{"h": [0.0] * config.hidden, "c": [0.0] * config.hidden}] for _ in range(config.layers)]
        carry = [[0.0 if p in starts else 1.0] for p in range(first, end)]
        logits, _ = reference.forward(config.cell, values, [[t] for t in tokens[first:end]], carry, zero)
        losses += [
            reference.nats(logits[p - first][0], tokens[p + 1]).real for p in range(first, end) if p + 1 not in starts
        ]
    return losses


@pytest.mark.parametrize("lanes", [1, 3, 8])
def test_every_target_is_counted_once_with_the_state_carried(made: tuple[Trained, Corpus], lanes: int):
    model, corpus = made
    tokens, starts = tokens_and_starts(corpus, "valid")
    assert len(starts) > 2 and (len(tokens) - 1) % 8 > 0 and (len(tokens) - 1) % 3 > 0
    expected = slow_nats(model, tokens, starts, lanes)
    found = evaluate(model.model, model.language, corpus, lanes=lanes)
    assert found.tokens == len(expected) == len(tokens) - len(starts | {0})
    assert found.nats_per_token == pytest.approx(math.fsum(expected) / len(expected), rel=1e-12)
    assert found.perplexity == pytest.approx(math.exp(found.nats_per_token), rel=1e-12)
    assert found.lanes == lanes


def test_the_length_of_windows_makes_no_difference(made: tuple[Trained, Corpus], monkeypatch: pytest.MonkeyPatch):
    model, corpus = made
    whole = evaluate(model.model, model.language, corpus, lanes=2)
    monkeypatch.setattr(evaluate_module, "_LOGITS", 7 * 2 * len(corpus.vocabulary))
    parts = evaluate(model.model, model.language, corpus, lanes=2)
    assert parts.tokens == whole.tokens
    assert parts.nats_per_token == pytest.approx(whole.nats_per_token, rel=1e-12)


def test_bits_count_the_characters_and_bytes_of_the_counted_targets(made: tuple[Trained, Corpus]):
    model, corpus = made
    tokens, starts = tokens_and_starts(corpus, "train")
    text = "".join(corpus.vocabulary.symbols[t] for p, t in enumerate(tokens) if p not in starts)
    assert len(text.encode()) > len(text)
    found = evaluate(model.model, model.language, corpus, "train", lanes=4)
    bits = found.nats_per_token * found.tokens / math.log(2)
    assert found.bits_per_char == pytest.approx(bits / len(text), rel=1e-12)
    assert found.bits_per_byte == pytest.approx(bits / len(text.encode()), rel=1e-12)


def test_bytes_know_their_characters_and_unknown_words_hide_theirs(be: Backend, tmp_path: Path):
    texts = documents(24)
    model = trained(be, tmp_path, texts, {"tokens": "bytes"})
    with Corpus.open(tmp_path / "made.h5") as corpus:
        found = evaluate(model.model, model.language, corpus)
        tokens, starts = tokens_and_starts(corpus, "valid")
    counted = b"".join(model.language.vocabulary.symbols[t] for p, t in enumerate(tokens) if p not in starts | {0})
    characters = sum(not 0x80 <= byte < 0xC0 for byte in counted)
    assert characters < len(counted) == found.tokens
    assert found.bits_per_byte == pytest.approx(found.nats_per_token / math.log(2), rel=1e-12)
    assert found.bits_per_char == pytest.approx(found.bits_per_byte * len(counted) / characters, rel=1e-12)

    (tmp_path / "w").mkdir()
    model = trained(be, tmp_path / "w", [*texts, "rare words at the end"], {"tokens": "words"})
    with Corpus.open(tmp_path / "w" / "made.h5") as corpus:
        hidden = evaluate(model.model, model.language, corpus)
        known = evaluate(model.model, model.language, corpus, "train")
        tokens, starts = tokens_and_starts(corpus, "train")
    assert (hidden.bits_per_char, hidden.bits_per_byte) == (None, None)
    assert hidden.nats_per_token > 0
    words = "".join(model.language.vocabulary.symbols[t] for p, t in enumerate(tokens) if p not in starts)
    assert known.bits_per_char == pytest.approx(known.nats_per_token * known.tokens / math.log(2) / len(words))


def test_progress_reaches_the_end(made: tuple[Trained, Corpus]):
    model, corpus = made
    seen: list[tuple[int, int]] = []
    evaluate(model.model, model.language, corpus, lanes=5, on_progress=lambda *at: seen.append(at))
    targets = corpus.splits["valid"] - 1
    assert seen == sorted(seen)
    assert seen[-1] == (targets, targets)


def test_what_cannot_be_evaluated(made: tuple[Trained, Corpus], tmp_path: Path):
    model, corpus = made
    with pytest.raises(DataError, match=r"split test is empty; it has these tokens: train [\d,]+, valid \d+"):
        evaluate(model.model, model.language, corpus, "test")
    with pytest.raises(DataError, match="lanes do not fit"):
        evaluate(model.model, model.language, corpus, lanes=10_000)
    with (
        Corpus.open(make_corpus(tmp_path / "other.h5", ["other text"] * 9)) as other,
        pytest.raises(DataError, match=r"other\.h5: its vocabulary \(7 chars\) is not the one .* `vocab_from`"),
    ):
        evaluate(model.model, model.language, other)
    single = make_corpus(tmp_path / "single.h5", ["abc"] + ["a", "b"] * 9, split=(0.1, 0.9, 0))
    with Corpus.open(single) as other, pytest.raises(DataError, match="no target to count"):
        evaluate(model.model, replace(model.language, vocabulary=other.vocabulary), other)


@pytest.mark.parametrize("lanes", [0, -1, 1.5, True, None, "2", 2**63, float("nan")])
def test_lanes_are_a_count(made: tuple[Trained, Corpus], lanes: Any):
    model, corpus = made
    with pytest.raises(UsageError, match="lanes: expected "):
        evaluate(model.model, model.language, corpus, lanes=lanes)
    one, other = (evaluate(model.model, model.language, corpus, lanes=two) for two in (2, np.int64(2)))
    assert one == other


def test_what_is_evaluated_is_named(made: tuple[Trained, Corpus]):
    model, corpus = made
    right = {"model": model.model, "language": model.language, "corpus": corpus}
    for name in right:
        for wrong in (None, "corpus.h5", model.language.vocabulary, model):
            with pytest.raises(UsageError, match=f"{name}: expected a {name.title()}, found {type(wrong).__name__}"):
                evaluate(**right | {name: wrong})  # type: ignore[arg-type]


def test_a_model_that_has_diverged_is_named(be: Backend, tmp_path: Path):
    model = trained(be, tmp_path, documents(12))
    model.model.params.value["output.c"].fill(math.nan)
    with Corpus.open(tmp_path / "made.h5") as corpus, pytest.raises(GpurnnError, match="is not finite"):
        evaluate(model.model, model.language, corpus)
