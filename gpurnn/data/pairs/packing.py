"""The last pass over pairs and captions: the corpus file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.finishing import finish_corpus
from gpurnn.data.corpus.schema import Manifest
from gpurnn.data.corpus.sizes import SPLITS, SplitSize
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.corpus.writer import CorpusWriter, Progress, new_corpus
from gpurnn.data.labelled.tokens import TokenWriter
from gpurnn.data.pairs.options import What
from gpurnn.data.pairs.vectors import VectorFile
from gpurnn.data.text.tokens import TextPolicy

_BLOCK_BYTES = 1 << 20


class PairWriter:
    """Writes the splits as a corpus.

    target: what writes the targets, or the captions. source: what writes the sources, None of captions; vectors: those
    of captions.
    """

    def __init__(self, what: What, target: TokenWriter, source: TokenWriter | None, vectors: VectorFile | None) -> None:
        self._what, self._target, self._source, self._vectors = what, target, source, vectors

    def write(
        self,
        path: Path,
        force: bool,
        orders: Sequence[NDArray[Any]],
        policy: TextPolicy,
        counts: Mapping[str, NDArray[np.int64]],
        progress: Progress,
    ) -> Manifest:
        """Writes and verifies the file, and gives it its name.

        orders: the pairs of each split. counts: of the vocabularies in the train split.
        """
        source = None if self._source is None else self._source.vocabulary
        with new_corpus(path, replace=force, progress=progress) as writer:
            sizes = {name: self._split(writer, name, order) for name, order in zip(SPLITS, orders, strict=True)}
            tables = Tables(vocabulary=self._target.vocabulary, source=source)
            width = 0 if self._vectors is None else self._vectors.width
            return finish_corpus(writer, self._what, sizes, tables, policy=policy, counts=counts, vectors=width)

    def _split(self, writer: CorpusWriter, name: str, order: NDArray[Any]) -> SplitSize:
        if not len(order):
            return SplitSize(0, 0)
        steps = self._target.split(writer, name, order)
        source = 0 if self._source is None else self._source.split(writer, name, order)
        if self._vectors is not None:
            writer.create(f"vectors/{name}", len(order) * self._vectors.width, np.dtype("<f4"))
            step = max(1, _BLOCK_BYTES // (4 * self._vectors.width))
            for first in range(0, len(order), step):
                rows = self._vectors.rows(order[first : first + step].tolist())
                writer.append(f"vectors/{name}", rows.astype("<f4").reshape(-1))
        return SplitSize(steps, len(order), source)


def writing_of(whole: int, progress: Progress) -> Callable[[int], None]:
    """What tells how much of so many tokens is written."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("writing", done, whole)

    return advance
