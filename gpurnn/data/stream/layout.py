"""Where the steps of one window of whole sequences come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.stream.packing import Deal
from gpurnn.data.stream.pieces import Pieces

Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Place:
    """Where the steps of a window stand. Each (T, B) int64.

    sequence: which of the split, -1 in what is left over. step: which of the sequence, 0 the first; 0 in what is left
    over.
    """

    sequence: NDArray[np.int64]
    step: NDArray[np.int64]

    @classmethod
    def empty(cls, steps: int, lanes: int) -> Self:
        """That of a window that is left over."""
        return cls(np.full((steps, lanes), -1, np.int64), np.zeros((steps, lanes), np.int64))


class Layout:
    """Works out a window's steps from the pieces in it, lane by lane, in buffers of its own.

    pieces: how many are in the window. row: (T, B), where each step lies in the split; anything in what is left over
    and in steps that are not stored.
    """

    def __init__(self, pieces: Pieces, lanes: int, steps: int) -> None:
        self._pieces, self._shape = pieces, (lanes, steps)
        size = lanes * steps
        self._cells = np.arange(size, dtype=np.int64)
        self._begins, self._numbers, self._owner, self._piece, self._step, self._number = np.zeros((6, size), np.int64)
        self._looked: dict[np.dtype[Any], NDArray[Any]] = {}
        self._left_over, self._begin, self._counts, self._flag = np.zeros((4, size), np.bool_)
        self.pieces, self.row = 0, np.zeros((steps, lanes), np.int64)

    def lay(self, deal: Deal, window: int, place: Place) -> None:
        """Work out the steps of a window of an epoch. place: overwritten."""
        self._own(deal, int(deal.first[window]), int(deal.first[window + 1]))
        table, step, number = self._pieces, self._step, self._number
        np.greater_equal(step, self._look(table.count), out=self._left_over)
        np.equal(step, 0, out=self._begin)
        np.greater_equal(step, self._look(table.low), out=self._counts)
        np.less(step, self._look(table.high), out=self._flag)
        self._counts &= self._flag
        row = self._look(table.position)
        row += step
        np.copyto(self.row, row.reshape(self._shape).T)
        if table.begin is not None:
            step += self._look(table.begin)
        np.copyto(step, 0, where=self._left_over)
        np.copyto(number, self._piece if table.sequence is None else self._look(table.sequence))
        np.copyto(number, -1, where=self._left_over)
        for mine, out in ((number, place.sequence), (step, place.step)):
            np.copyto(out, mine.reshape(self._shape).T)

    def _own(self, deal: Deal, begin: int, end: int) -> None:
        """Work out which piece each step is of, or comes after, and how far it is from that one's first."""
        self.pieces = end - begin
        begins, numbers = self._begins[: self.pieces], self._numbers[: self.pieces]
        np.copyto(begins, deal.places[begin:end])
        np.copyto(numbers, deal.sequences[begin:end])
        owner = self._owner
        owner.fill(0)
        np.put(owner, begins, 1)
        np.cumsum(owner, out=owner)
        owner -= 1  # the first piece begins with the window
        np.take(begins, owner, out=self._step, mode="clip")
        np.subtract(self._cells, self._step, out=self._step)
        np.take(numbers, owner, out=self._piece, mode="clip")

    def _look(self, table: NDArray[Any]) -> NDArray[np.int64]:
        """(B T,), what a table says of the piece of each step; overwritten by the next call."""
        self._copy(table, self._piece, self._number)
        return self._number

    def _copy(self, table: NDArray[Any], pieces: Numbers, out: Numbers) -> None:
        """Overwrite out with what a table says of these pieces."""
        found = self._looked.get(table.dtype)
        if found is None:
            found = self._looked[table.dtype] = np.zeros(len(self._cells), table.dtype)
        np.take(table, pieces, out=found[: len(pieces)], mode="clip")
        np.copyto(out, found[: len(pieces)])

    def piece(self, number: int) -> tuple[int, int, int]:
        """Of a piece in the window: its first step in the split, that in the window, lane by lane, and stored steps."""
        which, table = int(self._numbers[number]), self._pieces
        count = table.count if table.stored is None else table.stored
        return int(table.position[which]), int(self._begins[number]), int(count[which])

    def edges(self, first: Numbers, last: Numbers) -> None:
        """Of each piece in the window the rows, step * B + lane, of its first and its last step.

        first, last: (pieces,) int64, overwritten.
        """
        lanes, steps = self._shape
        begins = self._begins[: self.pieces]
        np.floor_divide(begins, steps, out=last)
        np.remainder(begins, steps, out=first)
        first *= lanes
        first += last
        self._copy(self._pieces.count, self.numbers, last)
        last -= 1
        last *= lanes
        last += first

    @property
    def numbers(self) -> Numbers:
        """(pieces,), those of the pieces in the window."""
        return self._numbers[: self.pieces]

    @property
    def owner(self) -> Numbers:
        """(T, B), which piece of the window each step is of, from 0; in what is left over, which came before."""
        return self._owner.reshape(self._shape).T

    @property
    def left_over(self) -> Flags:
        """(T, B), whether no sequence is there."""
        return self._left_over.reshape(self._shape).T

    @property
    def begins(self) -> Flags:
        """(T, B), whether a piece begins."""
        return self._begin.reshape(self._shape).T

    @property
    def counts(self) -> Flags:
        """(T, B), whether a step's target counts."""
        return self._counts.reshape(self._shape).T
