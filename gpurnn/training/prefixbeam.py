"""The likeliest texts of frames, each by the sum over its alignments: a prefix beam search of many side by side.

Source: A. Hannun, A. Maas, D. Jurafsky, A. Ng, First-pass large vocabulary continuous speech recognition using
bi-directional recurrent DNNs (2014); A. Graves, Supervised sequence labelling with recurrent neural networks (2012),
section 7.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.exceptions import UsageError
from gpurnn.settings import Count, NotNegative, Rule, checked
from gpurnn.training.finite import expect_finite
from gpurnn.training.prefixes import Heard, NextLabels, Prefixes
from gpurnn.training.wordlist import WordList

Width = Annotated[Count, Rule("at most 4,096", lambda n: n <= 4096)]  # each prefix is held against each other one
_SLOTS = 256
"""Prefixes of all sequences together, where there is more than one sequence."""
_CELLS = 1 << 18
"""Prefixes and what comes of them by one more label, likewise."""
_BATCHES = 8
"""Sequences for so many times all slots are taken at once, so that those of like lengths run together."""
_AT_HAND = 1 << 22
"""Numbers that the frames which are taken at once have at most, where it is more than one sequence."""


class PrefixBeam:
    """Follows of each sequence the `width` likeliest prefixes of its text, and of each all of its alignments.

    labels: how many there are, K-1; the blank is the last of the K. words: of which every text consists. language: adds
    weight log P(text) to the score, P being the probability that it gives the text with its end.
    Raises UsageError for settings that are none.
    """

    def __init__(
        self,
        labels: int,
        width: int,
        *,
        words: WordList | None = None,
        language: NextLabels | None = None,
        weight: float = 1.0,
    ) -> None:
        self._labels, self._width = checked("labels", Count, labels), checked("width", Width, width)
        self._words, self._weight = words, checked("weight", NotNegative, weight)
        self._language = language if self._weight else None
        self._most = max(1, min(_SLOTS // self._width, _CELLS // (self._width * (self._labels + 1))))

    def found(self, sequences: Iterable[NDArray[Any]], n_best: int = 1) -> Iterator[list[Heard]]:
        """Of each sequence the likeliest texts, the likeliest first, n_best of them or fewer, in their order.

        sequences: (n, K) logarithms of probabilities, n from 0 on; each stays as it is until its texts were handed on.
        Raises UsageError for others, GpurnnError for what is not finite.
        """
        n_best = checked("n_best", Count, n_best)
        if n_best > self._width:
            raise UsageError(f"n_best: expected at most the width of the beam, {self._width}, found {n_best}")
        held: list[NDArray[Any]] = []
        numbers = 0
        for logs in sequences:
            held.append(self._expected(logs))
            numbers += logs.size
            if len(held) >= _BATCHES * self._most or numbers >= _AT_HAND:
                yield from self._run(held, n_best)
                held, numbers = [], 0
        yield from self._run(held, n_best)

    def _expected(self, logs: NDArray[Any]) -> NDArray[Any]:
        if logs.ndim != 2 or logs.shape[1] != self._labels + 1 or logs.dtype.kind != "f":
            raise UsageError(
                f"sequences: expected (n, {self._labels + 1}) real numbers, found {logs.shape} {logs.dtype}"
            )
        expect_finite("a probability", logs)
        return logs

    def _run(self, held: list[NDArray[Any]], wanted: int) -> list[list[Heard]]:
        """In the order of the sequences."""
        order = np.argsort([-len(each) for each in held], kind="stable").tolist()
        found: list[list[Heard]] = [[] for _ in held]
        for first in range(0, len(order), self._most):
            taken = order[first : first + self._most]
            logs = [held[number] for number in taken]
            for number, texts in zip(taken, self._together(logs, wanted), strict=True):
                found[number] = texts
        return found

    def _together(self, logs: list[NDArray[Any]], wanted: int) -> list[list[Heard]]:
        """logs: of several sequences, the longest first."""
        prefixes = Prefixes(len(logs), self._width, self._labels, self._words, self._language, self._weight)
        lengths = np.fromiter(map(len, logs), np.int64, len(logs))
        starts, frames = lengths.cumsum() - lengths, np.concatenate(logs).astype(np.float64)
        for step in range(int(lengths[0])):
            there = int(np.count_nonzero(lengths > step))
            prefixes.step(frames[starts[:there] + step])
        return prefixes.found(logs, wanted)
