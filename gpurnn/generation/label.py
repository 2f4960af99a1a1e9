"""Labels of sequences and tags of their steps, from a trained model: many at a time, in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.labelled.encoding import Encoder
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.exceptions import DataError
from gpurnn.network import Model
from gpurnn.training.config import TrainConfig
from gpurnn.training.finite import expect_finite
from gpurnn.training.labeller import Labeller
from gpurnn.training.load import Trained
from gpurnn.training.words import by_word


class Found(NamedTuple):
    """What a model says: the likeliest label, its probability, and those of all, (K,) float64."""

    label: str
    probability: float
    probabilities: NDArray[np.float64]


class LabelModel:
    """A model of labels or tags.

    labelling: what these are. longest: how many steps a sequence may have; None: any number. through: whether its
    windows go through sequences, so that what it says of a step does not depend on those after it.
    """

    def __init__(self, model: Model, labelling: Labelling, config: TrainConfig) -> None:
        self.model, self.labelling = model, labelling
        self._labeller = Labeller(model, config, labelling.what == "labels")
        self.longest, self.through = self._labeller.longest, config.layout == "through"
        self._names, self._space = labelling.labels, labelling.space
        self._shown = [number for number in range(len(self._names)) if number != self._space]

    @classmethod
    def of(cls, trained: Trained) -> Self:
        """That of a checkpoint. Raises DataError for a model of other things."""
        return cls(trained.model, trained.labelling, trained.config)

    def labels(self, sequences: Iterable[NDArray[Any]]) -> Iterator[Found]:
        """The label of each sequence, given as the model reads it. Raises GpurnnError for what is not finite."""
        for logs in self._labeller.log_probabilities(sequences):
            yield self.found(np.exp(logs.astype(np.float64)))

    def steps(self, sequences: Iterable[NDArray[Any]]) -> Iterator[list[Found]]:
        """The tags of the steps of each sequence, likewise."""
        for logs in self._labeller.log_probabilities(sequences):
            yield [self.found(each) for each in np.exp(logs.astype(np.float64))]

    def found(self, shares: NDArray[np.float64]) -> Found:
        """shares: (K,), the probabilities. Raises GpurnnError where they are not finite."""
        number = int(shares.argmax())
        probability = float(shares[number])
        expect_finite("a probability", probability)
        return Found(self._names[number], probability, shares)

    def by_label(self, found: Found) -> dict[str, float]:
        """The probability of each label."""
        return {self._names[number]: float(found.probabilities[number]) for number in self._shown}


class TextModel(LabelModel):
    """A model that labels texts, or tags words.

    policy: how it reads texts. encoder: makes its symbols. Raises DataError for a model of rows of numbers.
    """

    def __init__(self, model: Model, labelling: Labelling, config: TrainConfig) -> None:
        if labelling.vocabulary is None or labelling.policy is None:
            raise DataError(f"the {labelling.what} of the model are of rows of numbers, not of texts")
        super().__init__(model, labelling, config)
        self.policy = labelling.policy
        self.encoder = Encoder(labelling.vocabulary, labelling.policy, spelt=labelling.spelt)

    @property
    def characters(self) -> bool:
        """Whether each character has a tag of its own."""
        return self.encoder.kind == "chars" and self.labelling.what == "tags" and not self.labelling.spelt

    def words(self, sentences: Sequence[Sequence[str]], symbols: Iterable[NDArray[Any]]) -> Iterator[list[Found]]:
        """The tags of the words of each sentence, where tokens are characters by the mean of a word's.

        symbols: of each sentence. Raises GpurnnError for what is not finite.
        """
        found = self._labeller.log_probabilities(symbols)
        for words, logs in zip(sentences, found, strict=True):
            yield [self.found(each) for each in self._by_word(words, logs)]

    def _by_word(self, words: Sequence[str], logs: NDArray[Any]) -> NDArray[np.float64]:
        """The probabilities of each word's tags, (words, K). logs: of the tokens."""
        shares: NDArray[np.float64] = np.exp(logs.astype(np.float64))
        if self.encoder.kind == "words":
            return shares
        lengths = np.array([len(word) for word in self.encoder.applied(words)])
        if self._space is None:
            shares = np.add.reduceat(shares, lengths.cumsum() - lengths)
            shares /= lengths[:, None]
            return shares
        spaces = np.zeros(len(logs), np.bool_)
        spaces[(lengths + 1).cumsum()[:-1] - 1] = True
        return by_word(logs, spaces, self._space)
