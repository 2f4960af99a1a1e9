"""Documents on their way: their tokens, and their labels or tags, in files without a name."""

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.spool import Spool

_BLOCK = 1 << 16
"""About so many tokens are written at once."""


class _Gathered:
    """A spool that many small arrays are added to."""

    def __init__(self, folder: Path) -> None:
        self.spool = Spool(folder)
        self._ids: list[NDArray[Any]] = []
        self._starts: list[NDArray[np.int64]] = []
        self._count = 0

    def append(self, ids: NDArray[Any], starts: NDArray[np.int64]) -> None:
        """As of a spool."""
        if len(starts):
            self._starts.append(starts + self._count)
        if len(ids):
            self._ids.append(ids)
            self._count += len(ids)
        if self._count >= _BLOCK:
            self.flush()

    def flush(self) -> None:
        """Hands on what was gathered."""
        if self._ids:
            starts = np.concatenate(self._starts) if self._starts else np.zeros(0, np.int64)
            self.spool.append(np.concatenate(self._ids), starts)
            self._ids, self._starts, self._count = [], [], 0

    @property
    def tokens(self) -> int:
        """How many were added."""
        return self.spool.tokens + self._count


class Store:
    """Provisional ids of the tokens of documents, and numbers of a label of each document, or of a tag of each token.

    folder: where they are, in files without a name. tagged: whether it is a tag of each token. labels: of the
    documents, 4 bytes each in memory, as the caller adds them.
    """

    def __init__(self, folder: Path, *, tagged: bool) -> None:
        self._tokens = _Gathered(folder)
        self._tags = _Gathered(folder) if tagged else None
        self.labels = array("I")
        self._starts: NDArray[np.int64] | None = None

    def append(self, ids: NDArray[Any], starts: NDArray[np.int64], tags: NDArray[Any] | None = None) -> None:
        """Adds tokens, (n,); starts: which of these begin a document; tags: (n,), where each has one."""
        self._tokens.append(ids, starts)
        if self._tags is not None and tags is not None:
            self._tags.append(tags, np.zeros(0, np.int64))

    @property
    def tokens(self) -> int:
        """How many there are."""
        return self._tokens.tokens

    @property
    def ceiling(self) -> int:
        """One more than the largest id."""
        return self._tokens.spool.ceiling

    @property
    def documents(self) -> int:
        """How many there are, as of the last `flush`."""
        return self._tokens.spool.documents

    def flush(self) -> None:
        """Makes sure that `documents` counts all so far."""
        for gathered in (self._tokens, self._tags):
            if gathered is not None:
                gathered.flush()

    def finish(self) -> None:
        """Says that all are there."""
        self.flush()
        spool = self._tokens.spool
        self._starts = np.append(spool.starts_between(0, spool.tokens), spool.tokens)

    @property
    def edges(self) -> NDArray[np.int64]:
        """Where each document begins, and the end of the last one, (documents + 1,); once all are there."""
        assert self._starts is not None
        return self._starts

    def all(self, tags: bool = False) -> Iterator[tuple[int, NDArray[Any]]]:
        """The ids of tokens, or their tags, in the order in which they came: position and block."""
        spool = self._spool(tags)
        return spool.read(0, spool.tokens)

    def ordered(self, order: NDArray[Any], tags: bool = False) -> Iterator[NDArray[Any]]:
        """The same of these documents alone, in this order, in blocks."""
        spool, edges = self._spool(tags), self.edges
        held: list[NDArray[Any]] = []
        count = 0
        for first in range(0, len(order), _BLOCK):
            chosen = order[first : first + _BLOCK]
            for start, stop in zip(edges[chosen].tolist(), edges[chosen + 1].tolist(), strict=True):
                for _, block in spool.read(start, stop):
                    held.append(block)
                    count += len(block)
                    if count >= _BLOCK:
                        yield np.concatenate(held)
                        held, count = [], 0
        if held:
            yield np.concatenate(held)

    def _spool(self, tags: bool) -> Spool:
        if not tags:
            return self._tokens.spool
        assert self._tags is not None
        return self._tags.spool

    def close(self) -> None:
        """Gives the files back."""
        for gathered in (self._tokens, self._tags):
            if gathered is not None:
                gathered.spool.close()
