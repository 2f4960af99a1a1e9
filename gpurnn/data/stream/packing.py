"""Packing: which sequences lie in which lanes, and in what order an epoch deals them out. Seeded, the same everywhere.

The lengths are packed once, first-fit in the order of a permutation. Each epoch fills these lanes with other sequences
of the same lengths and deals them out in another order: so all epochs have as many windows, and the number of a window
says which epoch it is of.

What a sequence is may have several sides, such as the source and the target of a pair: then it lies in one lane with
each of them, and goes into the first lane that has room for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_PURPOSE = 2
"""The third word of the counter: masks of dropout have 0 there and restarts 1, so no draw is used twice."""
_BLOCK_LANES = 1024
"""About so many lanes are packed together: enough that those that are filled last do not count."""
_MOST_TOGETHER = 2**15
"""No more sequences than that are packed one after the other, however short they are."""
_AT_ONCE = 2**20
"""Sequences whose blocks are packed beside each other."""

Indices = NDArray[Any]


class Side(NamedTuple):
    """What lies in lanes of `steps` steps. lengths: (n,) whole numbers from 1 to `steps`, one of each sequence."""

    lengths: Indices
    steps: int


class Lanes(NamedTuple):
    """Sequences in lanes, each after the other.

    sequences: (n,) uint32, those of the first lane, then those of the second. first: (lanes+1,) int64, where each
    lane's begin in it. sides, seed: as they were packed.
    """

    sequences: Indices
    first: NDArray[np.int64]
    sides: Sequence[Side]
    seed: int


class Deal(NamedTuple):
    """What the windows of an epoch hold.

    sequences: (n,) uint32, in the order of the windows and of the lanes in each. places: (n,) int32, where each begins:
    lane * steps + step. first: (windows+1,) int64, where each window's begin in both.
    """

    sequences: Indices
    places: NDArray[np.int32]
    first: NDArray[np.int64]


def packed(sides: Sequence[Side], seed: int) -> Lanes:
    """Sequences packed first-fit into lanes, in the order of a permutation.

    sides: one or more, each of the same sequences. The permutation is cut into blocks of `block_of` sequences, each of
    which is packed into lanes of its own: each sequence into the first that has room for all its sides.
    """
    order = _drawn(seed, 0, 0, len(sides[0].lengths))
    block = block_of(sides)
    chunk = max(1, _AT_ONCE // block) * block
    sequences = np.empty(len(order), np.uint32)
    begins = []
    for start in range(0, len(order), chunk):
        part = order[start : start + chunk]
        cells = _first_fit([Side(lengths[part], steps) for lengths, steps in sides], block)
        by_lane = cells.argsort()  # each is there once
        sequences[start : start + chunk] = part[by_lane]
        lanes = cells[by_lane] // sides[0].steps
        begins.append(start + np.flatnonzero(np.diff(lanes, prepend=-1)))
    return Lanes(sequences, np.concatenate((*begins, [len(order)])), sides, seed)


def block_of(sides: Sequence[Side]) -> int:
    """How many sequences are packed together: about 1024 lanes of them, and at most 32,768."""
    count = len(sides[0].lengths)
    enough = [-(-_BLOCK_LANES * steps * count // int(lengths.sum(dtype=np.int64))) for lengths, steps in sides]
    return min(count, _MOST_TOGETHER, *enough)


def dealt(packing: Lanes, lanes: int, epoch: int) -> list[Deal]:
    """What an epoch's windows of `lanes` lanes hold: the lanes of the packing in another order, filled otherwise.

    Returns a deal for each side; they differ in the places alone.
    """
    sides, seed = packing.sides, packing.seed
    classes = sides[0].lengths
    for side in sides[1:]:  # sequences change places where all their sides are equally long
        classes = classes.astype(np.int64) * (side.steps + 1) + side.lengths
    draw = _drawn(seed, epoch, 1, len(classes))
    by_length = draw[classes[draw].argsort(kind="stable")]
    filled = np.empty(len(classes), np.uint32)
    filled[classes[packing.sequences].argsort(kind="stable")] = by_length
    turn = _drawn(seed, epoch, 2, len(packing.first) - 1)
    counts = np.diff(packing.first)[turn]
    first = np.append(0, counts.cumsum())
    sequences = filled[np.arange(len(filled)) + np.repeat(packing.first[turn] - first[:-1], counts)]
    del filled, draw, by_length
    windows = np.append(first[:-1:lanes], first[-1])
    return [Deal(sequences, _places(side, sequences, first, lanes), windows) for side in sides]


def _places(side: Side, sequences: Indices, first: NDArray[np.int64], lanes: int) -> NDArray[np.int32]:
    """Where each sequence begins in its window. first: where each lane's begin among them, (lanes+1,)."""
    ends = np.append(0, side.lengths[sequences].cumsum(dtype=np.int64))
    base = np.arange(len(first) - 1) % lanes * side.steps
    places: NDArray[np.int64] = ends[:-1] + np.repeat(base - ends[first[:-1]], np.diff(first))
    return places.astype(np.int32)


