"""A trained model of text as what says which label comes next, behind the prefixes of many texts side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.backend import Array
from gpurnn.data.text.language import Language
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.exceptions import DataError
from gpurnn.network import Model
from gpurnn.training.finite import expect_finite, to_log_softmax
from gpurnn.training.load import Trained

_LANES = (16, 64, 256)
"""So many lanes the windows have in which prefixes grow; the fewest that are enough."""
_END = "\n"


class TextLabels:
    """What a model of text says of the next label; see `NextLabels`.

    A text stands in a line of its own, as in the texts that such a model is trained on: it begins behind a newline, and
    its end is a newline. To a model that has never seen one a text begins as the documents that it was trained on, each
    counted once more than it was seen, and its end costs nothing.
    labels: each has the probability of the symbol that is the same, or of the model's unknown symbol.
    Raises DataError for a model of other tokens, and for one that lacks a label and knows no unknown symbol.
    """

    def __init__(self, model: Model, language: Language, labels: Vocabulary, name: str = "the language model") -> None:
        """name: what messages call the model."""
        theirs = language.vocabulary
        if theirs.kind != labels.kind:
            raise DataError(f"{name}: a model of {theirs.kind}; the labels are {labels.kind}, take a model of such")
        found = [theirs.id_of(label) for label in labels.symbols]
        lacking = [label for label, symbol in zip(labels.symbols, found, strict=True) if symbol is None]
        if lacking and theirs.unknown is None:
            raise DataError(
                f"{name}: it lacks {len(lacking):,} of the {len(labels):,} labels, such as {lacking[0]!r:.40}, "
                "and has no unknown symbol; train it on a text that has them"
            )
        self._model, self._be = model, model.be
        self._symbols = np.array([theirs.unknown if symbol is None else symbol for symbol in found], np.int32)
        self._end = theirs.id_of(_END)
        self._begins = np.log(_begins(language)[self._symbols])
        self._lanes: dict[int, _Lanes] = {}
        self._states: list[Array] = []
        self.logs, self.ends = np.zeros((0, len(labels))), np.zeros(0)

    @classmethod
    def of(cls, trained: Trained, labels: Vocabulary) -> TextLabels:
        """That of a checkpoint. Raises DataError as above, and for a model that is none of text."""
        return cls(trained.model, trained.language, labels, str(trained.checkpoint.path))

    def begin(self, slots: int) -> None:
        """See `NextLabels`."""
        start = self._model.state(1)
        self._model.begin(start)
        first = [array for layer in start.layers for array in layer.values()]
        self._states = [self._be.zeros((slots, array.shape[1]), array.dtype) for array in first]
        for mine, array in zip(self._states, first, strict=True):
            mine[...] = array
        self.logs, self.ends = np.empty((slots, len(self._symbols))), np.zeros(slots)
        if self._end is None:
            self.logs[...] = self._begins
            return
        self._read(np.zeros(1, np.int64), np.array([self._end], np.int32))
        for mine in self._states:
            mine[...] = mine[:1]
        self.logs[...], self.ends[...] = self.logs[0], self.ends[0]

    def move(self, slots: NDArray[np.int64], grown: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
        """See `NextLabels`."""
        count, index = len(slots), self._be.from_host(slots)
        for array in self._states:
            array[:count] = array[index]
        self.logs[:count], self.ends[:count] = self.logs[slots], self.ends[slots]
        symbols = self._symbols[labels]
        for first in range(0, len(grown), _LANES[-1]):
            some = slice(first, first + _LANES[-1])
            self._read(grown[some], symbols[some])

    def _read(self, slots: NDArray[np.int64], symbols: NDArray[np.int32]) -> None:
        """These slots read another symbol each."""
        lanes = next(each for each in _LANES if each >= len(slots))
        if lanes not in self._lanes:
            self._lanes[lanes] = _Lanes(self._model, lanes)
        outputs = self._lanes[lanes].step(self._states, slots, symbols)
        logs = outputs.astype(np.float64)
        to_log_softmax(logs)
        expect_finite("an output of the language model", logs)
        self.logs[slots] = logs[:, self._symbols]
        if self._end is not None:
            self.ends[slots] = logs[:, self._end]


class _Lanes:
    """A window of one step of so many lanes."""

    def __init__(self, model: Model, lanes: int) -> None:
        self._model, self._be = model, model.be
        self._ws, self._state = model.workspace(lanes, 1, train=False), model.state(lanes)
        self._ws.batch.carry.fill(1)
        self._symbols = np.zeros(lanes, np.int32)

    def step(self, states: list[Array], slots: NDArray[np.int64], symbols: NDArray[np.int32]) -> NDArray[Any]:
        """The outputs (n, K), a host copy, after the symbols, (n,). states: (slots, H) each, these are overwritten."""
        count, index, ws = len(slots), self._be.from_host(slots), self._ws
        own = [array for layer in self._state.layers for array in layer.values()]
        for mine, theirs in zip(own, states, strict=True):
            mine[:count] = theirs[index]
        self._symbols[:count] = symbols
        self._be.from_host(self._symbols, out=ws.batch.tokens)
        ws.batch.begin(1, None)
        self._model.forward(ws, self._state)
        self._model.carry_out(ws, self._state)
        for mine, theirs in zip(own, states, strict=True):
            theirs[index] = mine[:count]
        return self._be.to_host(ws.o)[:count]


def _begins(language: Language) -> NDArray[np.float64]:
    """How likely a document begins with each symbol."""
    counts = np.ones(len(language.vocabulary))
    counts[language.start_symbols] += language.start_counts
    counts /= counts.sum()
    return counts
