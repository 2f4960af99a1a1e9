"""Tagged sentences as tokens: words as the columns give them, or their characters."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.text.tokenise import Characters
from gpurnn.data.text.tokens import Kind

SPACE = " "
"""The label of the space that parts words where tokens are characters; it is no tag, and no cell of a file is it."""


class Tagged(NamedTuple):
    """Provisional ids of the tokens of a sentence, and of each the number of its tag; two (n,)."""

    ids: NDArray[Any]
    tags: NDArray[Any]


class Cells:
    """A word's provisional id counts the different words before its first appearance; a word is a token whole."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def take(self, words: list[str], tags: list[int]) -> Tagged:
        """The tokens of a sentence."""
        return Tagged(np.array(list(map(self.number, words)), "<u4"), np.array(tags, "<u4"))

    def number(self, word: str) -> int:
        """The provisional id of a word."""
        return self._ids.setdefault(word, len(self._ids))

    def symbols(self, ids: NDArray[np.int64]) -> list[str]:
        """The words that provisional ids stand for."""
        words = list(self._ids)
        return [words[i] for i in ids.tolist()]

    def provisional(self, symbols: list[Any]) -> NDArray[np.int64]:
        """The provisional ids of words, -1 where there is none of it."""
        return np.array([self._ids.get(symbol, -1) for symbol in symbols], np.int64)


class Spelt(Characters):
    """Characters of words that one space parts. Each has its word's tag, and the space between has one of its own.

    space: the number of that.
    """

    def __init__(self, space: int) -> None:
        super().__init__()
        self._space = space

    def take(self, words: list[str], tags: list[int]) -> Tagged:
        """The tokens of a sentence."""
        ids, _ = self.feed([(" ".join(words), True)])
        lengths = np.fromiter(map(len, words), np.int64, len(words)) + 1
        numbers = np.repeat(np.array(tags, "<u4"), lengths)
        numbers[np.cumsum(lengths) - 1] = self._space
        return Tagged(ids, numbers[:-1])


def tagged_tokens(kind: Kind, space: int) -> Cells | Spelt:
    """What makes tokens of this kind, "words" or "chars". space: the number of the label SPACE."""
    return Cells() if kind == "words" else Spelt(space)
