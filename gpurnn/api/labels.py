"""What `TrainedModel.label` says: labels of texts, tags of words or of rows of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.series.columns import Columns
from gpurnn.exceptions import DataError, UsageError
from gpurnn.generation.label import Found, LabelModel, TextModel
from gpurnn.training.load import Trained

Said = list[Any]
"""A label for each, or a list of tags; with their probabilities where these are asked for."""


def labels_of(trained: Trained, given: Iterable[Any], probabilities: bool) -> Said:
    """See `TrainedModel.label`."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise UsageError(f"inputs: expected a list, one for each label or list of tags, found {given!r:.40}")
    inputs, columns = list(given), trained.labelling.columns
    if columns is not None:
        model = LabelModel.of(trained)
        return _said(model, _rows(columns, inputs), probabilities)
    return _said_of_text(TextModel.of(trained), inputs, probabilities)


def _said_of_text(model: TextModel, inputs: list[Any], probabilities: bool) -> Said:
    if model.labelling.what == "labels":
        _expect_texts(inputs)
        return _said(model, model.encoder.texts(inputs), probabilities)
    sentences = [_words(number, each, model.characters) for number, each in enumerate(inputs)]
    found = model.words(sentences, model.encoder.sentences(sentences))
    return [[_told(model, each, probabilities) for each in tags] for tags in found]


def _said(model: LabelModel, sequences: list[NDArray[Any]], probabilities: bool) -> Said:
    for number, each in enumerate(sequences):
        if not len(each):
            raise DataError(f"inputs: number {number} (the first is 0) is empty")
    if model.labelling.what == "labels":
        return [_told(model, each, probabilities) for each in model.labels(sequences)]
    return [[_told(model, each, probabilities) for each in tags] for tags in model.steps(sequences)]


def _told(model: LabelModel, found: Found, probabilities: bool) -> Any:
    return (found.label, model.by_label(found)) if probabilities else found.label


def _expect_texts(inputs: list[Any]) -> None:
    for number, each in enumerate(inputs):
        if not isinstance(each, str):
            raise UsageError(f"inputs: number {number} (the first is 0): expected a text, found {each!r:.40}")


def _words(number: int, given: Any, characters: bool) -> Sequence[str]:
    """The words of a sentence."""
    if characters and isinstance(given, str):
        given = list(given)
    which = f"inputs: number {number} (the first is 0)"
    if isinstance(given, str | bytes) or not isinstance(given, Sequence):
        expected = "a text" if characters else 'a list of words, such as "so it is".split()'
        raise UsageError(f"{which}: expected {expected}, found {given!r:.40}")
    if not all(isinstance(word, str) and word and (characters or not word.isspace()) for word in given):
        raise UsageError(f"{which}: expected words that are texts, none of them empty")
    if not given:
        raise DataError(f"{which} is empty")
    return given


def _rows(columns: Columns, inputs: list[Any]) -> list[NDArray[np.float32]]:
    """Rows as the model reads them."""
    if columns.clock:
        raise DataError("the model reads a clock, which rows have no time for; give a table to `gpurnn predict`")
    found = []
    for number, each in enumerate(inputs):
        which = f"inputs: number {number} (the first is 0)"
        try:
            rows = np.array(each, np.float32, ndmin=2)
        except (TypeError, ValueError):
            raise UsageError(f"{which}: expected rows of {columns.inputs} numbers, found {each!r:.40}") from None
        if rows.shape[1:] != (columns.inputs,) or np.isinf(rows).any():
            names = ", ".join(columns.names[:10])
            raise UsageError(f"{which}: expected (n, {columns.inputs}) numbers, none infinite, of {names}")
        columns.scaled(rows, rows)
        found.append(rows)
    return found
