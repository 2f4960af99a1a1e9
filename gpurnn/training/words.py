"""From the characters of words to the words themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def word_starts(spaces: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where words begin, (words,). spaces: (n,), which of the characters of a sentence are spaces between words."""
    begins = ~spaces
    begins[1:] &= spaces[:-1]
    return np.flatnonzero(begins)


def by_word(log_probabilities: NDArray[Any], spaces: NDArray[np.bool_], space: int) -> NDArray[np.float64]:
    """The probabilities of each word's tags, (words, K): the mean of those of its characters; spaces have none.

    log_probabilities: (n, K), of each character. spaces: (n,), which of them are spaces between words. space: the
    number of their label, which no word has: its share goes to the other labels of each character.
    """
    shares = log_probabilities.astype(np.float64)
    shares[:, space] = -np.inf
    shares -= shares.max(axis=1, keepdims=True)
    np.exp(shares, out=shares)
    shares /= shares.sum(axis=1, keepdims=True)
    starts = word_starts(spaces)
    if not len(starts):
        return np.zeros((0, shares.shape[1]))
    shares[spaces] = 0
    lengths = np.add.reduceat((~spaces).astype(np.int64), starts)
    means: NDArray[np.float64] = np.add.reduceat(shares, starts, axis=0) / lengths[:, None]
    return means
