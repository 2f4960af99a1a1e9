"""What a model says of labelled sequences, held against their labels or tags."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.labelled.labelling import Labelling
from gpurnn.training.scores import Confusion, SpanScores
from gpurnn.training.words import by_word, word_starts

Targets = NDArray[np.int32] | int
"""Tags of the steps of a sequence, (n,), or its label."""


class LabelScores:
    """Adds up how well labels were found, or tags: by word where tokens are the characters of words.

    confusion: of labels, or of the tags of tokens. spans: of tags of a scheme, else None.
    """

    def __init__(self, labelling: Labelling) -> None:
        self._labels, self._space = labelling.what == "labels", labelling.space
        self.confusion = Confusion(labelling.labels)
        self.spans = None if labelling.scheme is None else SpanScores(labelling.labels, labelling.scheme)
        self._nats, self._targets = 0.0, 0

    def add(self, log_probabilities: NDArray[Any], targets: Targets) -> None:
        """Of one sequence: (K,) and its label, or (n, K) and the tags, (n,), of its steps."""
        if self._labels:
            self._nats -= float(log_probabilities[targets])
            self._targets += 1
            self.add_found(np.array([targets]), np.array([log_probabilities.argmax()]))
            return
        assert not isinstance(targets, int)
        nats = -log_probabilities[np.arange(len(targets)), targets]
        shares = log_probabilities
        if self._space is not None:
            spaces = targets == self._space
            shares = by_word(log_probabilities, spaces, self._space)
            nats, targets = nats[~spaces], targets[word_starts(spaces)]
        self._nats += float(nats.sum(dtype=np.float64))
        self._targets += len(nats)
        self.add_found(targets, shares.argmax(axis=1))

    def add_found(self, truth: NDArray[Any], found: NDArray[Any]) -> None:
        """Numbers of labels, or of the tags of the tokens of one sentence, (n,), and what was found without a model."""
        self.confusion.add(truth, found)
        if self.spans is not None:
            self.spans.add(truth, found)

    @property
    def loss(self) -> float:
        """The mean nats of a target, spaces left out; nan where there is none."""
        return self._nats / self._targets if self._targets else math.nan
