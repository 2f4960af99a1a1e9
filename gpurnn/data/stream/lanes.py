"""A buffer of all lanes that moves over them in step, for windows that are made of several arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.stream.windows import Geometry

_BLOCK_BYTES = 256 * 1024
_BUFFER_BYTES = 64 * 1024 * 1024

ReadLane = Callable[[int, int, int], None]
"""read(lane, start, count): puts the steps start .. start + count of a split into the first places of a lane."""


class LaneBuffer:
    """Lanes x block steps, one contiguous read a lane.

    geometry: of the lanes. bytes_of_step: of what is read. block: how many steps of each lane it holds.
    arrays: of each lane and step, (lanes, block, ...), by their names in a window, as `hold` was given them.
    """

    def __init__(self, geometry: Geometry, bytes_of_step: int) -> None:
        self._geometry = geometry
        fair = min(_BLOCK_BYTES, _BUFFER_BYTES // geometry.lanes) // bytes_of_step
        self.block = min(max(fair, geometry.steps), geometry.lane + geometry.rest)
        self.arrays: dict[str, NDArray[Any]] = {}
        self._begin = self._end = 0

    def hold(self, name: str, dtype: Any, *width: int) -> NDArray[Any]:
        """A new one of the arrays."""
        array = self.arrays[name] = np.zeros((self._geometry.lanes, self.block, *width), dtype)
        return array

    def fill(self, window: Mapping[str, NDArray[Any]], offset: int, read: ReadLane) -> None:
        """Overwrite the arrays of a window, (t, B, ...), with the steps of every lane from `offset` on."""
        steps = len(window["carry"])
        if not self._begin <= offset or offset + steps > self._end:
            g = self._geometry
            self._begin = offset
            self._end = min(offset + self.block, g.lane + (g.rest if g.tail else 0))
            for lane in range(g.lanes):
                read(lane, lane * g.lane + offset, self._end - self._begin)
        column = offset - self._begin
        for name, array in self.arrays.items():
            np.copyto(window[name], np.swapaxes(array[:, column : column + steps], 0, 1), casting="unsafe")
