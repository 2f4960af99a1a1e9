"""A text and its frames: how likely it is over all alignments, and where its labels are in the likeliest one.

An alignment gives each frame a label or the blank: the labels of a text in their order, each in one frame or in several
that follow each other, with any blanks between them, and at least one between equal labels.
Source: A. Graves, S. Fernández, F. Gomez, J. Schmidhuber, Connectionist temporal classification (2006).
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

_BLOCK = 256
"""Frames of which it is known at once how their best alignments go on."""


def log_probability(logs: NDArray[Any], labels: NDArray[np.int32]) -> float:
    """log P(text | frames); -inf where the text has no alignment with so few frames.

    logs: (n, K), the logarithms of the probabilities, the blank last. labels: (m,), the text.
    """
    ends = _Ends.of(logs, labels)
    for frame in logs:
        ends = ends.after(frame, np.logaddexp)
    return float(np.logaddexp(ends.blank[-1], ends.label[-1]))


def first_frames(logs: NDArray[Any], labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """The frame in which each label of a text begins in its likeliest alignment, (m,).

    logs, labels: as in `log_probability`; the text has an alignment.
    """
    ends = _Ends.of(logs, labels)
    blocks = [logs[first : first + _BLOCK] for first in range(0, len(logs), _BLOCK)]
    before = []
    for block in blocks:
        before.append(ends)
        for frame in block:
            ends = ends.after(frame, np.maximum)
    place, in_label = len(labels), bool(ends.label[-1] > ends.blank[-1])
    begun = np.zeros(len(labels), np.int64)
    for number in reversed(range(len(blocks))):
        ends, ways = before[number], []
        for frame in blocks[number]:
            entering = ends.entering(np.maximum)
            ways.append(ends.ways(entering))
            ends = ends.after(frame, np.maximum, entering)
        for step in reversed(range(len(ways))):
            way = ways[step]
            if not in_label:
                in_label = bool(way.left[place])
            elif way.entered[place]:
                begun[place - 1] = number * _BLOCK + step
                in_label = bool(way.at_once[place])
                place -= 1
    return begun


class _Ways(NamedTuple):
    """How the best alignments go on, (m + 1,) each: whether a label is `left` for the blank behind it, whether it is
    `entered`, and whether that is from the label before it `at_once`. The first place is behind no label.
    """

    left: NDArray[np.bool_]
    entered: NDArray[np.bool_]
    at_once: NDArray[np.bool_]


class _Ends(NamedTuple):
    """The logarithms for alignments so far that end in each label, and in a blank behind it, (m + 1,) each.

    The first place is that before all labels. labels: with the blank at this place. follows: (m + 1,), which labels may
    follow the one before at once.
    """

    labels: NDArray[np.int64]
    follows: NDArray[np.bool_]
    label: NDArray[np.float64]
    blank: NDArray[np.float64]

    @classmethod
    def of(cls, logs: NDArray[Any], labels: NDArray[np.int32]) -> Self:
        """Before any frame."""
        padded = np.append(logs.shape[1] - 1, labels).astype(np.int64)
        nothing = np.full(len(padded), -np.inf)
        blank = nothing.copy()
        blank[0] = 0
        return cls(padded, np.append(False, padded[1:] != padded[:-1]), nothing, blank)

    def after(self, frame: NDArray[Any], add: np.ufunc, entering: NDArray[np.float64] | None = None) -> Self:
        """After one more frame, (K,). add: what two ways to the same place come to. entering: None: as `entering`."""
        label = add(self.label, self.entering(add) if entering is None else entering)
        label += frame[self.labels]
        blank = add(self.blank, self.label)
        blank += frame[-1]
        return type(self)(self.labels, self.follows, label, blank)

    def entering(self, add: np.ufunc) -> NDArray[np.float64]:
        """What it comes to to enter each label, but for its probability in the frame; nothing enters the first place.

        From the blank before it, or from the label before it, where it may follow that at once.
        """
        entering = np.full(len(self.labels), -np.inf)
        entering[1:] = self.blank[:-1]
        add(entering[1:], self.label[:-1], out=entering[1:], where=self.follows[1:])
        return entering

    def ways(self, entering: NDArray[np.float64]) -> _Ways:
        """How the best alignments go on in the next frame."""
        at_once = self.follows.copy()
        at_once[1:] &= self.label[:-1] > self.blank[:-1]
        return _Ways(self.label > self.blank, entering > self.label, at_once)
