"""A file of vectors: the text that a model makes of each, a line each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from gpurnn.data.pairs.vectors import VectorFile
from gpurnn.generation.fromvector import open_vectors
from gpurnn.generation.inorder import chunks
from gpurnn.generation.paired_texts import SCORE, TARGET, shown, value_of
from gpurnn.generation.pairs import PairModel
from gpurnn.generation.texts import encoded

_AT_ONCE = 1 << 10
"""Vectors that are read at once."""


class CaptionPredictions:
    """The texts of the vectors in a .npy file, a line each; of several of a vector one after the other.

    scores: whether the logarithm of the probability of each is there, too. jsonl: whether each line is a JSON object,
    which says the row, from 0, too. cut: how many texts came to no end; first_cut: of which row the first is.
    Raises DataError where the file holds no vectors, or such of another length.
    """

    def __init__(self, model: PairModel, path: Path, *, scores: bool = False, jsonl: bool = False) -> None:
        self._model, self._path, self._json = model, path, jsonl
        self._names = [TARGET, *([SCORE] if scores else ())]
        self.cut, self.first_cut = 0, ""

    def lines(self) -> Iterator[str]:
        """Whole lines with their ends, several at once. Raises DataError, GpurnnError."""
        with closing(open_vectors(self._path, self._model.language)) as file:
            yield from chunks(self._lines(file))

    def _lines(self, file: VectorFile) -> Iterator[str]:
        for first in range(0, file.count, _AT_ONCE):
            rows = range(first, min(first + _AT_ONCE, file.count))
            for row, found in zip(rows, self._model.made(file.rows(rows)), strict=True):
                for made in found:
                    if not made.ended:
                        self.cut += 1
                        self.first_cut = self.first_cut or f"{self._path}, row {row:,} (the first is 0)"
                    if self._json:
                        yield encoded({"row": row} | {name: value_of(made, name) for name in self._names}) + "\n"
                    else:
                        yield "\t".join(shown(made, name) for name in self._names) + "\n"
