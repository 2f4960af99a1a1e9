"""The label that is the commonest, of all sequences or of each token: what every model has to beat."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.labelled.labelling import Labelling
from gpurnn.training.scores import Tally
from gpurnn.training.words import word_starts

OUTSIDE = "O"
"""The tag of what is in no span."""
_GATHERED = 1 << 20
"""Tokens that are counted together."""
_WORD_BITS = 40
"""Of the number of a word that is spelt; different words may have the same one."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)

Tagged = tuple[NDArray[Any], NDArray[Any]]
"""The symbols of a sentence and the numbers of their tags, two (n,)."""


def commonest(labelling: Labelling) -> int:
    """The number of the label that the train split has most of; the space between words is none."""
    counts = labelling.counts.copy()
    if labelling.space is not None:
        counts[labelling.space] = -1
    return int(counts.argmax())


class CommonestTags:
    """The commonest tag of each token, of all where it is new; of each word where tokens are characters of words."""

    def __init__(self, labelling: Labelling) -> None:
        self._space, self._labels = labelling.space, len(labelling.labels)
        self._others = commonest(labelling)
        self._tokens, self._tags = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def fit(self, train: Iterable[Tagged]) -> None:
        """Counts. Memory grows with the different tokens."""
        tally = Tally()
        held: list[NDArray[np.int64]] = []
        size = 0
        for values, tags in train:
            tokens, truth = self.tokens(values, tags)
            held.append(tokens * self._labels + truth)
            size += len(tokens)
            if size >= _GATHERED:
                tally.add(np.concatenate(held))
                held, size = [], 0
        if held:
            tally.add(np.concatenate(held))
        tokens, tags = np.divmod(tally.numbers, self._labels)
        order = np.lexsort((tags, -tally.counts, tokens))
        first = np.diff(tokens[order], prepend=-1) > 0
        self._tokens, self._tags = tokens[order][first], tags[order][first]

    def found(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """The tag of each token, (n,)."""
        if not len(self._tokens):
            return np.full(len(tokens), self._others)
        places = np.minimum(np.searchsorted(self._tokens, tokens), len(self._tokens) - 1)
        return np.where(self._tokens[places] == tokens, self._tags[places], self._others)

    def tokens(self, values: NDArray[Any], tags: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """The numbers of the tokens of a sentence, and their tags: as they are, or of words that are spelt."""
        if self._space is None:
            return values.astype(np.int64), tags
        spaces = tags == self._space
        starts = word_starts(spaces)
        if not len(starts):
            return np.zeros(0, np.int64), tags[:0]
        words = np.cumsum(np.bincount(starts, minlength=len(values))) - 1
        powers = np.cumprod(np.full(len(values), _FACTOR))
        terms = (values.astype(np.uint64) + np.uint64(1)) * powers[np.arange(len(values)) - starts[words]]
        terms[spaces] = 0
        return (np.add.reduceat(terms, starts) >> np.uint64(64 - _WORD_BITS)).astype(np.int64), tags[starts]
