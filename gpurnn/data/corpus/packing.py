"""The second pass of prepare: from the spool's provisional ids to the corpus file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.schema import Manifest
from gpurnn.data.corpus.sizes import MAX_STARTS, SplitSize, Symbols, index_type
from gpurnn.data.corpus.spool import Spool
from gpurnn.data.corpus.writer import CorpusWriter, Progress
from gpurnn.data.text.tokens import TextPolicy, Vocabulary


@dataclass
class Packer:
    """Writes splits and vocabulary into the file."""

    writer: CorpusWriter
    vocabulary: Vocabulary
    table: NDArray[np.int64]
    """The id of each provisional id."""
    train_counts: NDArray[np.int64]
    """How often each provisional id occurs in the train split."""
    spool: Spool
    progress: Progress
    unknown: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dtype = index_type(len(self.vocabulary))
        self.ids = self.table.astype(self.dtype)
        self.counts = np.zeros(len(self.vocabulary), np.int64)
        present = np.flatnonzero(self.train_counts)
        np.add.at(self.counts, self.table[present], self.train_counts[present])
        self.first = np.zeros(len(self.vocabulary), np.int64)

    def split(self, name: str, start: int, stop: int) -> SplitSize:
        """Writes the tokens start .. stop of the spool as a split; it begins with a document of its own."""
        self.unknown[name] = 0
        if stop == start:
            return SplitSize(0, 0)
        cut = self.spool.count_starts(start, start + 1) == 0
        size = SplitSize(stop - start, self.spool.count_starts(start, stop) + cut)
        self.writer.create(f"tokens/{name}", size.tokens, self.dtype)
        self.writer.create(f"documents/{name}", size.documents, np.dtype("<u8"))
        for position, block in self.spool.read(start, stop):
            ids = self.ids[block]
            starts = self.spool.starts_between(position, position + len(block))
            if cut and position == start:
                starts = np.concatenate(([start], starts))
            self.writer.append(f"tokens/{name}", ids)
            self.writer.append(f"documents/{name}", (starts - start).astype("<u8"))
            if name == "train":
                _add_counts(self.first, ids[starts - position])
            if self.vocabulary.unknown is not None:
                self.unknown[name] += int(np.count_nonzero(ids == self.vocabulary.unknown))
            self.progress("writing", position + len(block), self.spool.tokens)
        return size

    def finish(self, sizes: Mapping[str, SplitSize], policy: TextPolicy) -> Manifest:
        """Writes the vocabulary, its counts and the first symbols of documents, then the manifest."""
        data, offsets = self.vocabulary.to_arrays()
        symbols = np.flatnonzero(self.first)
        symbols = symbols[np.argsort(-self.first[symbols], kind="stable")][:MAX_STARTS]
        for name, values, dtype in (
            ("vocabulary/bytes", data, "u1"),
            ("vocabulary/offsets", offsets, "<u8"),
            ("vocabulary/counts", self.counts, "<u8"),
            ("starts/symbols", symbols, "<u4"),
            ("starts/counts", self.first[symbols], "<u8"),
        ):
            self.writer.create(name, len(values), np.dtype(dtype))
            self.writer.append(name, values.astype(dtype))
        manifest = Manifest(
            kind=self.vocabulary.kind,
            vocabulary=Symbols(len(self.vocabulary), len(data), self.vocabulary.kind, self.vocabulary.unknown),
            policy=policy,
            splits=sizes,
            starts=len(symbols),
            sha256=self.writer.digests(),
        )
        self.writer.finish(manifest)
        return manifest


def count_ids(spool: Spool, start: int, stop: int) -> NDArray[np.int64]:
    """How often each provisional id occurs in start .. stop of the spool, as long as the whole spool needs it."""
    total = np.zeros(spool.ceiling, np.int64)
    for _, block in spool.read(start, stop):
        _add_counts(total, block)
    return total


def _add_counts(total: NDArray[np.int64], ids: NDArray[Any]) -> None:
    found = np.bincount(ids)
    total[: len(found)] += found
