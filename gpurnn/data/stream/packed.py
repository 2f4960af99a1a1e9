"""What streams of whole sequences have in common: they are packed into lanes, in another order each epoch."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.stream.layout import Layout, Place
from gpurnn.data.stream.packing import Deal, Lanes, Side, dealt
from gpurnn.data.stream.pieces import Pieces
from gpurnn.data.stream.restarts import Restarts
from gpurnn.data.stream.stream import WindowStream, expect_cursor
from gpurnn.data.stream.windows import AHEAD, KEEP, Cursor, Geometry, Window, WindowMaker
from gpurnn.fields import Field


class PackedWindows(WindowMaker):
    """Makes windows in which each sequence lies whole in one lane.

    pieces: what lies in the lanes. sides: as they were packed; the pieces are the first of them. packing: of these,
    with the seed. fields, weights: see `WindowMaker`.
    """

    def __init__(
        self,
        geometry: Geometry,
        fields: Iterable[Field],
        pieces: Pieces,
        *,
        sides: list[Side],
        packing: Lanes,
        seed: int,
        weights: NDArray[np.float32] | None = None,
    ) -> None:
        lanes, steps = geometry.lanes, geometry.steps
        super().__init__(geometry, fields, Restarts(0, seed, lanes), weights)
        self._sides, self._packing, self._seed = sides, packing, seed
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
            self._deals = dealt(self._packing, self._sides, self.geometry.lanes, self._seed, epoch)
            self._epoch = epoch
        self._layout.lay(self._deals[0], number, self.place(self._index))
        return number


class PackedStream(WindowStream):
    """A stream of windows in which each sequence lies whole in one lane.

    useful: the part of an epoch's windows, (T, B) each, that holds sequences.
    """

    useful: float
    _maker: PackedWindows
    _targets: int

    def _go_on(self, maker: PackedWindows, cursor: Cursor | None, epochs: int | None, prefetch: bool) -> None:
        """Begin, or go on at a cursor, with the windows of a maker, whose geometry is the stream's."""
        self._begin(maker, 0 if cursor is None else expect_cursor(cursor, self.geometry), epochs, prefetch)

    @property
    def targets_per_epoch(self) -> int:
        """Targets that count in an epoch, each once."""
        return self._targets

    @property
    def dropped_targets(self) -> int:
        """Targets that an epoch does not see: none."""
        return 0

    def place(self, window: Window) -> Place:
        """Where the steps of a window stand; its arrays stay as they are until three more windows were taken."""
        return self._maker.place(window.index)


def packed_geometry(packing: Lanes, lanes: int, steps: int) -> Geometry:
    """That of windows of `lanes` lanes of `steps` steps in which the lanes of a packing are dealt out."""
    windows = -(-(len(packing.first) - 1) // lanes)
    return Geometry(windows * lanes * steps + 1, lanes, steps)
