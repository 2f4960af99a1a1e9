"""The words of which the texts of frames may consist, as a tree of labels."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import DataError

_BEGIN, _WORD = 0, 1
"""The places before a text, and before another word of it."""


class WordList:
    """The places in texts of these words: with one white space between them; or where labels are words, these alone.

    words: as people write them, or several with white space between them; policy: how texts become what `vocabulary`
    has symbols for, which are the labels. lacking: how many words have other symbols, and are left out; first: such a
    word. ends: (places,), where a text may end: before its first word, and behind each.
    Raises DataError where no word is left.
    """

    def __init__(self, words: Iterable[str], vocabulary: Vocabulary, policy: TextPolicy) -> None:
        self._vocabulary, self._labels = vocabulary, len(vocabulary)
        self.lacking, self.first = 0, ""
        applied = sorted({word for each in words for word in policy.apply(each).split()})
        keys, leads, ends = self._spoken(applied) if vocabulary.kind == "words" else self._spelt(applied)
        if not keys:
            such = f"of {self.lacking:,}, such as {self.first}, " if self.lacking else ""
            raise DataError(f"`words`: the model has no labels for any word {such}that is listed")
        found = np.array(keys, np.int64)
        order = found.argsort(kind="stable")
        self._keys, self._leads = found[order], np.array(leads, np.int64)[order]
        self.ends = np.zeros(max(leads) + 1, np.bool_)
        self.ends[ends] = True
        self._first = self._keys.searchsorted(np.arange(len(self.ends) + 1) * self._labels)

    def _spoken(self, words: Sequence[str]) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
        """Labels are words: every way leads to where it comes from. Returns as `_spelt`."""
        keys = [labels[0] for word in words if (labels := self._labels_of([word]))]
        return keys, [_BEGIN] * len(keys), [_BEGIN]

    def _spelt(self, words: Sequence[str]) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
        """Of each way its place and its label, as one number, and the place that it leads to; where texts may end."""
        keys, leads, ends = array("q"), array("q"), array("q")
        path, before, places = [_WORD], "", _WORD + 1
        for word in words:
            labels = self._labels_of(word)
            if not labels:
                continue
            common = sum(takewhile(bool, map(str.__eq__, before, word)))
            del path[common + 1 :]
            for label in labels[common:]:
                for place in (_BEGIN, _WORD) if len(path) == 1 else path[-1:]:
                    keys.append(place * self._labels + label)
                    leads.append(places)
                path.append(places)
                places += 1
            ends.append(path[-1])
            before = word
        for space in (label for label, symbol in enumerate(self._vocabulary.symbols) if str(symbol).isspace()):
            keys.extend(place * self._labels + space for place in ends)
            leads.extend([_WORD] * len(ends))
        ends.append(_BEGIN)
        return keys, leads, ends

    def _labels_of(self, symbols: Sequence[str]) -> list[int]:
        """Those of the symbols of a word; none where the model lacks one."""
        labels = [label for symbol in symbols if (label := self._vocabulary.id_of(symbol)) is not None]
        if len(labels) == len(symbols):
            return labels
        self.first = self.first or "".join(symbols)
        self.lacking += 1
        return []

    def allowed(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which labels may come next at each of these places, (..., K); never the blank, which is last."""
        first = self._first[places.reshape(-1)]
        counts = self._first[places.reshape(-1) + 1] - first
        rows = np.repeat(np.arange(len(first)), counts)
        ways = np.arange(len(rows)) + np.repeat(first - (counts.cumsum() - counts), counts)
        allowed = np.zeros((len(first), self._labels + 1), np.bool_)
        allowed[rows, self._keys[ways] % self._labels] = True
        return allowed.reshape(*places.shape, -1)

    def follow(self, places: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places behind a label, which may come, at each of these, (n,)."""
        return self._leads[self._keys.searchsorted(places * self._labels + labels)]

    def whole(self, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        """The beginning of a text up to where it last could have ended."""
        place, most = np.zeros(1, np.int64), 0
        for number, label in enumerate(labels):
            place = self.follow(place, np.array([label], np.int64))
            if self.ends[place[0]]:
                most = number + 1
        return labels[:most]
