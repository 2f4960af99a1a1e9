"""The order in which a row-gather gradient is summed: computed with the window, so that it is the same everywhere."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Planner:
    """Sorts the tokens of windows of up to `size` targets without allocating: the buffers here are all it uses."""

    def __init__(self, size: int) -> None:
        self._positions = np.arange(size, dtype=np.int64)
        self._keys = np.zeros(size, np.int64)
        self._symbols = np.zeros(size, np.int64)
        self._segments = np.zeros(size, np.int64)
        self._ends = np.zeros(size, np.int64)
        self._shift = max(size - 1, 1).bit_length()

    def plan(
        self,
        tokens: NDArray[np.int32],
        order: NDArray[np.int32],
        segment_starts: NDArray[np.int32],
        segment_symbols: NDArray[np.int32],
    ) -> int:
        """The stable order of tokens by symbol, and where each symbol's segment begins in that order.

        tokens: (n,) int32, read only. order: (n,), overwritten. segment_starts, segment_symbols: (n,) or longer,
        overwritten as far as there are segments. Returns how many segments there are.
        """
        n = len(tokens)
        keys, symbols, segments = self._keys[:n], self._symbols[:n], self._segments[:n]
        np.copyto(keys, tokens)
        np.left_shift(keys, self._shift, out=keys)
        np.bitwise_or(keys, self._positions[:n], out=keys)
        keys.sort()  # all keys differ, so that any sort is a stable one; in place
        np.right_shift(keys, self._shift, out=symbols)
        np.bitwise_and(keys, (1 << self._shift) - 1, out=keys)
        np.copyto(order, keys, casting="same_kind")
        segments[0] = 0
        np.subtract(symbols[1:], symbols[:-1], out=segments[1:])
        np.minimum(segments, 1, out=segments)
        np.add.accumulate(segments, out=segments)
        count = int(segments[-1]) + 1
        np.put(self._ends, segments, self._positions[:n])  # the last position of a segment is written last
        segment_starts[0] = 0
        np.add(self._ends[: count - 1], 1, out=self._ends[: count - 1])
        np.copyto(segment_starts[1:count], self._ends[: count - 1], casting="same_kind")
        _gather(symbols, segments, segment_starts[:count], segment_symbols[:count], keys)
        return count


def _gather(
    symbols: NDArray[np.int64],
    scratch: NDArray[np.int64],
    starts: NDArray[np.int32],
    out: NDArray[np.int32],
    index: NDArray[Any],
) -> None:
    count = len(starts)
    np.copyto(index[:count], starts)
    np.take(symbols, index[:count], out=scratch[:count], mode="clip")
    np.copyto(out, scratch[:count], casting="same_kind")
