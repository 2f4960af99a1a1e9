"""A label from the words of a text, whatever their order: what a network has to beat before it is worth its while.

Logistic regression on words and pairs of words that follow each other. With x, 1 over the root of how many of them a
text has for each that it has, the probabilities of its labels are the softmax of W x + b. W and b are learnt by
Adagrad, in steps of some texts in a seeded order; of the weights after each time over the texts those are taken that
find most labels of the valid split, or of the last tenth of the train split where there is no valid one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.labelled.order import permutation
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.evaluation.ngrams import BITS, Bags, NGrams

MOST_LABELS = 1000
"""With more there is no bag of words."""
_BLOCK = 1024
"""Texts that are read together."""
_MOST_GRAMS = 1 << 21
"""Of all texts that are learnt from, or tried, together; the rest of the split is left out."""
_MOST_WEIGHTS = 1 << 23
"""The commonest words and pairs have weights, those of all labels together no more than that."""
_MOST_WORK, _OVERHEAD = 1 << 29, 24
"""Words and pairs that are learnt from, all times together, times labels; each costs as much as so many labels more."""
_TIMES, _PATIENCE = (4, 20), 3
"""How many times over the texts, at least where there are many labels, and at most."""
_BATCH = 64
_RATE, _SQUARES = np.float32(0.3), np.float32(1e-6)

Text = tuple[NDArray[Any], int]
"""Its symbols, (n,), and the number of its label."""


class BagOfWords:
    """Logistic regression on the words of texts. labels: how many there are. texts: from how many it has learnt."""

    def __init__(self, vocabulary: Vocabulary, labels: int) -> None:
        self._grams, self._labels, self.texts = NGrams(vocabulary), labels, 0
        self._most = _MOST_WORK // (labels + _OVERHEAD)
        self._rows = np.zeros(1 << BITS, np.int64)
        self._weights, self._bias = np.zeros((1, labels), np.float32), np.zeros(labels, np.float32)

    def fit(self, train: Iterable[Text], valid: Iterable[Text]) -> None:
        """Learns from texts, as many of the first as there is room for. train: at least one."""
        bags, truth = self._read(train)
        tried = self._read(valid)
        if not len(tried[1]):
            kept = max(1, len(truth) - len(truth) // 10)
            tried = _part(bags, kept, len(truth)), truth[kept:]
            bags, truth = _part(bags, 0, kept), truth[:kept]
        self.texts = len(truth)
        self._choose_rows(bags.grams)
        self._learn(bags, truth, *tried)

    def found(self, texts: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
        """The likeliest label of each text, (n,)."""
        return self._likeliest(self._grams.bags(texts))

    def _read(self, texts: Iterable[Text]) -> tuple[Bags, NDArray[np.int64]]:
        blocks: list[Bags] = []
        labels: list[int] = []
        size = 0
        for block in _blocks(texts):
            blocks.append(self._grams.bags([text for text, _ in block]))
            labels += [label for _, label in block]
            size += len(blocks[-1].grams)
            if size >= min(_MOST_GRAMS, self._most // _TIMES[0]):
                break
        grams = np.concatenate([np.zeros(0, np.int64), *(bags.grams for bags in blocks)])
        lengths = np.concatenate([np.zeros(1, np.int64), *(np.diff(bags.starts) for bags in blocks)])
        return Bags(grams, lengths.cumsum()), np.array(labels, np.int64)

    def _choose_rows(self, grams: NDArray[np.int64]) -> None:
        """Gives the commonest their rows of the weights; all others share the first, which stays 0."""
        counts = np.bincount(grams, minlength=len(self._rows))
        most = max(1, _MOST_WEIGHTS // self._labels)
        chosen = np.argsort(-counts, kind="stable")[: min(most, int(np.count_nonzero(counts)))]
        self._rows[chosen] = np.arange(1, len(chosen) + 1)
        self._weights = np.zeros((len(chosen) + 1, self._labels), np.float32)

    def _learn(self, bags: Bags, truth: NDArray[np.int64], tried: Bags, right: NDArray[np.int64]) -> None:
        squares = [np.full_like(each, _SQUARES) for each in (self._weights, self._bias)]
        times = int(np.clip(self._most // max(1, len(bags.grams)), *_TIMES))
        best, kept, waited = -1, (self._weights, self._bias), 0
        for time in range(times):
            order = permutation(len(truth), time).astype(np.int64)
            for first in range(0, len(order), _BATCH):
                chosen = order[first : first + _BATCH]
                self._step(_chosen(bags, chosen), truth[chosen], *squares)
            score = int(np.count_nonzero(self._likeliest(tried) == right))
            waited += 1
            if score > best:
                best, kept, waited = score, (self._weights.copy(), self._bias.copy()), 0
            if waited == _PATIENCE:
                break
        self._weights, self._bias = kept

    def _step(
        self,
        bags: Bags,
        truth: NDArray[np.int64],
        of_weights: NDArray[np.float32],
        of_bias: NDArray[np.float32],
    ) -> None:
        """One step of Adagrad; of_weights, of_bias: the sums of squares, added to."""
        error = self._logits(bags)
        error -= error.max(axis=1, keepdims=True)
        np.exp(error, out=error)
        error /= error.sum(axis=1, keepdims=True)
        error[np.arange(len(truth)), truth] -= 1
        error /= len(truth)
        lengths = np.diff(bags.starts)
        rows = self._rows[bags.grams]
        order = np.argsort(rows, kind="stable")
        begins = np.flatnonzero(np.diff(rows[order], prepend=-1))
        each = np.repeat(error * _scale(lengths), lengths, axis=0)[order]
        if len(rows):
            changed, gradient = rows[order[begins]], np.add.reduceat(each, begins, axis=0)
            gradient[changed == 0] = 0
            of_weights[changed] += gradient * gradient
            self._weights[changed] -= _RATE * gradient / np.sqrt(of_weights[changed])
        change = error.sum(axis=0)
        of_bias += change * change
        self._bias -= _RATE * change / np.sqrt(of_bias)

    def _logits(self, bags: Bags) -> NDArray[np.float32]:
        """(n, K)."""
        sums = np.zeros((len(bags.starts) - 1, self._labels), np.float32)
        lengths = np.diff(bags.starts)
        some = lengths > 0
        if some.any():
            sums[some] = np.add.reduceat(self._weights[self._rows[bags.grams]], bags.starts[:-1][some], axis=0)
        logits: NDArray[np.float32] = sums * _scale(lengths) + self._bias
        return logits

    def _likeliest(self, bags: Bags) -> NDArray[np.int64]:
        count = len(bags.starts) - 1
        blocks = range(0, count, _BLOCK)
        found = [self._logits(_part(bags, a, min(count, a + _BLOCK))).argmax(axis=1) for a in blocks]
        return np.concatenate([np.zeros(0, np.int64), *found])


def _blocks(texts: Iterable[Text]) -> Iterator[list[Text]]:
    iterator = iter(texts)
    while block := list(islice(iterator, _BLOCK)):
        yield block


def _scale(lengths: NDArray[np.int64]) -> NDArray[np.float32]:
    return (1 / np.sqrt(np.maximum(1, lengths))).astype(np.float32)[:, None]


def _part(bags: Bags, first: int, last: int) -> Bags:
    """The texts first .. last."""
    starts = bags.starts[first : last + 1]
    return Bags(bags.grams[starts[0] : starts[-1]], starts - starts[0])


def _chosen(bags: Bags, texts: NDArray[np.int64]) -> Bags:
    """These texts, in this order."""
    begins, lengths = bags.starts[texts], np.diff(bags.starts)[texts]
    starts = np.append(0, lengths.cumsum())
    places = np.arange(starts[-1]) + np.repeat(begins - starts[:-1], lengths)
    return Bags(bags.grams[places], starts)
