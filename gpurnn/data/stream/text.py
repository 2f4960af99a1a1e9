"""Windows of text: a token of each step, and as its target the one after it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Split
from gpurnn.data.stream.restarts import Restarts
from gpurnn.data.stream.windows import Geometry, WindowMaker
from gpurnn.fields import Field

_BLOCK_BYTES = 64 * 1024
_BUFFER_BYTES = 16 * 1024 * 1024


def text_fields(symbols: int, *, planned: bool) -> tuple[Field, Field]:
    """What windows of text have of each step: a token, and the one after it.

    symbols: K. planned: whether the windows have a plan.
    """
    return (
        Field("tokens", "index", below=symbols, planned=planned),
        Field("targets", "index", below=symbols),
    )


class TextWindows(WindowMaker):
    """Makes windows from the tokens of a split. fields: see `text_fields`."""

    def __init__(self, split: Split, geometry: Geometry, fields: tuple[Field, Field], restarts: Restarts) -> None:
        super().__init__(geometry, fields, restarts)
        self._buffer = _LaneBuffer(split, geometry)

    def fill(self, window: Mapping[str, NDArray[Any]], offset: int) -> bool:
        """See `WindowMaker.fill`."""
        steps = len(window["carry"])
        column = self._buffer.seek(offset, steps)
        for later, name in enumerate(("tokens", "targets")):  # a target is the token one later
            begin = column + later
            np.copyto(window[name], self._buffer.tokens[:, begin : begin + steps].T, casting="unsafe")
        masks = (window["carry"], column), (window["weight"], column + 1)
        if not self._buffer.has_first(column, steps + 1):
            for mask, _ in masks:
                mask.fill(1)
            return False
        one = np.float32(1)
        for mask, begin in masks:
            np.copyto(mask, self._buffer.first[:, begin : begin + steps].T)
            np.subtract(one, mask, out=mask)
        return True


class _LaneBuffer:
    """A host buffer of lanes x (block + 1) tokens that moves over the lanes in step, one contiguous read a lane."""

    def __init__(self, split: Split, geometry: Geometry) -> None:
        self._split = split
        self._geometry = geometry
        size = split.dtype.itemsize
        fair = min(_BLOCK_BYTES, _BUFFER_BYTES // geometry.lanes) // size
        self.block = min(max(fair, geometry.steps), geometry.lane + geometry.rest)
        self.tokens = np.zeros((geometry.lanes, self.block + 1), split.dtype)
        self.first = np.zeros((geometry.lanes, self.block + 1), np.uint8)
        self._boundary = np.zeros(self.block + 1, np.uint8)
        self._begin = self._end = 0

    def seek(self, offset: int, steps: int) -> int:
        """Makes available the inputs offset .. offset + steps of every lane and their targets; returns their column."""
        if not self._begin <= offset or offset + steps > self._end:
            g = self._geometry
            limit = g.lane + (g.rest if g.tail else 0)
            self._begin, self._end = offset, min(offset + self.block, limit)
            count = self._end - self._begin + 1
            documents = self._split.documents
            for lane in range(g.lanes):
                start = lane * g.lane + offset
                self._split.read(start, self.tokens[lane, :count])
                documents.mark(start, self.first[lane, :count])
            np.maximum.reduce(self.first, axis=0, out=self._boundary)
        return offset - self._begin

    def has_first(self, column: int, count: int) -> bool:
        """Whether a document begins in these columns of any lane."""
        return bool(self._boundary[column : column + count].any())
