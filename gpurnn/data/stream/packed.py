"""What streams of whole sequences have in common: they are packed into lanes, in another order each epoch."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.stream.layout import Layout, Place
from gpurnn.data.stream.packing import Deal, Lanes, dealt
from gpurnn.data.stream.pieces import Pieces
from gpurnn.data.stream.restarts import Restarts
from gpurnn.data.stream.stream import WindowStream
from gpurnn.data.stream.windows import AHEAD, KEEP, Geometry, Window, WindowMaker
from gpurnn.fields import Field


class PackedWindows(WindowMaker):
    """Makes windows in which each sequence lies whole in one lane.

    pieces: what lies in the lanes. packing: of these, which are its first side. fields, weights: see `WindowMaker`.
    """

    def __init__(
        self,
        geometry: Geometry,
        fields: Iterable[Field],
        pieces: Pieces,
        packing: Lanes,
        weights: NDArray[np.float32] | None = None,
    ) -> None:
        lanes, steps = geometry.lanes, geometry.steps
        super().__init__(geometry, fields, Restarts(0, packing.seed, lanes), weights)
        self._packing = packing
        self._layout = Layout(pieces, lanes, steps)
        self._places = [Place.empty(steps, lanes) for _ in range(KEEP + 1 + AHEAD)]
        self._mask = np.zeros((steps, lanes), np.bool_)
        self._index, self._epoch, self._deals = 0, -1, list[Deal]()

    def make(self, index: int) -> Window:
        """See `WindowMaker.make`."""
        self._index = index
        return super().make(index)

    def place(self, index: int) -> Place:
        """Where the steps of a window stand, one of the last that were made."""
        return self._places[index % len(self._places)]

    def _lay(self) -> int:
        """Lay out the window that is made; what its epoch deals out of each side is in `_deals`. Its number in that."""
        epoch, number = divmod(self._index, self.geometry.windows)
        if self._epoch != epoch:
            self._deals = dealt(self._packing, self.geometry.lanes, epoch)
            self._epoch = epoch
        self._layout.lay(self._deals[0], number, self.place(self._index))
        return number


class PackedStream(WindowStream):
    """A stream of windows in which each sequence lies whole in one lane."""

    _maker: PackedWindows

    def place(self, window: Window) -> Place:
        """Where the steps of a window stand; its arrays stay as they are until three more windows were taken."""
        return self._maker.place(window.index)


def packed_geometry(packing: Lanes, lanes: int) -> Geometry:
    """That of windows of `lanes` lanes in which the lanes of a packing are dealt out."""
    windows, steps = -(-(len(packing.first) - 1) // lanes), packing.sides[0].steps
    return Geometry(windows * lanes * steps + 1, lanes, steps)
