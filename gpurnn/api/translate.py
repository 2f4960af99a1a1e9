"""What `TrainedModel.translate` says: texts that are made of other texts, or of vectors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.exceptions import DataError, UsageError
from gpurnn.generation.fromvector import vector_of
from gpurnn.generation.pairs import PairModel
from gpurnn.settings import Size, checked
from gpurnn.training.load import Trained

Said = list[Any]
"""A text for each, or a list of pairs of texts and the logarithms of their probabilities."""


def translations_of(trained: Trained, given: Iterable[Any], beam: int, n_best: int, max_length: int | None) -> Said:
    """See `TrainedModel.translate`."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise UsageError(f"sources: expected a list, one for each text, found {given!r:.40}")
    model = PairModel.of(
        trained,
        beam=checked("beam", Size, beam),
        n_best=checked("n_best", Size, n_best),
        longest=None if max_length is None else checked("max_length", Size, max_length),
    )
    sources = list(given)
    found = model.made(_vectors(model, sources) if model.encoder is None else _symbols(model, sources))
    if n_best == 1:
        return [each[0].text for each in found]
    return [[(one.text, one.score) for one in each] for each in found]


def _symbols(model: PairModel, sources: list[Any]) -> list[NDArray[np.int32]]:
    for number, each in enumerate(sources):
        if not isinstance(each, str):
            raise UsageError(f"sources: number {number} (the first is 0): expected a text, found {each!r:.40}")
    assert model.encoder is not None
    symbols = model.encoder.texts(sources)
    for number, numbers in enumerate(symbols):
        if not len(numbers):
            raise DataError(f"sources: number {number} (the first is 0) is empty")
    return symbols


def _vectors(model: PairModel, sources: list[Any]) -> list[NDArray[np.float32]]:
    where = "sources: number {} (the first is 0)".format
    return [vector_of(model.language, each, where(number)) for number, each in enumerate(sources)]
