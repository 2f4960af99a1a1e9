"""Nameless temporary files that hold what the first pass found, until the vocabulary is known."""

import bisect
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Spool:
    """Provisional ids and document starts of a whole text, in two files without a name in `folder`.

    Nothing of them is left when the process ends, however it ends. Errors of the disk are OSError.
    """

    def __init__(self, folder: Path) -> None:
        self._tokens = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self._starts = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self._firsts: list[int] = []
        self._blocks: list[tuple[int, np.dtype[Any]]] = []
        self._bytes = 0
        self.tokens = 0
        self.documents = 0
        self.ceiling = 0
        """One more than the largest id."""

    def append(self, ids: NDArray[Any], starts: NDArray[np.int64]) -> None:
        """Adds ids, (n,), in the narrowest type that holds them; starts: (m,), counted from the first of these ids."""
        if len(starts):
            self._starts.write((starts + self.tokens).tobytes())
            self.documents += len(starts)
        if len(ids):
            largest = int(ids.max())
            self.ceiling = max(self.ceiling, largest + 1)
            narrow = ids.astype(np.min_scalar_type(largest), copy=False)
            self._tokens.write(narrow.data)
            self._firsts.append(self.tokens)
            self._blocks.append((self._bytes, narrow.dtype))
            self._bytes += narrow.nbytes
            self.tokens += len(ids)

    def read(self, start: int, stop: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """The ids start .. stop as they were added: the position of each block's first, and the block."""
        index = bisect.bisect_right(self._firsts, start) - 1
        while start < stop:
            first = self._firsts[index]
            end = self._firsts[index + 1] if index + 1 < len(self._firsts) else self.tokens
            place, dtype = self._blocks[index]
            self._tokens.seek(place + (start - first) * dtype.itemsize)
            count = min(end, stop) - start
            yield start, np.frombuffer(self._tokens.read(count * dtype.itemsize), dtype)
            start, index = start + count, index + 1

    def starts_between(self, start: int, stop: int) -> NDArray[np.int64]:
        """The positions of documents' first tokens in start .. stop, (n,) int64."""
        low, high = self._locate(start), self._locate(stop)
        self._starts.seek(8 * low)
        return np.frombuffer(self._starts.read(8 * (high - low)), np.int64)

    def count_starts(self, start: int, stop: int) -> int:
        """How many documents begin in start .. stop."""
        return self._locate(stop) - self._locate(start)

    def _locate(self, position: int) -> int:
        low, high = 0, self.documents
        while low < high:
            middle = (low + high) // 2
            self._starts.seek(8 * middle)
            value = int.from_bytes(self._starts.read(8), sys.byteorder)
            low, high = (middle + 1, high) if value < position else (low, middle)
        return low

    def close(self) -> None:
        """Gives the files back."""
        self._tokens.close()
        self._starts.close()
