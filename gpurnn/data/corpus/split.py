"""One of the splits of an open corpus: what its steps, its documents and their targets are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.chunks import ChunkedData, Descriptor
from gpurnn.data.corpus.readers import Documents, Indexes, Reals
from gpurnn.data.corpus.schema import Manifest
from gpurnn.exceptions import CorpusError, DataError

FIRST_TIME, LAST_TIME = -62_135_596_800, 253_402_300_799
"""Seconds since 1970 of the first second of the year 1, and of the last of 9999."""
_NO_TIMES = f"expected times of the years 1 to 9999, {FIRST_TIME} to {LAST_TIME} seconds since 1970"


class Split:
    """What one split holds. len: its steps, tokens or rows. path, name: for messages.

    documents: where they begin. symbols: K, what tokens are below; 0 without tokens. inputs: F, numbers of a row; 0
    without rows. numbers: V, of the vector of each document; 0 without vectors. Raises CorpusError when the file
    changed or was closed while it is read.
    """

    def __init__(
        self, name: str, descriptor: Descriptor, manifest: Manifest, datasets: Mapping[str, ChunkedData]
    ) -> None:
        self.name = name
        self.path = descriptor.path
        self._descriptor = descriptor
        self._manifest = manifest
        self._datasets = datasets
        self._where = f"{self.path}: split {name}"
        self._size = manifest.splits[name]
        self.symbols = 0 if manifest.vocabulary is None else manifest.vocabulary.count
        self.inputs = 0 if manifest.columns is None else manifest.columns.count
        self.numbers = manifest.vectors
        self.documents = Documents(self._data("documents"), f"{self.path}, split {name}")
        self._tokens = Indexes(self._data("tokens"), self.symbols, self._where, ("token", "vocabulary"))
        self._rows = Reals(self._data("reals"), self.inputs, self._where, missing=True)
        self.dtype = self._tokens.dtype

    def _data(self, name: str) -> ChunkedData | None:
        return self._datasets.get(f"{name}/{self.name}")

    def __len__(self) -> int:
        return self._size.steps

    def read(self, start: int, out: NDArray[Any]) -> None:
        """Overwrites out, (n,) contiguous of `dtype`, with the tokens start .. start + n.

        Raises CorpusError when the file is damaged, DataError when the corpus has no tokens.
        """
        if not self.symbols:
            raise self._lacks("tokens")
        self._tokens.read(start, out)

    def read_rows(self, start: int, out: NDArray[np.float32]) -> None:
        """Overwrites out, (n, F) float32, contiguous, with the rows start .. start + n as they were measured.

        NaN is a missing number. Raises CorpusError when the file is damaged, an infinite number among it; DataError
        when the corpus has no rows.
        """
        if not self.inputs:
            raise self._lacks("rows of numbers")
        self._rows.read(start, out)

    def keys(self, first: int = 0, count: int | None = None) -> NDArray[np.int64]:
        """Which series, or which file, each document is of, (n,) int64: from the first on, all of them or `count`."""
        if self._manifest.keys is None:
            raise self._lacks("keys")
        called = ("key", "list of names")
        keys = Indexes(self._data("keys"), self._manifest.keys.count, self._where, called)
        return self._read(keys, first, count)

    def starts(self, first: int = 0, count: int | None = None) -> NDArray[np.int64]:
        """When each document begins, (n,) int64 seconds since 1970 in UTC: from the first on, all or `count`."""
        if self._manifest.keys is None or not self._manifest.shape.times:
            raise self._lacks("times")
        data = self._data("starts")
        out = np.empty(self._count(first, count), np.int64)
        if data is not None and len(out):
            data.read(first, out)
            if int(out.min()) < FIRST_TIME or int(out.max()) > LAST_TIME:
                raise CorpusError(f"{self._where} has a time that is none; {_NO_TIMES}")
        return out

    def _count(self, first: int, count: int | None) -> int:
        return len(self.documents) - first if count is None else count

    def _read(self, indexes: Indexes, first: int, count: int | None) -> NDArray[np.int64]:
        out = np.empty(self._count(first, count), indexes.dtype)
        indexes.read(first, out)
        return out.astype(np.int64)

    @property
    def targets(self) -> Indexes:
        """The labels that are stored: of each step, of each document, or the strings of all documents in a row."""
        if self._manifest.labels is None:
            raise self._lacks("labels")
        return Indexes(self._data("targets"), self._manifest.labels.count, self._where, ("label", "list of labels"))

    @property
    def labelled(self) -> str:
        """What has a label each: "steps", "documents", or "strings"; "" where nothing has."""
        return self._manifest.shape.labels

    def target_strings(self, first: int, count: int) -> NDArray[np.int64]:
        """Where the strings of labels of the documents first .. first + count lie, (count+1,) int64: from, ..., to."""
        data = self._data("targets_offsets")
        if data is None:
            raise self._lacks("strings of labels")
        out = np.empty(count + 1, np.int64)
        data.read(first, out.view(np.uint64))
        if int(out[0]) < 0 or (out[1:] < out[:-1]).any() or int(out[-1]) > self._size.strings:
            raise CorpusError(f"{self._where}: the strings of labels are not in order; prepare the corpus again")
        return out

    @property
    def vectors(self) -> Reals:
        """A vector for each document."""
        if not self._manifest.vectors:
            raise self._lacks("vectors")
        return Reals(self._data("vectors"), self._manifest.vectors, self._where, missing=False)

    @property
    def source(self) -> Indexes:
        """The tokens of the other side of pairs."""
        if self._manifest.source is None:
            raise self._lacks("other side")
        called = ("token of the source", "vocabulary of the source")
        return Indexes(self._data("source"), self._manifest.source.count, self._where, called)

    @property
    def source_documents(self) -> Documents:
        """Where the other sides of pairs begin."""
        if self._manifest.source is None:
            raise self._lacks("other side")
        return Documents(self._data("source_documents"), f"{self._where}, source")

    def independent(self) -> Split:
        """The same split on a descriptor of its own, which closing the corpus does not touch."""
        own = self._descriptor.duplicate()
        datasets = {path: data.on(own) for path, data in self._datasets.items() if path.endswith(f"/{self.name}")}
        return Split(self.name, own, self._manifest, datasets)

    def _lacks(self, what: str) -> DataError:
        return DataError(f"{self.path}: it holds {self._manifest.shape.called}, no {what}")
