"""Texts that are drawn from a vector, symbol by symbol, until they end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.pairs.language import PairLanguage
from gpurnn.data.pairs.vectors import VectorFile
from gpurnn.exceptions import DataError, UsageError
from gpurnn.generation.generate import Generator
from gpurnn.generation.pieces import TextMaker
from gpurnn.generation.sampler import Sampler
from gpurnn.network import Model
from gpurnn.settings import Natural, checked
from gpurnn.training.decoderlanes import DecoderLanes
from gpurnn.training.load import Trained
from gpurnn.training.meaning import kind_of


class VectorGenerator(TextMaker):
    """Makes texts from a vector, (V,) finite numbers. Raises UsageError for another one."""

    def __init__(self, model: Model, language: PairLanguage, vector: Any) -> None:
        super().__init__(language.vocabulary, language.policy, language.symbols)
        self._vector, self._end = vector_of(language, vector, "vector"), language.end
        self._lanes = DecoderLanes(model, 1, 1)

    def _shown(self, text: str) -> str:
        """White space is what parts them."""
        return " ".join(text.split())

    def _symbols(self, sampler: Sampler) -> Iterator[int]:
        self._lanes.begin([self._vector])
        text, symbol = self._begun(), self._end
        while True:
            self._expect(text)
            symbol = sampler.draw(self._lanes.step(np.array([symbol], np.int32))[0])
            if symbol == self._end:
                return
            yield symbol


def generator_of(trained: Trained, vector: Any | None, *, prompted: bool) -> Generator | VectorGenerator:
    """What makes texts with a model: from a vector with one of captions, from a prompt with one of text.

    prompted: whether a prompt was given. Raises UsageError for one that is too many, and where there is no vector or
    one too many; DataError for models of other things.
    """
    if vector is not None:
        if prompted:
            raise UsageError("`vector`: the text begins with what is made from it; give it no prompt")
        return VectorGenerator(trained.model, captions_of(trained), vector)
    if kind_of(trained.meaning) == "captions":
        raise UsageError("a model of captions makes texts from vectors; give `vector`")
    return Generator(trained.model, trained.language)


def captions_of(trained: Trained) -> PairLanguage:
    """What a model of captions makes. Raises UsageError for a model of something else."""
    meaning = trained.meaning
    if not (isinstance(meaning, PairLanguage) and meaning.vectors):
        path = trained.checkpoint.path
        raise UsageError(f"`vector`: {path} is a model of {kind_of(meaning)}, not of captions; leave it out")
    return meaning


def vector_of(language: PairLanguage, given: Any, name: str) -> NDArray[np.float32]:
    """A vector that a model can read, (V,). name: of what was given. Raises UsageError for what is none."""
    try:
        vector = np.array(given, np.float32)
    except (TypeError, ValueError):
        vector = np.zeros(0, np.float32)
    if vector.shape != (language.vectors,) or not np.isfinite(vector).all():
        raise UsageError(f"{name}: expected {language.vectors} finite numbers")
    return vector


def open_vectors(path: Path, language: PairLanguage) -> VectorFile:
    """A file of vectors that a model can read. Raises DataError for others."""
    file = VectorFile(path)
    if file.width != language.vectors:
        file.close()
        raise DataError(f"{path}: its vectors have {file.width:,} numbers, the model reads {language.vectors:,}")
    return file


def read_vector(path: Path, row: int, language: PairLanguage) -> NDArray[np.float32]:
    """A row of such a file, the first one is 0. Raises DataError, and UsageError for one that is not there."""
    with closing(open_vectors(path, language)) as file:
        if not checked("`row`", Natural, row) < file.count:
            raise UsageError(f"`row={row}`: {path} has {file.count:,} rows, the first one is 0")
        found: NDArray[np.float32] = file.rows([row])[0]
        return found
