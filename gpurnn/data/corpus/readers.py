"""What the datasets of a split are read by: each looks over what it hands out, which a stranger may have written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.chunks import ChunkedData
from gpurnn.exceptions import CorpusError


class Documents:
    """Where the documents of a split begin: rising positions of steps, the first one 0, looked up in bounded memory."""

    def __init__(self, starts: ChunkedData | None, where: str) -> None:
        self._starts = starts
        self._where = where
        self._buffer = np.zeros(4096, np.int64)

    def __len__(self) -> int:
        return 0 if self._starts is None else len(self._starts)

    def read(self, first: int, out: NDArray[np.uint64]) -> None:
        """Overwrites out, (n,) uint64, with the starts of the documents first .. first + n."""
        if self._starts is not None:
            self._starts.read(first, out)

    def locate(self, position: int) -> int:
        """How many documents begin before this step."""
        low, high = 0, len(self)
        one = np.zeros(1, np.uint64)
        while low < high:
            middle = (low + high) // 2
            self.read(middle, one)
            low, high = (middle + 1, high) if int(one[0]) < position else (low, middle)
        return low

    def mark(self, start: int, out: NDArray[np.uint8]) -> None:
        """Overwrites out, (n,) uint8: 1 where the step start + i is the first of a document, else 0.

        One call at a time: a buffer of this object is used. Raises CorpusError when the starts do not rise.
        """
        out[:] = 0
        first = self.locate(start)
        while first < len(self):
            part = self._buffer[: min(len(self._buffer), len(self) - first)]
            self.read(first, part.view(np.uint64))
            part -= start
            count = int(part.searchsorted(len(out)))
            inside = part[:count]
            if count and (int(inside.min()) < 0 or int(inside.max()) >= len(out)):
                raise CorpusError(f"{self._where}: the documents are not in order; prepare the corpus again")
            np.put(out, inside, 1)
            if count < len(part):
                return
            first += count


class Indexes:
    """Whole numbers below a bound: tokens, keys, labels. called: what one is, and what the bound is of."""

    def __init__(self, data: ChunkedData | None, below: int, where: str, called: tuple[str, str]) -> None:
        self._data = data
        self._where = where
        self._called = called
        self.below = below
        self.dtype = np.dtype("u1") if data is None else data.dtype
        self._narrow = below <= np.iinfo(self.dtype).max

    def __len__(self) -> int:
        return 0 if self._data is None else len(self._data)

    def read(self, start: int, out: NDArray[Any]) -> None:
        """Overwrites out, (n,) contiguous of `dtype`, with those start .. start + n.

        Raises CorpusError for one that is not below the bound.
        """
        if self._data is None or not len(out):
            return
        self._data.read(start, out)
        if self._narrow and int(out.max()) >= self.below:
            one, of = self._called
            raise CorpusError(
                f"{self._where} has a {one} {int(out.max())} at or after {start}, the {of} ends at {self.below - 1}; "
                "prepare the corpus again"
            )


class Reals:
    """Rows of `width` float32 numbers. missing: whether NaN may be among them."""

    def __init__(self, data: ChunkedData | None, width: int, where: str, *, missing: bool) -> None:
        self._data = data
        self._where = where
        self._missing = missing
        self.width = width

    def __len__(self) -> int:
        return 0 if self._data is None else len(self._data) // self.width

    def read(self, start: int, out: NDArray[np.float32]) -> None:
        """Overwrites out, (n, width) float32, contiguous, with the rows start .. start + n.

        Raises CorpusError for an infinite number, and for a missing one where none may be.
        """
        if out.dtype != np.float32 or out.shape[1:] != (self.width,) or not out.flags.c_contiguous:
            raise ValueError(f"out: expected contiguous rows of {self.width} float32, found {out.dtype} {out.shape}")
        if self._data is None or not len(out):
            return
        flat = out.reshape(-1)
        self._data.read(start * self.width, flat)
        with np.errstate(invalid="ignore"):  # which a signalling NaN is
            largest = max(float(np.fmax.reduce(flat, initial=0)), -float(np.fmin.reduce(flat, initial=0)))
            lacks = not self._missing and np.isnan(np.maximum.reduce(flat))
        if lacks or not largest < np.inf:
            what = "a missing number" if lacks else "an infinite number"
            raise CorpusError(f"{self._where} has {what} in or after row {start}; prepare the corpus again")
