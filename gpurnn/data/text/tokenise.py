"""From pieces of text to provisional ids: the first of prepare's two passes, before the vocabulary is known."""

import itertools
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.text.text import Piece
from gpurnn.data.text.tokens import WORD, Kind
from gpurnn.exceptions import DataError

LONGEST_WORD = 65_536
_REMEMBERED = 1 << 17
_LONGEST_REMEMBERED = 64
Tokens = tuple[NDArray[Any], NDArray[np.int64]]
"""Provisional ids, (n,) of an unsigned type, and which of them begin a document, (m,) int64 rising."""


class Characters:
    """A character's provisional id is its code point."""

    def __init__(self) -> None:
        self._begins = False

    def feed(self, pieces: list[Piece]) -> Tokens:
        """The ids of the next pieces."""
        starts, self._begins = _starts(pieces, self._begins)
        text = "".join(cast(list[str], [piece for piece, _ in pieces]))
        if text.isascii():
            return np.frombuffer(text.encode("ascii"), np.uint8), starts
        return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4"), starts

    def finish(self) -> Tokens:
        """What was held back: nothing."""
        return np.zeros(0, np.uint8), np.zeros(0, np.int64)

    def symbols(self, ids: NDArray[np.int64]) -> list[str]:
        """The characters that provisional ids stand for."""
        return [chr(i) for i in ids.tolist()]

    def provisional(self, symbols: list[Any]) -> NDArray[np.int64]:
        """The provisional ids of symbols, -1 where this text has none of it."""
        return np.array([ord(symbol) if symbol else -1 for symbol in symbols], np.int64)


class Bytes(Characters):
    """A byte's provisional id is its value."""

    def feed(self, pieces: list[Piece]) -> Tokens:
        """The ids of the next pieces."""
        starts, self._begins = _starts(pieces, self._begins)
        return np.frombuffer(b"".join(cast(list[bytes], [piece for piece, _ in pieces])), np.uint8), starts

    def symbols(self, ids: NDArray[np.int64]) -> list[Any]:
        """The bytes that provisional ids stand for."""
        return [bytes([i]) for i in ids.tolist()]


class _Numbering(dict[str, int]):
    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


class _Stretches(dict[str, tuple[int, ...]]):
    """The ids of a stretch without spaces; text repeats them, and looking them up is faster than the expression."""

    def __init__(self, ids: _Numbering) -> None:
        self._ids = ids

    def __missing__(self, stretch: str) -> tuple[int, ...]:
        ids = tuple(self._ids[word] for word in WORD.findall(stretch))
        if len(stretch) <= _LONGEST_REMEMBERED:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[stretch] = ids
        return ids


class Words:
    """A word's provisional id counts the different words before its first appearance."""

    def __init__(self) -> None:
        self._ids = _Numbering()
        self._stretches = _Stretches(self._ids)
        self._carry = ""
        self._begins = False

    def feed(self, pieces: list[Piece]) -> Tokens:
        """The ids of the next pieces; a word that may go on in the next piece is held back."""
        found: list[int] = []
        starts: list[int] = []
        for piece, new in pieces:
            if new:
                self._take(found, starts, self._carry)
                self._carry, self._begins = "", True
            text = self._carry + cast(str, piece)
            edge = len(text)
            while edge and (text[edge - 1].isalnum() or text[edge - 1] == "_"):
                edge -= 1
                if len(text) - edge > LONGEST_WORD:
                    raise DataError(
                        f"the text has a word of more than {LONGEST_WORD} characters, with {text[-20:]!r} in it; "
                        "use `tokens=chars` or bytes"
                    )
            self._carry = text[edge:]
            self._take(found, starts, text[:edge])
        return np.array(found, "<u4"), np.array(starts, np.int64)

    def _take(self, found: list[int], starts: list[int], text: str) -> None:
        before = len(found)
        stretches = text.replace("\n", " \n ").split(" ")
        found.extend(itertools.chain.from_iterable(map(self._stretches.__getitem__, stretches)))
        if len(found) > before and self._begins:
            starts.append(before)
            self._begins = False

    def finish(self) -> Tokens:
        """The word that was held back."""
        found: list[int] = []
        starts: list[int] = []
        self._take(found, starts, self._carry)
        self._carry = ""
        return np.array(found, "<u4"), np.array(starts, np.int64)

    def symbols(self, ids: NDArray[np.int64]) -> list[str]:
        """The words that provisional ids stand for."""
        words = list(self._ids)
        return [words[i] for i in ids.tolist()]

    def provisional(self, symbols: list[Any]) -> NDArray[np.int64]:
        """The provisional ids of symbols, -1 where this text has none of it."""
        return np.array([self._ids.get(symbol, -1) for symbol in symbols], np.int64)


Tokeniser = Characters | Bytes | Words
TOKENISERS: dict[Kind, Callable[[], Tokeniser]] = {"chars": Characters, "bytes": Bytes, "words": Words}


def _starts(pieces: list[Piece], begins: bool) -> tuple[NDArray[np.int64], bool]:
    """Where documents begin in the pieces put together, and whether one is still to begin with the next piece."""
    starts, offset = [], 0
    for piece, new in pieces:
        begins = begins or new
        if piece and begins:
            starts.append(offset)
            begins = False
        offset += len(piece)
    return np.array(starts, np.int64), begins
