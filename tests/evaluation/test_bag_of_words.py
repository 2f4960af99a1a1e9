"""The bag of words: which words and pairs texts have, a step of its regression, what it finds, how much it takes."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from gpurnn.data.text.tokens import Vocabulary
from gpurnn.evaluation import bag_of_words
from gpurnn.evaluation.bag_of_words import BagOfWords
from gpurnn.evaluation.ngrams import Bags, NGrams

TEXTS = ("The cat, the CAT sat", "a cat sat.", "", "天気は良い", "良い天", "x" * 9, "The cat, the cat sat")
WORDS = (
    ("the", "cat", ",", "the", "cat", "sat"),
    ("a", "cat", "sat", "."),
    (),
    ("天", "気", "は", "良", "い"),
    ("良", "い", "天"),
    ("x" * 9,),
    ("the", "cat", ",", "the", "cat", "sat"),
)
CHARS = Vocabulary("chars", sorted(set("".join(TEXTS))))


def encoded(text: str, vocabulary: Vocabulary = CHARS) -> np.ndarray:
    return np.array([vocabulary.id_of(c) for c in text], np.int32)


def grams(bags: Bags) -> list[set[int]]:
    found = [bags.grams[a:b].tolist() for a, b in pairwise(bags.starts.tolist())]
    assert all(len(set(each)) == len(each) for each in found)
    return [set(each) for each in found]


@pytest.mark.parametrize("kind", ["chars", "bytes", "words"])
def test_texts_have_their_words_and_pairs(kind: str) -> None:
    if kind == "words":
        vocabulary = Vocabulary("words", sorted({word for words in WORDS for word in words} | {"THE"}))
        texts = [np.array([vocabulary.id_of(word) for word in words], np.int32) for words in WORDS]
        texts[6][0] = vocabulary.id_of("THE")
    elif kind == "bytes":
        vocabulary = Vocabulary("bytes", [bytes([n]) for n in range(256)])
        texts = [np.frombuffer(text.encode(), np.uint8).astype(np.int32) for text in TEXTS]
    else:
        vocabulary, texts = CHARS, [encoded(text) for text in TEXTS]
    found = grams(NGrams(vocabulary).bags(texts))
    expected = [set(words) | set(pairwise(words)) for words in WORDS]
    assert [len(each) for each in found] == [len(each) for each in expected]
    for a, b in combinations(range(len(TEXTS)), 2):
        assert len(found[a] & found[b]) == len(expected[a] & expected[b])
    assert found == grams(NGrams(vocabulary).bags(texts[:3])) + grams(NGrams(vocabulary).bags(texts[3:]))


def test_a_step_goes_down_the_gradient_of_the_mean_loss() -> None:
    rng = np.random.default_rng(1)
    bag = BagOfWords(CHARS, 3)
    bags = Bags(np.array([5, 9, 2, 5, 9]), np.array([0, 3, 3, 5]))
    truth = np.array([2, 0, 1])
    bag._choose_rows(np.array([5, 9, 9]))  # 2 has no weights of its own
    bag._weights[1:] = rng.normal(size=(2, 3))
    bag._bias[:] = rng.normal(size=3)
    x = np.array([[1, 1], [0, 0], [1, 1]]) / np.sqrt([[3], [1], [2]])  # of 9, the commonest, and 5
    theta = np.concatenate([bag._weights[1:], bag._bias[None]]).astype(np.float64)

    def loss(theta: np.ndarray) -> float:
        o = x @ theta[:2] + theta[2]
        return float(np.mean(np.log(np.exp(o).sum(axis=1)) - o[np.arange(3), truth]))

    gradient = np.zeros_like(theta)
    for place in np.ndindex(theta.shape):
        h = np.zeros_like(theta)
        h[place] = 1e-6
        gradient[place] = (loss(theta + h) - loss(theta - h)) / 2e-6
    squares = np.full((3, 3), 0.5, np.float32), np.full(3, 0.5, np.float32)
    bag._step(bags, truth, *squares)
    expected = theta - 0.3 * gradient / np.sqrt(0.5 + gradient**2)
    np.testing.assert_allclose(np.concatenate([bag._weights[1:], bag._bias[None]]), expected, atol=1e-5)
    np.testing.assert_array_equal(bag._weights[0], 0)
    np.testing.assert_allclose(squares[0][1:], 0.5 + gradient[:2] ** 2, atol=1e-5)


def told(count: int, seed: int) -> list[tuple[np.ndarray, int]]:
    """Texts that are bad if they have a bad word, unless "not" is before it."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        words = rng.choice(["sun", "rain", "tea", "day"], rng.integers(1, 9)).tolist()
        kind = int(rng.integers(0, 3))
        at = int(rng.integers(0, len(words) + 1))
        words[at:at] = (["bad"], ["not", "bad"], ["fine", "not"])[kind]
        found.append((encoded(" ".join(words), ASCII), int(kind == 0)))
    return found


ASCII = Vocabulary("chars", [chr(n) for n in range(32, 127)])


@pytest.mark.parametrize("valid", [200, 0])
def test_it_finds_what_words_and_pairs_say(valid: int) -> None:
    bag = BagOfWords(ASCII, 2)
    bag.fit(told(1000, 1), told(valid, 2))
    test = told(300, 3)
    right = bag.found([text for text, _ in test]) == [label for _, label in test]
    assert np.mean(right) > 0.99
    assert bag.texts == (1000 if valid else 900)
    again = BagOfWords(ASCII, 2)
    again.fit(told(1000, 1), told(valid, 2))
    np.testing.assert_array_equal(again._weights, bag._weights)


def test_it_takes_the_first_texts_and_the_commonest_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bag_of_words, "_BLOCK", 10)
    monkeypatch.setattr(bag_of_words, "_MOST_GRAMS", 200)
    monkeypatch.setattr(bag_of_words, "_MOST_WEIGHTS", 8)
    bag = BagOfWords(ASCII, 2)
    bag.fit((each for each in told(1000, 1)), told(50, 2))
    assert 10 <= bag.texts <= 40
    assert bag.texts % 10 == 0
    assert bag._weights.shape == (5, 2)


@pytest.mark.parametrize("train", [1, 2, 12])
def test_few_texts_are_enough(train: int) -> None:
    bag = BagOfWords(ASCII, 3)
    bag.fit([(encoded("a b" if n % 2 else "", ASCII), n % 2) for n in range(train)], [])
    assert bag.found([encoded("", ASCII), encoded("a b", ASCII)]).tolist()[0] == 0
    assert bag.found([]).shape == (0,)
