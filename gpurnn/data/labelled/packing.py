"""The last pass over labelled texts: counts by split, then the corpus file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.finishing import finish_corpus
from gpurnn.data.corpus.packing import Progress
from gpurnn.data.corpus.schema import Manifest
from gpurnn.data.corpus.sizes import SPLITS, SplitSize, index_type
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.corpus.writer import CorpusWriter, new_corpus
from gpurnn.data.labelled.options import What
from gpurnn.data.labelled.store import Store
from gpurnn.data.text.tokens import TextPolicy, Vocabulary

_BLOCK = 1 << 16


def count_by_split(store: Store, orders: Sequence[NDArray[Any]], ceiling: int, tags: bool = False) -> NDArray[np.int64]:
    """How often each provisional id, or each tag, below `ceiling` occurs in each split, (splits, ceiling)."""
    edges = store.edges
    split_of = np.zeros(len(edges) - 1, np.uint8)
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


@dataclass
class LabelledWriter:
    """Writes the splits as a corpus. ids, numbers: the id of each provisional id, and that of each label's number."""

    what: What
    store: Store
    vocabulary: Vocabulary
    ids: NDArray[np.int64]
    labels: tuple[str, ...]
    numbers: NDArray[np.int64]
    progress: Progress
    longest: int = 0
    written: int = 0

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
        self.unknown = dict.fromkeys(SPLITS, 0)
        with new_corpus(target, replace=force) as writer:
            sizes = {name: self._split(writer, name, order) for name, order in zip(SPLITS, orders, strict=True)}
            tables = Tables(vocabulary=self.vocabulary, labels=self.labels)
            manifest = finish_corpus(writer, self.what, sizes, tables, policy=policy, counts=counts)
            self.progress("verifying", 0, 0)
            writer.verify(target)
            writer.publish()
        return manifest, self.unknown

    def _split(self, writer: CorpusWriter, name: str, order: NDArray[Any]) -> SplitSize:
        if not len(order):
            return SplitSize(0, 0)
        steps = self._documents(writer, name, order)
        ids = self.ids.astype(index_type(len(self.vocabulary)))
        writer.create(f"tokens/{name}", steps, ids.dtype)
        for block in self.store.ordered(order):
            tokens = ids[block]
            writer.append(f"tokens/{name}", tokens)
            if self.vocabulary.unknown is not None:
                self.unknown[name] += int(np.count_nonzero(tokens == self.vocabulary.unknown))
            self.written += len(block)
            self.progress("writing", self.written, self.store.tokens)
        self._targets(writer, name, order, steps)
        return SplitSize(steps, len(order))

    def _documents(self, writer: CorpusWriter, name: str, order: NDArray[Any]) -> int:
        """Writes where documents begin; returns their tokens."""
        edges, position = self.store.edges, 0
        writer.create(f"documents/{name}", len(order), np.dtype("<u8"))
        for first in range(0, len(order), _BLOCK):
            chosen = order[first : first + _BLOCK]
            lengths = edges[chosen + 1] - edges[chosen]
            ends = position + np.cumsum(lengths)
            writer.append(f"documents/{name}", (ends - lengths).astype("<u8"))
            position = int(ends[-1])
            self.longest = max(self.longest, int(lengths.max()))
        return position

    def _targets(self, writer: CorpusWriter, name: str, order: NDArray[Any], steps: int) -> None:
        numbers = self.numbers.astype(index_type(len(self.labels)))
        path = f"targets/{name}"
        if self.what == "tags":
            writer.create(path, steps, numbers.dtype)
            for block in self.store.ordered(order, tags=True):
                writer.append(path, numbers[block])
            return
        writer.create(path, len(order), numbers.dtype)
        labels = np.frombuffer(self.store.labels, np.uintc)
        for first in range(0, len(order), _BLOCK):
            writer.append(path, numbers[labels[order[first : first + _BLOCK]]])
