"""What each step of a window of whole sequences has: held in memory where it is little, else read piece by piece."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Split
from gpurnn.data.corpus.readers import Indexes
from gpurnn.data.series.columns import Columns
from gpurnn.data.stream.layout import Layout

_HELD_BYTES = 128 * 1024 * 1024
"""What has no more than that is read once; of more, each window reads its sequences, which takes ten times as long."""


class Reader(Protocol):
    """Reads something of each step of a split."""

    def buffer(self, count: int) -> NDArray[Any]:
        """A new array for so many steps."""

    def read(self, start: int, out: NDArray[Any]) -> None:
        """Overwrite out, such a buffer or a part of one, with the steps from `start` on."""


class Symbols:
    """Reads symbols, tags or labels, in the type in which they are stored."""

    def __init__(self, source: Split | Indexes) -> None:
        self._source = source

    def buffer(self, count: int) -> NDArray[Any]:
        """See `Reader`."""
        return np.zeros(count, self._source.dtype)

    def read(self, start: int, out: NDArray[Any]) -> None:
        """See `Reader`."""
        self._source.read(start, out)


class Rows:
    """Reads rows of numbers, and scales them as `columns` say; missing ones become 0."""

    def __init__(self, split: Split, columns: Columns) -> None:
        self._split, self._columns = split, columns

    def buffer(self, count: int) -> NDArray[Any]:
        """See `Reader`."""
        return np.zeros((count, self._columns.inputs), np.float32)

    def read(self, start: int, out: NDArray[Any]) -> None:
        """See `Reader`."""
        self._split.read_rows(start, out)
        self._columns.scaled(out, out)


class Vectors:
    """What there is one vector each of: (V,) float32 of each document."""

    def __init__(self, split: Split) -> None:
        self._vectors = split.vectors
        self._held: NDArray[np.float32] | None = None
        if 4 * len(self._vectors) * self._vectors.width <= _HELD_BYTES:
            self._held = np.empty((len(self._vectors), self._vectors.width), np.float32)
            self._vectors.read(0, self._held)

    def put(self, documents: NDArray[np.int64], out: NDArray[np.float32]) -> None:
        """Overwrite out, (N, V), with the vectors of these documents, (n,); with 0 from n on."""
        count = len(documents)
        if self._held is not None:
            np.take(self._held, documents, axis=0, out=out[:count], mode="clip")
        else:
            for place in range(count):
                self._vectors.read(int(documents[place]), out[place : place + 1])
        out[count:] = 0


class Values(Protocol):
    """What the steps of windows have."""

    def fill(self, layout: Layout, out: NDArray[Any]) -> None:
        """Overwrite out, (T, B, ...), as a window is laid out; with anything in what is left over."""


class _Held:
    def __init__(self, values: NDArray[Any], lanes: int, steps: int) -> None:
        self._values = values
        self._narrow = np.zeros((steps, lanes, *values.shape[1:]), values.dtype)

    def fill(self, layout: Layout, out: NDArray[Any]) -> None:
        found = out if out.dtype == self._narrow.dtype else self._narrow
        np.take(self._values, layout.row, axis=0, out=found, mode="clip")
        if found is not out:
            np.copyto(out, found, casting="unsafe")


class _Read:
    def __init__(self, reader: Reader, lanes: int, steps: int) -> None:
        self._reader, self._shape = reader, (lanes, steps)
        self._buffer = reader.buffer(lanes * steps)

    def fill(self, layout: Layout, out: NDArray[Any]) -> None:
        for number in range(layout.pieces):
            row, begin, count = layout.piece(number)
            self._reader.read(row, self._buffer[begin : begin + count])
        by_lane = self._buffer.reshape(*self._shape, *out.shape[2:])
        np.copyto(out, by_lane.swapaxes(0, 1), casting="unsafe")


def values_of(reader: Reader, count: int, lanes: int, steps: int) -> Values:
    """What the `count` steps of a split have, for windows of `lanes` lanes of `steps` steps."""
    if count * reader.buffer(1).nbytes <= _HELD_BYTES:
        return _Held(read_all(reader, count), lanes, steps)
    return _Read(reader, lanes, steps)


def read_all(reader: Reader, count: int) -> NDArray[Any]:
    """(count, ...), all that there is."""
    found = reader.buffer(count)
    reader.read(0, found)
    return found
