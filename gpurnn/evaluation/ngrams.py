"""The words of texts, and pairs of words that follow each other, as numbers: what a bag of words is made of."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.text.tokens import Vocabulary

_WORD = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]|\\w+|[^\\w\\s]")
"""A run of letters and digits, another mark, or one character of a script that has no spaces between words."""
BITS = 20
"""A number has so many; different words may have the same one."""
_MOST_WORDS = 1 << 16
"""Of one text: what comes after them is left out."""
_ONE, _TWO, _ADDED = (np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))


class Bags(NamedTuple):
    """What is in texts. grams: (m,) int64, the numbers of the first text, then those of the second; each only once.

    starts: (n+1,) int64, where those of each begin.
    """

    grams: NDArray[np.int64]
    starts: NDArray[np.int64]


class NGrams:
    """Reads texts whose symbols are those of a vocabulary. Upper and lower case are the same."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        words = vocabulary.symbols if vocabulary.kind == "words" else []
        self._hashes = np.array([_hash(str(word)) for word in words], np.uint64)

    def bags(self, texts: Sequence[NDArray[Any]]) -> Bags:
        """texts: of each its symbols, (n,)."""
        found = [self._grams(text) for text in texts]
        grams = np.concatenate([np.zeros(0, np.uint64), *found]).astype(np.int64)
        of = np.repeat(np.arange(len(texts)), [len(each) for each in found])
        both = np.unique(of << BITS | grams)
        starts = np.searchsorted(both, np.arange(len(texts) + 1) << BITS)
        return Bags(both & (1 << BITS) - 1, starts.astype(np.int64))

    def _grams(self, text: NDArray[Any]) -> NDArray[np.uint64]:
        words = self._words(text) * _ONE
        pairs = (words[:-1] ^ (words[1:] * _TWO + _ADDED)) * _ONE
        return np.concatenate([words, pairs]) >> np.uint64(64 - BITS)

    def _words(self, text: NDArray[Any]) -> NDArray[np.uint64]:
        if self._vocabulary.kind == "words":
            hashes: NDArray[np.uint64] = self._hashes[text[:_MOST_WORDS]]
            return hashes
        words = _WORD.findall(self._vocabulary.decode(text.tolist()).lower())
        return np.array([_hash(word) for word in words[:_MOST_WORDS]], np.uint64)


def _hash(word: str) -> int:
    return zlib.crc32(word.lower().encode("utf-8", "surrogatepass"))
