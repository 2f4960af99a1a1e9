"""How well labels and tags were found: accuracy, precision, recall and F1 by class, and of spans by type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.labelled.spans import Found, SpanFinder

ALL = "all"
"""The name of the spans of all types together."""
_GATHERED = 1 << 16
"""About so many targets are counted at once."""


@dataclass(frozen=True)
class Score:
    """precision: how much of what was found is right; recall: how much of what is there was found; f1: their harmonic
    mean; 0 where there is none. count: how many are there.
    """

    precision: float
    recall: float
    f1: float
    count: int


class _Pairs:
    """Gathers truth and found, until there are enough of them to be counted at once."""

    def __init__(self) -> None:
        self._truth: list[NDArray[Any]] = []
        self._found: list[NDArray[Any]] = []
        self._count = 0

    def add(self, truth: NDArray[Any], found: NDArray[Any]) -> bool:
        """Whether there are enough now."""
        self._truth.append(truth)
        self._found.append(found)
        self._count += len(truth)
        return self._count >= _GATHERED

    def taken(self) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """All that there are, which are forgotten."""
        taken = self._truth, self._found
        self._truth, self._found, self._count = [], [], 0
        return taken


class Tally:
    """How often each number was added. Memory grows with the different ones."""

    def __init__(self) -> None:
        self.numbers, self.counts = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def add(self, numbers: NDArray[np.int64]) -> None:
        """numbers: (n,). What was added is in `numbers`, sorted, and how often in `counts`."""
        new, counts = np.unique(numbers, return_counts=True)
        self.numbers, places = np.unique(np.concatenate([self.numbers, new]), return_inverse=True)
        total = np.zeros(len(self.numbers), np.int64)
        np.add.at(total, places, np.concatenate([self.counts, counts]))
        self.counts = total


class Confusion:
    """How often each label was found for each.

    labels: by number; what is not to be counted must not be added. Memory grows with the different pairs.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._pairs, self._tally = _Pairs(), Tally()

    def add(self, truth: NDArray[Any], found: NDArray[Any]) -> None:
        """truth, found: (n,), numbers of labels; not to be changed later."""
        if self._pairs.add(truth, found):
            self._count()

    def _count(self) -> None:
        truth, found = self._pairs.taken()
        if truth:
            self._tally.add(np.concatenate(truth).astype(np.int64) * len(self.labels) + np.concatenate(found))

    def entries(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """truth, found and how often, three (m,), of the pairs that there are, in order of both numbers."""
        self._count()
        truth, found = np.divmod(self._tally.numbers, len(self.labels))
        return truth, found, self._tally.counts

    @property
    def count(self) -> int:
        """How many were added."""
        return int(self.entries()[2].sum())

    @property
    def accuracy(self) -> float:
        """The part that was found right; 0 where nothing was added."""
        truth, found, counts = self.entries()
        return int(counts[truth == found].sum()) / max(1, int(counts.sum()))

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the labels that are there or were found."""
        right, found, there = self._sums()
        present = found + there > 0
        return float(np.mean(_f1(right[present], found[present], there[present]))) if present.any() else 0.0

    @property
    def classes(self) -> dict[str, Score]:
        """By label; all labels, those that are not there too."""
        return {label: _score(*each) for label, *each in zip(self.labels, *self._sums(), strict=True)}

    def _sums(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Of each label how many were right, were found, are there; three (K,)."""
        truth, found, counts = self.entries()
        sums = np.zeros((3, len(self.labels)), np.int64)
        same = truth == found
        for row, places, each in ((0, truth[same], counts[same]), (1, found, counts), (2, truth, counts)):
            np.add.at(sums[row], places, each)
        return sums[0], sums[1], sums[2]


class SpanScores:
    """How many spans were found, by type: right is what has the same type, begin and end.

    labels, scheme: as of `SpanFinder`.
    """

    def __init__(self, labels: Sequence[str], scheme: str) -> None:
        self._finder = SpanFinder(labels, scheme)
        self._pairs = _Pairs()
        self._sums = np.zeros((3, len(self._finder.types)), np.int64)

    def add(self, truth: NDArray[Any], found: NDArray[Any]) -> None:
        """truth, found: (n,), numbers of the tags of one sentence; not to be changed later."""
        if self._pairs.add(truth, found):
            self._count()

    def _count(self) -> None:
        truth, found = (self._finder.find(tags) for tags in self._pairs.taken())
        for row, kinds in enumerate((_same(truth, found), found.kinds, truth.kinds)):
            self._sums[row] += np.bincount(kinds, minlength=self._sums.shape[1])

    @property
    def all(self) -> Score:
        """Of all types together."""
        self._count()
        return _score(*self._sums.sum(axis=1).tolist())

    @property
    def by_type(self) -> dict[str, Score]:
        """Of each type, those that are not there too."""
        self._count()
        return {kind: _score(*each) for kind, each in zip(self._finder.types, self._sums.T.tolist(), strict=True)}


def _same(truth: Found, found: Found) -> NDArray[np.int64]:
    """The types of the spans that are in both."""
    _, of_truth, of_found = np.intersect1d(truth.starts, found.starts, assume_unique=True, return_indices=True)
    same = (truth.ends[of_truth] == found.ends[of_found]) & (truth.kinds[of_truth] == found.kinds[of_found])
    kinds: NDArray[np.int64] = truth.kinds[of_truth[same]]
    return kinds


def _score(right: int, found: int, there: int) -> Score:
    precision, recall = int(right) / max(1, int(found)), int(right) / max(1, int(there))
    return Score(precision, recall, 2 * int(right) / max(1, int(found) + int(there)), int(there))


def _f1(right: NDArray[np.int64], found: NDArray[np.int64], there: NDArray[np.int64]) -> NDArray[np.float64]:
    f1: NDArray[np.float64] = 2 * right / np.maximum(1, found + there)
    return f1
