"""From texts, and from sentences of words, to symbols of a vocabulary that is there: the same as `prepare` makes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.text.decoding import as_bytes
from gpurnn.data.text.tokens import WORD, TextPolicy, Vocabulary

_CODES = {"chars": 0x110000, "bytes": 0x100}
_SPACES: dict[str, Any] = {"chars": " ", "bytes": b" "}


class Encoder:
    """Makes symbols of texts, or of sentences.

    A symbol that the vocabulary lacks is read as its unknown one. Where it has none, one that says little stands in: a
    space among characters, otherwise the last one, which is the rarest of words.
    spelt: whether a space parts the words of sentences where symbols are characters.
    kind: what a symbol is. stand_in: what that one is, in words; "" where there is an unknown one. lacking: how many
    symbols the vocabulary lacked so far. first: the first of them, as a text.
    """

    def __init__(self, vocabulary: Vocabulary, policy: TextPolicy, *, spelt: bool = True) -> None:
        self._policy, self._between, self.kind = policy, " " if spelt else "", vocabulary.kind
        self.lacking, self.first = 0, ""
        space = vocabulary.id_of(_SPACES[self.kind]) if self.kind in _SPACES else None
        last = len(vocabulary) - 1 if space is None else space
        self._unknown = last if vocabulary.unknown is None else vocabulary.unknown
        self.stand_in = ""
        if vocabulary.unknown is None:
            self.stand_in = repr(vocabulary.symbols[last]) if space is None else "a space"
            self.stand_in += ", the rarest word" if self.kind == "words" else ""
        symbols = enumerate(vocabulary.symbols)
        known: list[tuple[int, Any]] = [(number, each) for number, each in symbols if number != vocabulary.unknown]
        if self.kind == "words":
            self._words = {word: number for number, word in known}
        else:
            self._table = np.full(_CODES[self.kind], -1, np.int32)
            self._table[[ord(symbol) for _, symbol in known]] = [number for number, _ in known]

    def texts(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """The symbols of each text, (n,) int32; n is 0 where it has none.

        Raises DataError for half of a character where symbols are bytes.
        """
        if self.kind == "bytes":
            return self._looked_up([as_bytes(text) for text in texts])
        applied = [self._policy.apply(text) for text in texts]
        return self._spoken(map(WORD.findall, applied)) if self.kind == "words" else self._looked_up(applied)

    def sentences(self, sentences: Sequence[Sequence[str]]) -> list[NDArray[np.int32]]:
        """The symbols of sentences, each given as its words, without white space: its words, or its characters."""
        if self.kind == "words":
            return self._spoken(map(self.applied, sentences))
        return self._looked_up([self._between.join(self.applied(words)) for words in sentences])

    def applied(self, words: Sequence[str]) -> list[str]:
        """The words of a sentence as the policy of the vocabulary has them."""
        return self._policy.apply("\n".join(words)).split("\n")

    def _spoken(self, texts: Any) -> list[NDArray[np.int32]]:
        """texts: words of each."""
        ids, unknown, found = self._words, self._unknown, []
        for words in texts:
            numbers = [ids.get(word, -1) for word in words]
            if -1 in numbers:
                self._lack(words[numbers.index(-1)], numbers.count(-1))
                numbers = [unknown if number < 0 else number for number in numbers]
            found.append(np.array(numbers, np.int32))
        return found

    def _looked_up(self, texts: Sequence[Any]) -> list[NDArray[np.int32]]:
        """texts: all characters, or all bytes."""
        if self.kind == "bytes":
            codes = np.frombuffer(b"".join(texts), np.uint8)
        else:
            codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4")
        found = self._table[codes]
        lacks = found < 0
        if lacks.any():
            code = int(codes[lacks.argmax()])
            self._lack(chr(code) if self.kind == "chars" else bytes([code]), int(np.count_nonzero(lacks)))
            found[lacks] = self._unknown
        edges = np.cumsum([0, *map(len, texts)]).tolist()
        return [found[a:b] for a, b in pairwise(edges)]

    def _lack(self, symbol: str | bytes, count: int) -> None:
        self.first = self.first if self.lacking else repr(symbol)
        self.lacking += count