def _drawn(seed: int, epoch: int, what: int, count: int) -> NDArray[np.int64]:
    """A permutation: the order of the raw numbers of NumPy's Philox4x64-10, key (seed, 0), counter (0, epoch, 2, what).

    Unlike the shuffles of a generator these are the same in every version of NumPy.
    """
    bits = np.random.Philox(counter=(0, epoch, _PURPOSE, what), key=np.array((seed, 0), np.uint64))
    numbers: NDArray[np.uint64] = bits.random_raw(count)
    return numbers.argsort(kind="stable")


def _first_fit(sides: Sequence[Side], block: int) -> NDArray[np.int64]:
    """(n,) int64, where each sequence comes to lie with its first side: lane * steps + step.

    The lanes of all blocks are counted on. All blocks are packed beside each other, the first sequence of each, then
    the second.
    """
    count, steps = len(sides[0].lengths), sides[0].steps
    blocks = -(-count // block)
    bins = [_Bins(side, blocks, block) for side in sides]
    most = 2 + sum(each.most for each in bins)  # two lanes together are more than one, of one side at least
    for each in bins:
        each.open(most)
    rows = np.arange(blocks) * most
    lanes, begins = np.zeros((block, blocks), np.int64), np.zeros((block, blocks), np.int64)
    open_lanes = 1
    for number, (lane, begin) in enumerate(zip(lanes, begins, strict=True)):
        fits = bins[0].fits(number, open_lanes)
        for each in bins[1:]:
            fits &= each.fits(number, open_lanes)
        np.argmax(fits, axis=1, out=lane)
        at = rows + lane
        np.subtract(steps, bins[0].room.reshape(-1)[at], out=begin)
        for each in bins:
            each.room.reshape(-1)[at] -= each.needs[number]
        open_lanes = min(max(open_lanes, int(lane.max()) + 2), most)
    used = lanes.max(axis=0) + 1
    lanes += used.cumsum() - used
    return (lanes * steps + begins).T.reshape(-1)[:count]


class _Bins:
    """One side of the lanes that are filled: what the sequences of each block need, (block, blocks), and what is left.

    most: twice the lanes that the fullest block would fill without gaps. room: (blocks, lanes), once they are open.
    """

    room: NDArray[Any]

    def __init__(self, side: Side, blocks: int, block: int) -> None:
        self._steps, kind = side.steps, np.int16 if side.steps < 2**15 else np.int64
        needs = np.zeros((blocks, block), kind)  # nothing is left over at the end that needs room
        needs.reshape(-1)[: len(side.lengths)] = side.lengths
        self.most = 2 * int(needs.sum(axis=1, dtype=np.int64).max()) // side.steps
        self.needs = np.ascontiguousarray(needs.T)

    def open(self, lanes: int) -> None:
        """Begin with so many empty lanes."""
        self.room = np.full((len(self.needs[0]), lanes), self._steps, self.needs.dtype)

    def fits(self, number: int, lanes: int) -> NDArray[np.bool_]:
        """Whether the sequence of this number of each block fits the first lanes, (blocks, lanes)."""
        found: NDArray[np.bool_] = self.room[:, :lanes] >= self.needs[number][:, None]
        return found
