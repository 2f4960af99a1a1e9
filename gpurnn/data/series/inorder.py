"""Rows without a time: those of one key are a stretch, in the order in which they were read."""

from collections.abc import Iterator, Sequence

import numpy as np

from gpurnn.data.series.grid import Counts, Piece, blocks_of
from gpurnn.data.series.rows import RowFile


class InOrder:
    """Turns the rows of one key after the other into a stretch each, as `Grid` does with times.

    borders: numbers of rows, of all keys together, at which stretches are cut. interval: between rows, by their name.
    """

    interval = 1
    phase = None

    def __init__(self, borders: Sequence[int] = ()) -> None:
        self._borders = list(borders)
        self.counts = Counts()

    def pieces(self, rows: RowFile, start: int, stop: int) -> Iterator[Piece]:
        """The stretch of one key, whose rows are start .. stop, in pieces of bounded size, none on both sides of a
        border; the time of one is the number of its first row.
        """
        begins = True
        for _, block in blocks_of(rows, start, stop):
            for part in np.split(block, np.searchsorted(block["time"], self._borders)):
                if len(part):
                    yield Piece(begins, int(part["time"][0]), part["values"])
                    begins = False
