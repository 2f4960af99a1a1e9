"""Reads the whole of a corpus: whether it is as it was written, and whether its numbers fit each other."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from gpurnn.data.corpus.chunks import ChunkedData
from gpurnn.data.corpus.readers import Documents, Indexes, Reals
from gpurnn.data.corpus.schema import Manifest
from gpurnn.data.corpus.sizes import SPLITS
from gpurnn.data.corpus.split import LAST_TIME, Split
from gpurnn.exceptions import CorpusError

_BLOCK = 1 << 17
"""Entries that a pass over a whole dataset reads at once."""


def verify_corpus(
    path: Path, manifest: Manifest, datasets: Mapping[str, ChunkedData], split: Callable[[str], Split]
) -> None:
    """Raises CorpusError where data do not have the digests in the file, or are not in order."""
    for name, data in datasets.items():
        digest = hashlib.sha256()
        for start, count in _blocks(len(data)):
            block = np.empty(count, data.dtype)
            data.read(start, block)
            digest.update(block.data)
        if digest.hexdigest() != manifest.sha256[name]:
            raise CorpusError(f"{path}: {name} does not have the SHA-256 in the file; it was damaged")
    for name in SPLITS:
        if manifest.splits[name].steps:
            _Check(path, manifest, split(name)).all()


class _Check:
    """Of one split that is not empty."""

    def __init__(self, path: Path, manifest: Manifest, split: Split) -> None:
        self.path, self.manifest, self.split = path, manifest, split
        self.size = manifest.splits[split.name]

    def all(self) -> None:
        """Everything that its kind has."""
        split, manifest = self.split, self.manifest
        if manifest.vocabulary is not None:
            for start, count in _blocks(len(split)):
                split.read(start, np.empty(count, split.dtype))
        if manifest.columns is not None:
            for start, count in _blocks(len(split), split.inputs):
                split.read_rows(start, np.empty((count, split.inputs), np.float32))
        self._documents(split.documents, len(split), "")
        if manifest.source is not None:
            self._indexes(split.source)
            self._documents(split.source_documents, self.size.source, " of the source")
        if manifest.labels is not None:
            self._indexes(split.targets)
            if manifest.shape.labels == "strings":
                self._strings()
        if manifest.vectors:
            self._reals(split.vectors)
        if manifest.keys is not None and manifest.shape.times:
            self._series()
        elif manifest.keys is not None:
            for first, count in _blocks(self.size.documents):
                split.keys(first, count)

    def _documents(self, documents: Documents, end: int, of: str) -> None:
        previous = -1
        for first, count in _blocks(len(documents)):
            starts = np.empty(count, np.uint64)
            documents.read(first, starts)
            rising = bool((starts[1:] > starts[:-1]).all()) and int(starts[0]) > previous
            previous = int(starts[-1])
            if not rising or previous >= end or (first == 0 and int(starts[0]) != 0):
                raise self._wrong(f"the documents{of} of split {self.split.name} are not in order")

    def _indexes(self, indexes: Indexes) -> None:
        for start, count in _blocks(len(indexes)):
            indexes.read(start, np.empty(count, indexes.dtype))

    def _reals(self, reals: Reals) -> None:
        for start, count in _blocks(len(reals), reals.width):
            reals.read(start, np.empty((count, reals.width), np.float32))

    def _strings(self) -> None:
        previous = 0
        for first, count in _blocks(self.size.documents):
            edges = self.split.target_strings(first, count)
            if int(edges[0]) != previous:
                raise self._wrong(f"the strings of labels of split {self.split.name} do not begin with 0")
            previous = int(edges[-1])
        if previous != self.size.strings:
            raise self._wrong(f"the strings of labels of split {self.split.name} end at {previous}")

    def _series(self) -> None:
        """Keys and times; of a series the stretches of a key follow each other, key by key."""
        interval = int((self.manifest.columns.about if self.manifest.columns is not None else {})["interval"])
        key, free = -1, 0  # of the document before, and the first time after it
        for first, count in _blocks(self.size.documents):
            keys, starts = self.split.keys(first, count), self.split.starts(first, count)
            edges = np.full(count + 1, len(self.split), np.uint64)
            self.split.documents.read(first, edges[: min(count + 1, self.size.documents - first)])
            ends = starts + np.diff(edges.astype(np.int64)) * interval
            if int(ends.max()) - interval > LAST_TIME:
                raise self._wrong(f"split {self.split.name} ends after the year 9999")
            if self.manifest.kind != "series":
                continue
            before = np.append(key, keys[:-1])
            order = (keys > before) | ((keys == before) & (starts >= np.append(free, ends[:-1])))
            if not order.all():
                number = first + int(np.argmin(order))
                raise self._wrong(f"document {number} of split {self.split.name} is not after the one before")
            key, free = int(keys[-1]), int(ends[-1])

    def _wrong(self, reason: str) -> CorpusError:
        return CorpusError(f"{self.path}: {reason}")


def _blocks(count: int, width: int = 1) -> Iterator[tuple[int, int]]:
    """Where each block of `count` rows begins, and its rows."""
    step = max(1, _BLOCK // width)
    return ((start, min(step, count - start)) for start in range(0, count, step))
