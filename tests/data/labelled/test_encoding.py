"""Texts and sentences become the symbols that they have in a corpus made of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpurnn
from gpurnn.data.corpus import Corpus
from gpurnn.data.labelled.encoding import Encoder
from gpurnn.data.stream.sequences import sequences_of
from gpurnn.data.text.tokens import TextPolicy, Vocabulary

POLICIES: list[dict[str, Any]] = [{}, {"lower": True, "normalise": "NFKC"}, {"newline": "keep"}]
WORDS = ["Ähre", "fi\u0301n", "ﬁne", "it's", "３", "ok", "NO", "e\u0301", "…", "née", "don't", "x"]


def drawn(seed: int, count: int, between: str, words: list[str]) -> list[str]:
    rng = random.Random(seed)
    return [between.join(rng.choices(words, k=rng.randint(1, 7))) for _ in range(count)]


@pytest.mark.parametrize(
    ("tokens", "policy"), [*((tokens, policy) for tokens in ("chars", "words") for policy in POLICIES), ("bytes", {})]
)
def test_texts(tmp_path: Path, tokens: str, policy: dict[str, Any]) -> None:
    valid = drawn(2, 50, " ", [*WORDS, "ŷ", "new\u2028", "été"])
    for name, texts in (("train", drawn(1, 50, "  ", WORDS)), ("valid", valid)):
        lines = [f"l{n % 2}\t{text}\n" for n, text in enumerate(texts)]
        (tmp_path / f"{name}.tsv").write_text("label\ttext\n" + "".join(lines), encoding="utf-8")
    gpurnn.prepare(
        tmp_path / "train.tsv", tmp_path / "a.h5", labels=True, valid=tmp_path / "valid.tsv", tokens=tokens, **policy
    )
    with Corpus.open(tmp_path / "a.h5") as corpus:
        encoder = Encoder(corpus.vocabulary, corpus.policy)
        expected = [values for values, _ in sequences_of(corpus.split("valid"))]
        assert corpus.vocabulary.unknown is not None and encoder.stand_in == ""
    same(encoder.texts(valid), expected)
    assert encoder.lacking == sum(int((each == corpus.vocabulary.unknown).sum()) for each in expected) > 0


@pytest.mark.parametrize("policy", POLICIES[:2])
@pytest.mark.parametrize("tokens", ["chars", "words"])
def test_sentences(tmp_path: Path, tokens: str, policy: dict[str, Any]) -> None:
    valid = [text.split() for text in drawn(2, 50, " ", [*WORDS, "ŷ", "été"])]
    for name, sentences in (("train", [text.split() for text in drawn(1, 50, " ", WORDS)]), ("valid", valid)):
        lines = ["".join(f"{word} {'AB'[len(word) % 2]}\n" for word in words) for words in sentences]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    gpurnn.prepare(
        tmp_path / "train.txt", tmp_path / "a.h5", tags=True, valid=tmp_path / "valid.txt", tokens=tokens, **policy
    )
    with Corpus.open(tmp_path / "a.h5") as corpus:
        encoder = Encoder(corpus.vocabulary, corpus.policy)
        expected = [values for values, _ in sequences_of(corpus.split("valid"))]
    same(encoder.sentences(valid), expected)
    assert encoder.lacking == sum(int((each == corpus.vocabulary.unknown).sum()) for each in expected) > 0


def same(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert len(found) == len(expected)
    for one, two in zip(found, expected, strict=True):
        assert one.dtype == np.int32
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("vocabulary", "text", "ids", "stand_in", "first"),
    [
        (Vocabulary("chars", list(" ab")), "aüb!", [1, 0, 2, 0], "a space", "'ü'"),
        (Vocabulary("chars", list("abz")), "aüb", [0, 2, 1], "'z'", "'ü'"),
        (Vocabulary("chars", ["a", "", "b"], 1), "aüb", [0, 1, 2], "", "'ü'"),
        (Vocabulary("words", ["so", "good", "!"]), "good, so", [1, 2, 0], "'!', the rarest word", "','"),
        (Vocabulary("bytes", [b"a", b" ", b"b"]), "aü", [0, 1, 1], "a space", "b'\\xc3'"),
    ],
)
def test_what_stands_in_for_a_symbol_that_is_not_there(
    vocabulary: Vocabulary, text: str, ids: list[int], stand_in: str, first: str
) -> None:
    encoder = Encoder(vocabulary, TextPolicy())
    assert [each.tolist() for each in encoder.texts(["", text])] == [[], ids]
    assert (encoder.stand_in, encoder.first) == (stand_in, first)
    assert encoder.lacking == len(ids) - sum(symbol in vocabulary.symbols for symbol in parts(vocabulary, text))


def parts(vocabulary: Vocabulary, text: str) -> list[Any]:
    if vocabulary.kind == "bytes":
        return [bytes([each]) for each in text.encode()]
    return list(text) if vocabulary.kind == "chars" else ["good", ",", "so"]
