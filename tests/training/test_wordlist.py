"""Lists of words, as places in texts."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import DataError
from gpurnn.training.wordlist import WordList

LETTERS = Vocabulary("chars", "ab c\n")


def texts_of(words: WordList, labels: int, longest: int) -> set[tuple[int, ...]]:
    """Those of up to so many labels that may end."""
    found = set()
    going = {(): 0}
    for _ in range(longest + 1):
        found |= {text for text, place in going.items() if words.ends[place]}
        following = {}
        for text, place in going.items():
            allowed = words.allowed(np.array([[place]]))[0, 0]
            assert len(allowed) == labels + 1 and not allowed[-1]
            for label in np.flatnonzero(allowed):
                following[(*text, int(label))] = int(words.follow(np.array([place]), np.array([label]))[0])
        going = following
    return found


def test_texts_are_listed_words_with_one_white_space_between_them() -> None:
    words = WordList(["ab", "A", "abb", "bé", "ab"], LETTERS, TextPolicy(lower=True))
    assert (words.lacking, words.first) == (1, "bé")
    every = (text for n in range(6) for text in product(range(5), repeat=n))
    expected = {
        text
        for text in every
        if not text or set(LETTERS.decode(text).replace("\n", " ").split(" ")) <= {"ab", "a", "abb"}
    }
    assert texts_of(words, 5, 5) == expected


def test_several_words_in_one_text_are_as_many() -> None:
    """So that white space is never inside of a word, where it would hide the end of another."""
    apart, together = (
        WordList(["a", "ab", "b"], LETTERS, TextPolicy()),
        WordList(["a", " ab  b "], LETTERS, TextPolicy()),
    )
    assert texts_of(together, 5, 5) == texts_of(apart, 5, 5)


def test_words_that_are_labels() -> None:
    words = WordList(["no", "yes", "perhaps"], Vocabulary("words", ["yes", "well", "no"]), TextPolicy())
    assert words.lacking == 1
    assert texts_of(words, 3, 3) == {text for n in range(4) for text in product((0, 2), repeat=n)}
    assert words.whole(np.array([0, 2], np.int32)).tolist() == [0, 2]


def test_the_whole_words_of_a_text() -> None:
    words = WordList(["ab", "abba"], LETTERS, TextPolicy())
    for text, whole in (("abb", "ab"), ("ab ", "ab"), ("ab abb", "ab ab"), ("a", ""), ("", "")):
        labels = np.array([LETTERS.id_of(symbol) for symbol in text], np.int32)
        assert LETTERS.decode(words.whole(labels)) == whole


@pytest.mark.parametrize("words", [[], ["é", "ü"]])
def test_no_word_is_left(words: list[str]) -> None:
    with pytest.raises(DataError, match=r"no labels for any word .*that is listed"):
        WordList(words, LETTERS, TextPolicy())
