"""Labels of texts and tags of words, from a trained model: many at a time, in their order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.labelled.encoding import Encoder
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.exceptions import GpurnnError, UsageError
from gpurnn.network import Model
from gpurnn.training.config import TrainConfig
from gpurnn.training.labeller import Labeller
from gpurnn.training.load import Trained
from gpurnn.training.words import by_word


class Found(NamedTuple):
    """What a model says of a text or a word: the likeliest label, its probability, and those of all, (K,) float64."""

    label: str
    probability: float
    probabilities: NDArray[np.float64]


class LabelModel:
    """A model that labels texts, or tags words.

    labelling: what its labels and symbols are. policy: how it reads texts. encoder: makes its symbols. longest: how
    many of these a text or a sentence may have; None: any number.
    Raises UsageError for a model whose steps are rows of numbers.
    """

    def __init__(self, model: Model, labelling: Labelling, config: TrainConfig) -> None:
        if labelling.vocabulary is None or labelling.policy is None:
            raise UsageError("model: its steps are rows of numbers, no symbols of a text")
        self.labelling, self.policy = labelling, labelling.policy
        self.encoder = Encoder(labelling.vocabulary, labelling.policy, spelt=labelling.spelt)
        self._labeller = Labeller(model, config, labelling.what == "labels")
        self.longest = self._labeller.longest
        self._names, self._space = labelling.labels, labelling.space
        self._shown = [number for number in range(len(self._names)) if number != self._space]

    @classmethod
    def of(cls, trained: Trained) -> Self:
        """That of a checkpoint. Raises DataError for a model of other things, UsageError."""
        return cls(trained.model, trained.labelling, trained.config)

    @property
    def characters(self) -> bool:
        """Whether each character has a tag of its own."""
        return self.encoder.kind == "chars" and self.labelling.what == "tags" and not self.labelling.spelt

    def labels(self, symbols: Iterable[NDArray[np.int32]]) -> Iterator[Found]:
        """The label of each text, given in its symbols. Raises GpurnnError where a probability is not finite."""
        for logs in self._labeller.log_probabilities(symbols):
            yield self._found(np.exp(logs.astype(np.float64)))

    def tags(self, sentences: Sequence[Sequence[str]], symbols: Iterable[NDArray[np.int32]]) -> Iterator[list[Found]]:
        """The tags of the words of each sentence. symbols: of each. Raises GpurnnError likewise."""
        found = self._labeller.log_probabilities(symbols)
        for words, logs in zip(sentences, found, strict=True):
            if self._space is not None:
                shares = by_word(logs, self._spaces(words, len(logs)), self._space)
            else:
                shares = np.exp(logs.astype(np.float64))
            if self.characters:
                lengths = np.array([len(word) for word in self.encoder.applied(words)])
                shares = np.add.reduceat(shares, lengths.cumsum() - lengths) / lengths[:, None]
            yield [self._found(each) for each in shares]

    def _spaces(self, words: Sequence[str], count: int) -> NDArray[np.bool_]:
        """(count,), which of the characters of a sentence part its words."""
        spaces = np.zeros(count, np.bool_)
        lengths = np.array([len(word) for word in self.encoder.applied(words)]) + 1
        spaces[lengths.cumsum()[:-1] - 1] = True
        return spaces

    def _found(self, shares: NDArray[np.float64]) -> Found:
        number = int(shares.argmax())
        probability = float(shares[number])
        if not math.isfinite(probability):
            raise GpurnnError("a probability is not finite: the model has diverged")
        return Found(self._names[number], probability, shares)

    def by_label(self, found: Found) -> dict[str, float]:
        """The probability of each label."""
        return {self._names[number]: float(found.probabilities[number]) for number in self._shown}
