"""What a checkpoint keeps of its corpus, so that its model can be used without it.

Tensors: `vocabulary.data`, `vocabulary.offsets` of symbols; `starts.symbols`, `starts.counts`, how documents of the
train split of a text begin; `columns.*` of rows; `labels.*` of labels and tags, and of those of frames;
`source_vocabulary.*` of pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpurnn.data.frames.transcription import Transcription
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.pairs.language import PairLanguage
from gpurnn.data.series.columns import Columns
from gpurnn.data.text.language import Language
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import CheckpointError, DataError
from gpurnn.runs.checkpoint import Checkpoint

Meaning = Language | Columns | Labelling | PairLanguage | Transcription
"""What the steps of a model are, and what it says of them: of text, series, labels and tags, pairs, frames."""


def kind_of(meaning: Meaning) -> str:
    """What a model was trained on, in a word: text, series, labels, tags, pairs, captions or frames."""
    if isinstance(meaning, Labelling):
        return meaning.what
    if isinstance(meaning, PairLanguage):
        return "captions" if meaning.source is None else "pairs"
    if isinstance(meaning, Transcription):
        return "frames"
    return "series" if isinstance(meaning, Columns) else "text"


def in_words(kind: str) -> str:
    """A kind as messages call it."""
    return "measured series" if kind == "series" else kind


def described(meaning: Meaning) -> dict[str, Any]:
    """What headers say of it under `corpus`."""
    return {"columns": meaning.to_json()} if isinstance(meaning, Columns) else meaning.to_json()


def load_meaning(checkpoint: Checkpoint) -> Meaning:
    """What a checkpoint keeps of its corpus. Raises CheckpointError."""
    known = checkpoint.section("corpus")
    if "arrays" in known:
        raise CheckpointError(
            f"{checkpoint.path}: a model of arrays, which gpurnn.fit made; gpurnn.api.arrays.Fitted.load reads it"
        )
    try:
        if "labelled" in known:
            return Labelling.from_json(known, checkpoint.tensors, "corpus")
        if "vectors" in known:
            return PairLanguage.from_json(known, checkpoint.tensors, "corpus")
        if "frames" in known:
            return Transcription.from_json(known, checkpoint.tensors, "corpus")
        if "columns" in known:
            return Columns.from_json(known["columns"], checkpoint.tensors, "corpus")
        return load_language(checkpoint)
    except DataError as error:
        raise CheckpointError(f"{checkpoint.path}: {error}") from None


def load_language(checkpoint: Checkpoint) -> Language:
    """What turns text into a checkpoint's symbols and back."""
    corpus = checkpoint.section("corpus")
    try:
        vocabulary = Vocabulary.from_arrays(
            corpus["tokens"],
            checkpoint.tensor("vocabulary.data"),
            checkpoint.tensor("vocabulary.offsets"),
            corpus["unknown"],
        )
        policy = TextPolicy.from_json(corpus["policy"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{checkpoint.path}: corpus: {error} is missing or of another type") from None
    symbols, counts = checkpoint.tensor("starts.symbols"), checkpoint.tensor("starts.counts")
    alike = symbols.shape == counts.shape == (symbols.size,)
    whole = symbols.dtype.kind in "iu" and counts.dtype.kind in "iu"
    if not (alike and whole and np.all((symbols >= 0) & (symbols < len(vocabulary)) & (counts > 0))):
        raise CheckpointError(f"{checkpoint.path}: starts: expected symbols of the vocabulary and a count for each")
    return Language(vocabulary, policy, symbols, counts)
