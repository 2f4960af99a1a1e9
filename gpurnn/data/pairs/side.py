"""One side of pairs on its way into a corpus: from texts to tokens in a file without a name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.labelled.packing import count_by_split
from gpurnn.data.labelled.store import Store
from gpurnn.data.labelled.words import Cells
from gpurnn.data.text.text import Piece
from gpurnn.data.text.tokenise import TOKENISERS, Tokeniser, Tokens
from gpurnn.data.text.tokens import Kind, TextPolicy, Vocabulary
from gpurnn.data.vocabulary import find_vocabulary, mapped


class Parted(Cells):
    """Words are what white space parts, so that a text comes back where they are joined by a space."""

    def feed(self, pieces: list[Piece]) -> Tokens:
        """The ids of texts, each of them whole."""
        texts = [cast(str, piece).split() for piece, _ in pieces]
        lengths = np.array([len(words) for words in texts], np.int64)
        return np.array([self.number(word) for words in texts for word in words], "<u4"), lengths.cumsum() - lengths

    def finish(self) -> Tokens:
        """What was held back: nothing."""
        return np.zeros(0, "<u4"), np.zeros(0, np.int64)


class TextSide:
    """The texts of one side. folder: where their tokens are. parted: whether words are what white space parts."""

    def __init__(
        self, folder: Path, kind: Kind, policy: TextPolicy, vocabulary: Vocabulary | None, *, parted: bool
    ) -> None:
        self.kind, self._policy, self._given = kind, policy, vocabulary
        self.tokens: Tokeniser | Parted = Parted() if parted and kind == "words" else TOKENISERS[kind]()
        self.store = Store(folder, tagged=False)

    def add(self, texts: Sequence[str]) -> None:
        """Adds texts."""
        self.store.append(*self.tokens.feed([(self._piece(text), True) for text in texts]))

    def _piece(self, text: str) -> str | bytes:
        return text.encode() if self.kind == "bytes" else self._policy.apply(text)

    def flush(self) -> None:
        """Makes sure that the store has all texts so far."""
        self.store.append(*self.tokens.finish())
        self.store.flush()

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text, once all are there."""
        return np.diff(self.store.edges)

    def vocabulary(
        self, orders: Sequence[NDArray[Any]], min_count: int
    ) -> tuple[Vocabulary, NDArray[np.int64], NDArray[np.int64]]:
        """Its vocabulary, the id of each provisional id, and how often each symbol is in the train split.

        orders: the texts of each split. Raises DataError as `find_vocabulary` does.
        """
        found = count_by_split(self.store, orders, self.store.ceiling)
        rare = min_count if self.kind == "words" else 1
        vocabulary, ids = find_vocabulary(self.kind, self._given, self.tokens, found[0], found[1:].sum(axis=0), rare)
        return vocabulary, ids, mapped(found[0], ids, len(vocabulary))
