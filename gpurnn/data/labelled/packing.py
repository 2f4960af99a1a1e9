"""The last pass over labelled texts: counts by split, then the corpus file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.finishing import finish_corpus
from gpurnn.data.corpus.schema import Manifest
from gpurnn.data.corpus.sizes import SPLITS, SplitSize, index_type
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.corpus.writer import CorpusWriter, Progress, new_corpus
from gpurnn.data.labelled.options import What
from gpurnn.data.labelled.store import Store
from gpurnn.data.labelled.tokens import TokenWriter
from gpurnn.data.text.tokens import TextPolicy, Vocabulary

_BLOCK = 1 << 16


def count_by_split(store: Store, orders: Sequence[NDArray[Any]], ceiling: int, tags: bool = False) -> NDArray[np.int64]:
    """How often each provisional id, or each tag, below `ceiling` occurs in each split, (splits, ceiling).

    orders: the documents of each split; those of none are not counted.
    """
    edges = store.edges
    split_of = np.full(len(edges) - 1, len(orders), np.uint8)
    for number, order in enumerate(orders):
        split_of[order] = number
    total = np.zeros((len(orders), ceiling), np.int64)
    for position, block in store.all(tags):
        end = position + len(block)
        low, high = np.searchsorted(edges, position, "right") - 1, np.searchsorted(edges, end, "left")
        inside: NDArray[np.int64] = np.clip(edges[low : high + 1], position, end)
        splits = np.repeat(split_of[low:high], inside[1:] - inside[:-1])
        for number in range(len(orders)):
            found = np.bincount(block[splits == number])
            total[number, : len(found)] += found
    return total


class LabelledWriter:
    """Writes the splits as a corpus. ids, numbers: the id of each provisional id, and that of each label's number."""

    def __init__(
        self,
        what: What,
        store: Store,
        vocabulary: Vocabulary,
        ids: NDArray[np.int64],
        labels: tuple[str, ...],
        numbers: NDArray[np.int64],
        progress: Progress,
    ) -> None:
        self._what, self._store, self._labels, self._numbers, self._progress = what, store, labels, numbers, progress
        self._tokens = TokenWriter(store, vocabulary, ids, self._advance)
        self._written = 0

    @property
    def longest(self) -> int:
        """Tokens of the longest document."""
        return self._tokens.longest

    def write(
        self,
        target: Path,
        force: bool,
        orders: Sequence[NDArray[Any]],
        policy: TextPolicy,
        counts: Mapping[str, NDArray[np.int64]],
    ) -> tuple[Manifest, dict[str, int]]:
        """Writes and verifies the file, and gives it its name; the manifest, and unknown tokens by split.

        orders: the documents of each split. counts: of the vocabulary and of the labels, in the train split.
        """
        with new_corpus(target, replace=force, progress=self._progress) as writer:
            sizes = {name: self._split(writer, name, order) for name, order in zip(SPLITS, orders, strict=True)}
            tables = Tables(vocabulary=self._tokens.vocabulary, labels=self._labels)
            manifest = finish_corpus(writer, self._what, sizes, tables, policy=policy, counts=counts)
        return manifest, self._tokens.unknown

    def _advance(self, count: int) -> None:
        self._written += count
        self._progress("writing", self._written, self._store.tokens)

    def _split(self, writer: CorpusWriter, name: str, order: NDArray[Any]) -> SplitSize:
        if not len(order):
            return SplitSize(0, 0)
        steps = self._tokens.split(writer, name, order)
        self._targets(writer, name, order, steps)
        return SplitSize(steps, len(order))

    def _targets(self, writer: CorpusWriter, name: str, order: NDArray[Any], steps: int) -> None:
        numbers = self._numbers.astype(index_type(len(self._labels)))
        path = f"targets/{name}"
        if self._what == "tags":
            writer.create(path, steps, numbers.dtype)
            for block in self._store.ordered(order, tags=True):
                writer.append(path, numbers[block])
            return
        writer.create(path, len(order), numbers.dtype)
        labels = np.frombuffer(self._store.labels, np.uintc)
        for first in range(0, len(order), _BLOCK):
            writer.append(path, numbers[labels[order[first : first + _BLOCK]]])
