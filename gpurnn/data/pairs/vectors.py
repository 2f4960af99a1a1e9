"""Vectors in a plain .npy file: looked over before any is used, then read a few at a time, never unpickled."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.sizes import MAX_WIDTH
from gpurnn.data.npy import read_header, rounded
from gpurnn.exceptions import DataError
from gpurnn.files.output import open_regular

_BLOCK_BYTES, _COLUMNS_BYTES = 1 << 20, 1 << 24
"""So much is read at once to look it over: of rows, and of columns, each of which is in another place."""


class VectorFile:
    """An array of vectors, a row each. count: how many; width: numbers of each. close: gives the file back.

    Raises DataError for what is no such array: of numbers, with two axes, as large as the file says.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file: IO[bytes] = open(open_regular(path, os.O_RDONLY), "rb", buffering=0)  # noqa: SIM115 - `close`
        except OSError as error:
            raise DataError(f"{path}: cannot read the vectors: {error.strerror or error}") from None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        shape, by_column, self._dtype = read_header(self._file, self.path)
        self._begin = self._file.tell()
        if len(shape) != 2 or not 0 < shape[1] <= MAX_WIDTH:
            raise self._wrong(f"it has the shape {shape!s:.60}, expected (rows, numbers), up to {MAX_WIDTH:,} numbers")
        self.count, self.width = shape
        self._row = self.width * self._dtype.itemsize
        there = os.fstat(self._file.fileno()).st_size - self._begin
        if there != self.count * self._row:
            raise self._wrong(f"{there:,} bytes of data, expected {self.count * self._row:,}; get the file again")
        self._by_column = by_column and min(shape) > 1

    def expect(self, texts: int, folder: Path) -> None:
        """Raises DataError unless there are as many as texts, and all their numbers are numbers.

        folder: where a file without a name has them row by row, if they stand column by column: then they are quick to
        read in any order.
        """
        if self.count != texts:
            raise self._wrong(f"{self.count:,} rows for {texts:,} texts; there has to be a row for each line")
        step = max(1, (_COLUMNS_BYTES if self._by_column else _BLOCK_BYTES) // self._row)
        blocks = (self.rows(range(first, min(first + step, self.count))) for first in range(0, self.count, step))
        if not self._by_column:
            for _ in blocks:
                pass
            return
        turned = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        try:
            for block in blocks:
                turned.write(block.data)
            turned.flush()
        except BaseException:
            turned.close()
            raise
        self._file.close()
        self._file, self._by_column, self._begin = turned, False, 0
        self._dtype, self._row = np.dtype(np.float32), 4 * self.width

    def rows(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """These rows, (n, width) float32. Raises DataError, which names the row, for what is no number."""
        found = np.empty((len(numbers), self.width), self._dtype)
        for place, first, count in _runs(numbers):
            self._fill(first, found[place : place + count])
        return rounded(found, self.path, numbers.__getitem__)

    def _fill(self, first: int, out: NDArray[Any]) -> None:
        """Overwrite out, (n, width), with the rows from `first` on."""
        if not self._by_column:
            self._read(first * self._row, out.view(np.uint8).reshape(-1).data)
            return
        column = np.empty(len(out), self._dtype)
        for number in range(self.width):
            self._read((number * self.count + first) * self._dtype.itemsize, column.view(np.uint8).data)
            out[:, number] = column

    def _read(self, offset: int, out: memoryview) -> None:
        while len(out):
            try:
                got = os.preadv(self._file.fileno(), [out], self._begin + offset)
            except OSError as error:
                raise self._wrong(f"cannot read the vectors: {error.strerror or error}") from None
            if not got:
                raise self._wrong("it became shorter while it was read; prepare again")
            out, offset = out[got:], offset + got

    def _wrong(self, reason: str) -> DataError:
        return DataError(f"{self.path}: {reason}")

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()


def _runs(numbers: Sequence[int]) -> list[tuple[int, int, int]]:
    """Which of them follow each other: the place of the first, that number, and how many."""
    values = np.asarray(numbers, np.int64)
    begins = np.flatnonzero(np.append(True, np.diff(values) != 1)) if len(values) else values
    counts = np.diff(np.append(begins, len(values)))
    return list(zip(begins.tolist(), values[begins].tolist(), counts.tolist(), strict=True))
