"""Arrays between pages that nobody may touch: a byte too far ends the process, one beside an array is seen."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np

PAGE = mmap.PAGESIZE
CANARY = 0xA5
_NONE, _READ_WRITE = 0, 3


class Page:
    """One page of memory between two pages without any rights, for one array at a time."""

    def __init__(self) -> None:
        self._mapping = mmap.mmap(-1, 3 * PAGE)
        self._start = ctypes.addressof(ctypes.c_char.from_buffer(self._mapping))
        self._bytes = np.frombuffer((ctypes.c_char * PAGE).from_address(self._start + PAGE), np.uint8)
        self._used = slice(0, 0)
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        for address in (self._start, self._start + 2 * PAGE):
            if protect(ctypes.c_void_p(address), ctypes.c_size_t(PAGE), _NONE):
                raise OSError(ctypes.get_errno(), "mprotect")

    def array(self, shape: tuple[int, ...], dtype: np.dtype, *, at_end: bool = True, shift: int = 0) -> np.ndarray:
        """An array that ends where the page does, or begins there; shift: that many bytes from there."""
        size = int(np.prod(shape)) * dtype.itemsize
        start = PAGE - size - shift if at_end else shift
        self._bytes.fill(CANARY)
        self._used = slice(start, start + size)
        return self._bytes[self._used].view(dtype).reshape(shape)

    def intact(self) -> bool:
        """Whether nothing beside the last array was written."""
        beside = self._bytes[: self._used.start], self._bytes[self._used.stop :]
        return all((part == CANARY).all() for part in beside)

    def contents(self) -> bytes:
        """All of the page."""
        return self._bytes.tobytes()
