"""The likeliest prefixes of the texts of frames so far, of many sequences at a time."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gpurnn.training.alignments import log_probability
from gpurnn.training.wordlist import WordList

_NOBODY = -2
"""The node of a place without a prefix, and its parent; the parent of the empty prefix is -1."""
_NODES = 1 << 16
"""From so many nodes on, those that nothing comes from are forgotten whenever twice as many as were left are there."""


class Heard(NamedTuple):
    """A text of frames.

    labels: (m,). score: log P(text | frames), over the alignments that were followed; where a language model is asked,
    with what it says of the text, weighted.
    """

    labels: NDArray[np.int32]
    score: float


class NextLabels(Protocol):
    """A language model: what it says comes next behind the prefix in each of many slots.

    logs: (slots, K-1), the logarithms of the probabilities of the labels. ends: (slots,), that of the end of the text.
    """

    logs: NDArray[np.float64]
    ends: NDArray[np.float64]

    def begin(self, slots: int) -> None:
        """So many slots have a prefix without a label from now on."""

    def move(self, slots: NDArray[np.int64], grown: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
        """Each of the first slots has from now on what one of `slots` had, those of `grown` with one more label."""


class Prefixes:
    """Of each of G sequences the W likeliest prefixes, the likeliest first; all arrays are (G, W).

    labels: K-1, the number of the blank. words: see `PrefixBeam`. language, weight: weight log P(prefix) counts, too.
    Of equally likely ones one that stays as it is comes before one that grows, what comes from the first of them before
    what comes from others, and a label of a lower number before one of a higher.
    """

    def __init__(
        self, groups: int, width: int, labels: int, words: WordList | None, language: NextLabels | None, weight: float
    ) -> None:
        self._labels, self._words, self._language, self._weight = labels, words, language, weight
        self._blank, self._label = np.full((2, groups, width), -np.inf)
        """The log sums of the alignments that end in a blank, and of those that end in the last label."""
        self._blank[:, 0] = 0
        self._last = np.full((groups, width), labels)
        """The last label; of the empty prefix the blank."""
        self._node = np.full((groups, width), _NOBODY)
        self._parent = self._node.copy()
        """Each prefix has a number, and so has it without its last label."""
        self._node[:, 0], self._parent[:, 0] = np.arange(groups), -1
        self._keys = [-1] * groups
        """Of each node its parent and its last label, as one number."""
        self._nodes: dict[int, int] = {}
        self._room = _NODES
        self._word = np.zeros((groups, width), np.int64)
        self._said = np.zeros((groups, width))
        """What the language model says of the prefix, weighted."""
        if language is not None:
            language.begin(groups * width)

    def step(self, logs: NDArray[np.float64]) -> None:
        """One more frame of each of the first sequences. logs: (A, K), the logarithms of the probabilities."""
        there, symbols = logs.shape
        width, blank = self._node.shape[1], self._labels
        was_blank, was_label, last = self._blank[:there], self._label[:there], self._last[:there]
        total, again = np.logaddexp(was_blank, was_label), np.take_along_axis(logs, last, axis=1)
        grown = total[:, :, None] + logs[:, None, :]
        np.put_along_axis(grown, last[:, :, None], (was_blank + again)[:, :, None], axis=2)
        grown[:, :, blank] = -np.inf
        if self._words is not None:
            grown[~self._words.allowed(self._word[:there])] = -np.inf
        stays_blank, stays_label = total + logs[:, blank:], was_label + again
        group, child, mother = np.nonzero(self._parent[:there, :, None] == self._node[:there, None, :])
        way = group, mother, last[group, child]
        stays_label[group, child] = np.logaddexp(stays_label[group, child], grown[way])
        grown[way] = -np.inf  # it is there already

        best, alive = self._best(np.logaddexp(stays_blank, stays_label), grown)
        slot, label = np.divmod(np.maximum(best - width, 0), symbols)
        slot, grows = np.where(best < width, best, slot), (best >= width) & alive
        rows = np.arange(there)[:, None]
        was_blank[...] = np.where(alive & ~grows, stays_blank[rows, slot], -np.inf)
        was_label[...] = np.where(grows, grown[rows, slot, label], stays_label[rows, slot])
        was_label[~alive] = -np.inf
        for array in (self._last, self._parent, self._node, self._word, self._said):
            array[:there] = array[rows, slot]
        self._node[:there][~alive] = self._parent[:there][~alive] = _NOBODY
        self._grow(np.nonzero(grows), (rows * width + slot).reshape(-1), label[grows])

    def _best(
        self, stays: NDArray[np.float64], grown: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The W likeliest that come next, (A, W), the likeliest first, and which of them are possible at all.

        stays, grown: (A, W) and (A, W, K), of those that stay as they are, and with each label. The number of one is
        its place in a row of both.
        """
        there, width, symbols = grown.shape
        said = self._said[:there]
        scores = grown + said[:, :, None]
        if self._language is not None:
            next_labels = self._language.logs[: there * width].reshape(there, width, symbols - 1)
            scores[:, :, :-1] += self._weight * next_labels
        scores = np.concatenate([stays + said, scores.reshape(there, -1)], axis=1)
        best = _highest(scores, width)
        return best, np.take_along_axis(scores, best, axis=1) > -np.inf

    def _grow(self, where: tuple[NDArray[np.int64], ...], slots: NDArray[np.int64], label: NDArray[np.int64]) -> None:
        """The prefixes there, so far copies of those that they come from, get one more label each. slots: of all."""
        self._last[where] = label
        self._parent[where] = self._node[where]
        keys = (self._parent[where] * self._labels + label).tolist()
        for key in keys:
            if self._nodes.setdefault(key, len(self._keys)) == len(self._keys):
                self._keys.append(key)
        self._node[where] = [self._nodes[key] for key in keys]
        if len(self._keys) > self._room:
            self._forget()
            self._room = max(_NODES, 2 * len(self._keys))
        if self._words is not None:
            self._word[where] = self._words.follow(self._word[where], label)
        if self._language is not None:
            at = where[0] * self._node.shape[1] + where[1]
            self._said[where] += self._weight * self._language.logs[slots[at], label]
            self._language.move(slots, at, label)

    def _forget(self) -> None:
        """Keep the nodes of all prefixes and of their beginnings alone, in their order."""
        kept = set[int]()
        for node in self._node[self._node >= 0].tolist():
            while node >= 0 and node not in kept:
                kept.add(node)
                node = self._keys[node] // self._labels
        order = sorted(kept)
        number = np.full(len(self._keys), _NOBODY)
        number[order] = np.arange(len(order))
        keys, numbers = [self._keys[node] for node in order], number.tolist()
        self._keys = [
            key if key < 0 else numbers[key // self._labels] * self._labels + key % self._labels for key in keys
        ]
        self._nodes = {key: node for node, key in enumerate(self._keys) if key >= 0}
        for array in (self._node, self._parent):
            np.copyto(array, number[array], where=array >= 0)

    def found(self, logs: list[NDArray[np.floating]], wanted: int) -> list[list[Heard]]:
        """The likeliest texts of each sequence, the likeliest first. logs: all frames of each."""
        scores = np.logaddexp(self._blank, self._label) + self._said
        if self._language is not None:
            scores += self._weight * self._language.ends.reshape(scores.shape)
        if self._words is not None:
            scores[~self._words.ends[self._word]] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :wanted]
        found = []
        for group, places in enumerate(order.tolist()):
            texts = [
                Heard(self._text(self._node[group, place]), float(scores[group, place]))
                for place in places
                if scores[group, place] > -np.inf
            ]
            found.append(texts or [self._cut(group, logs[group])])
        return found

    def _text(self, node: int) -> NDArray[np.int32]:
        labels = []
        while (key := self._keys[node]) >= 0:
            node, label = divmod(key, self._labels)
            labels.append(label)
        return np.array(labels[::-1], np.int32)

    def _cut(self, group: int, logs: NDArray[np.floating]) -> Heard:
        """Where no prefix ends with a word: the likeliest one without what has come of its last word."""
        assert self._words is not None
        labels = self._words.whole(self._text(self._node[group, 0]))
        return Heard(labels, log_probability(logs, labels))


def _highest(scores: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """In which columns the highest scores of each row stand, (A, count), the highest first, of equal ones the first."""
    least = -np.partition(-scores, count - 1, axis=1)[:, count - 1 : count]
    above, equal = scores > least, scores == least
    taken = above | (equal & (equal.cumsum(axis=1) <= count - above.sum(axis=1, keepdims=True)))
    best = np.nonzero(taken)[1].reshape(len(scores), count)
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)
