"""Stretches go to the splits by time; each split waits in a file without a name until the corpus is written."""

import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.series.grid import Piece

_BLOCK_BYTES = 1 << 22


class SplitRows:
    """The rows of a split and its documents. len: rows. keys, starts: of each document, as in the corpus.

    missing: (F,) int64, how many numbers of each column are. Errors of the disk are OSError.
    """

    def __init__(self, folder: Path, columns: int) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self._columns = columns
        self._count = 0
        self.documents, self.keys, self.starts = array("Q"), array("I"), array("q")
        self.missing = np.zeros(columns, np.int64)
        self.end = 0
        """The time after the last row of all."""

    def __len__(self) -> int:
        return self._count

    def append(self, values: NDArray[np.float32], end: int) -> None:
        """Adds rows, (n, F). end: the time after them."""
        self._file.write(np.ascontiguousarray(values).data)
        self._count += len(values)
        self.missing += np.isnan(values).sum(axis=0)
        self.end = max(self.end, end)

    @property
    def longest(self) -> int:
        """Rows of the longest document, 0 without any."""
        edges = np.append(np.array(self.documents, np.int64), self._count)
        return int(np.diff(edges).max(initial=0))

    def begin(self, key: int, time: int) -> None:
        """A document begins with the next row."""
        self.documents.append(self._count)
        self.keys.append(key)
        self.starts.append(time)

    def read(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """All rows in blocks, each with the number of its first. All are added before any is read."""
        self._file.seek(0)
        size = max(1, _BLOCK_BYTES // (4 * self._columns))
        for first in range(0, self._count, size):
            count = min(size, self._count - first)
            data = self._file.read(4 * self._columns * count)
            if len(data) < 4 * self._columns * count:
                raise OSError("a temporary file is shorter than what was written to it")
            yield first, np.frombuffer(data, np.float32).reshape(count, self._columns)

    def times(self, first: int, count: int, interval: int) -> NDArray[np.int64]:
        """The times of the rows first .. first + count, (count,), seconds since 1970."""
        documents = np.frombuffer(self.documents, np.uint64).astype(np.int64)
        rows = np.arange(first, first + count, dtype=np.int64)
        mine = np.searchsorted(documents, rows, "right") - 1
        return np.frombuffer(self.starts, np.int64)[mine] + (rows - documents[mine]) * interval

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()


class Splitter:
    """Cuts stretches where a split ends, the same instant for all keys, and hands each part to its split.

    borders: the times at which the second and the later splits begin.
    """

    def __init__(self, splits: list[SplitRows], borders: list[int], interval: int) -> None:
        self._splits = splits
        self._borders = borders
        self._interval = interval
        self._open: SplitRows | None = None

    def add(self, key: int, piece: Piece) -> list[tuple[int, bool, NDArray[np.float32]]]:
        """Adds rows of a key; says to which split each part of them went, and whether a document begins with it."""
        if piece.begins:
            self._open = None
        parts = []
        time, values = piece.time, piece.values
        for number, (split, border) in enumerate(zip(self._splits, [*self._borders, None], strict=True)):
            left = len(values) if border is None else min(len(values), max(0, -((time - border) // self._interval)))
            if not left:
                continue
            begins = self._open is not split
            if begins:
                split.begin(key, time)
                self._open = split
            time += left * self._interval
            split.append(values[:left], time)
            parts.append((number, begins, values[:left]))
            values = values[left:]
        return parts
