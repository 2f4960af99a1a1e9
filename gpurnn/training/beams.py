"""The likeliest sequences that a decoder has come upon so far, of many sources at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpurnn.training.finite import expect_finite, to_log_softmax


class Decoded(NamedTuple):
    """A sequence that a model has made.

    symbols: (n,), without the end. score: the sum of the logarithms of the probabilities of its symbols and of the end.
    ended: whether it came to its end; otherwise it is cut, and the score is of its symbols. attended: (n,), for each
    symbol the step of the source that was looked at the most; None where nothing was asked for.
    """

    symbols: NDArray[np.int32]
    score: float
    ended: bool
    attended: NDArray[np.int32] | None


class _Step(NamedTuple):
    """What became of each sequence in a step, (G, width) each: its symbol, which one it goes on from, see `Decoded`."""

    symbols: NDArray[np.int32]
    parents: NDArray[np.int64]
    attended: NDArray[np.int32] | None

    def of(self, groups: NDArray[np.int64]) -> _Step:
        """That of some sources."""
        attended = None if self.attended is None else self.attended[groups]
        return _Step(self.symbols[groups], self.parents[groups], attended)


class Beams:
    """Of each of G sources the `width` likeliest sequences, the likeliest first, ended or not.

    end: the symbol that ends a sequence. Of equally likely ones the first stays before the others, and a symbol of a
    lower number before one of a higher.
    """

    def __init__(self, groups: int, width: int, end: int) -> None:
        self._end = end
        self._score = np.full((groups, width), -np.inf)
        self._score[:, 0] = 0
        self._ended = np.isneginf(self._score)
        self._steps: list[_Step] = []
        self.last = np.full((groups, width), end, np.int32)

    @property
    def made(self) -> int:
        """How many symbols those that have not ended have."""
        return len(self._steps)

    def extend(self, outputs: NDArray[np.floating], attended: NDArray[np.int32] | None) -> NDArray[np.int64]:
        """Another symbol, by the outputs (G, width, K). Returns which sequence each goes on from, (G, width).

        attended: (G, width), see `Decoded`. Raises GpurnnError for outputs that are not finite.
        """
        groups, width, symbols = outputs.shape
        scores = outputs.astype(np.float64)
        to_log_softmax(scores)
        expect_finite("an output", scores)
        scores += self._score[:, :, None]
        scores[self._ended] = -np.inf
        scores[self._ended, self._end] = self._score[self._ended]  # it stays as it is
        flat, rows = scores.reshape(groups, width * symbols), np.arange(groups)
        best, each = np.empty((groups, width), np.int64), np.empty((groups, width))
        for place in range(width):
            best[:, place] = flat.argmax(axis=1)
            each[:, place] = flat[rows, best[:, place]]
            flat[rows, best[:, place]] = -np.inf
        parents, found = np.divmod(best, symbols)
        self.last = found.astype(np.int32)
        self._score, self._ended = each, (found == self._end) | np.isneginf(each)
        looked = None if attended is None else np.take_along_axis(attended, parents, axis=1)
        self._steps.append(_Step(self.last, parents, looked))
        return parents

    def done(self, wanted: int) -> NDArray[np.bool_]:
        """(G,): whether the likeliest ones have ended, as many as are wanted; no other can overtake them."""
        every: NDArray[np.bool_] = np.logical_and.reduce(self._ended[:, :wanted], axis=1)
        return every

    def keep(self, groups: NDArray[np.int64]) -> None:
        """Only these sources are left, in this order."""
        self._score, self._ended, self.last = self._score[groups], self._ended[groups], self.last[groups]
        self._steps = [step.of(groups) for step in self._steps]

    def found(self, groups: NDArray[np.int64], wanted: int) -> list[list[Decoded]]:
        """The likeliest sequences of each of these sources, those that have ended first."""
        symbols, attended = self._traced(groups)
        lengths = (symbols != self._end).sum(axis=2)
        scores, ended = self._score[groups], self._ended[groups]
        order = np.argsort(~ended, axis=1, kind="stable")
        found: list[list[Decoded]] = []
        for number, places in enumerate(order.tolist()):
            there = [place for place in places if scores[number, place] > -np.inf]
            found.append([])
            for place in there[:wanted]:
                kept = number, place, slice(lengths[number, place])
                looked = None if attended is None else attended[kept].copy()
                score, over = float(scores[number, place]), bool(ended[number, place])
                found[-1].append(Decoded(symbols[kept].copy(), score, over, looked))
        return found

    def _traced(self, groups: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32] | None]:
        """All symbols of the sequences of these sources, (n, width, steps), and what was looked at, likewise."""
        width, rows = self.last.shape[1], groups[:, None]
        places = np.broadcast_to(np.arange(width), (len(groups), width))
        symbols = np.empty((len(groups), width, self.made), np.int32)
        looked = self._steps[0].attended is not None
        attended = np.empty_like(symbols) if looked else None
        for number in reversed(range(self.made)):
            step = self._steps[number]
            symbols[:, :, number] = step.symbols[rows, places]
            if attended is not None and step.attended is not None:
                attended[:, :, number] = step.attended[rows, places]
            places = step.parents[rows, places]
        return symbols, attended
