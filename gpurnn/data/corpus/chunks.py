"""Reads a dataset's chunks from the file with plain reads, at the places that the validation found."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.exceptions import CorpusError


class Descriptor:
    """An open file that is closed once: by `close`, or when it is garbage-collected."""

    def __init__(self, number: int, path: str) -> None:
        self._number = number
        self.path = path

    @property
    def number(self) -> int:
        """The operating system's number; CorpusError when the file is closed."""
        if self._number < 0:
            raise CorpusError(f"{self.path}: the corpus is closed; open it again")
        return self._number

    def duplicate(self) -> "Descriptor":
        """Another descriptor of the same file, with a life of its own."""
        return Descriptor(os.dup(self.number), self.path)

    def close(self) -> None:
        """Closes the file; a second call does nothing."""
        number, self._number = self._number, -1
        if number >= 0:
            os.close(number)

    def __del__(self) -> None:
        self.close()


class ChunkedData:
    """One dataset of one dimension in chunks of `chunk` entries, unfiltered, each at a known place of the file.

    addresses: (chunks,) int64, bytes from the file's beginning. Reading needs no lock and may be done by any thread.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        name: str,
        length: int,
        dtype: np.dtype[Any],
        chunk: int,
        addresses: NDArray[np.int64],
    ) -> None:
        self.name = name
        self.dtype = dtype
        self._descriptor = descriptor
        self._length = length
        self._chunk = chunk
        self._addresses = addresses

    def __len__(self) -> int:
        return self._length

    def on(self, descriptor: Descriptor) -> "ChunkedData":
        """The same dataset, read through another descriptor of the same file."""
        return ChunkedData(descriptor, self.name, self._length, self.dtype, self._chunk, self._addresses)

    def read(self, start: int, out: NDArray[Any]) -> None:
        """Overwrites out, (n,) contiguous of this dataset's dtype, with the entries start .. start + n.

        Chunks that follow each other in the file are read at once; nothing is allocated.
        Raises CorpusError when the file ends early or cannot be read.
        """
        if start < 0 or start + len(out) > self._length:
            raise IndexError(f"{self.name}: {start} .. {start + len(out)} is outside 0 .. {self._length}")
        size, last = self.dtype.itemsize, len(self._addresses) - 1
        target = memoryview(out.view(np.uint8))  # type: ignore[arg-type]
        done = 0
        while done < len(out):
            index, inside = divmod(start + done, self._chunk)
            address = int(self._addresses[index])
            count = self._chunk - inside
            while done + count < len(out) and index < last:
                if int(self._addresses[index + 1]) != int(self._addresses[index]) + self._chunk * size:
                    break
                index += 1
                count += self._chunk
            count = min(count, len(out) - done)
            self._read_at(address + inside * size, target[done * size : (done + count) * size])
            done += count

    def all(self) -> NDArray[Any]:
        """Everything, as a new array."""
        out = np.empty(self._length, self.dtype)
        self.read(0, out)
        return out

    def _read_at(self, address: int, target: memoryview) -> None:
        while len(target):
            try:
                got = os.preadv(self._descriptor.number, [target], address)
            except OSError as error:
                raise CorpusError(f"{self._descriptor.path}: cannot read {self.name}: {error.strerror}") from None
            if got == 0:
                raise CorpusError(f"{self._descriptor.path}: the file ends inside {self.name}; it was cut short")
            target, address = target[got:], address + got
