"""Packing: which sequences lie in which lanes, and in what order an epoch deals them out. Seeded, the same everywhere.

The lengths are packed once, first-fit in the order of a permutation. Each epoch fills these lanes with other sequences
of the same lengths and deals them out in another order: so all epochs have as many windows, and the number of a window
says which epoch it is of.
"""

from __future__ import annotations

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


class Lanes(NamedTuple):
    """Sequences in lanes, each after the other.

    sequences: (n,) uint32, those of the first lane, then those of the second. first: (lanes+1,) int64, where each
    lane's begin in it.
    """

    sequences: Indices
    first: NDArray[np.int64]


class Deal(NamedTuple):
    """What the windows of an epoch hold.

    sequences: (n,) uint32, in the order of the windows and of the lanes in each. places: (n,) int32, where each begins:
    lane * steps + step. first: (windows+1,) int64, where each window's begin in both.
    """

    sequences: Indices
    places: NDArray[np.int32]
    first: NDArray[np.int64]


def packed(lengths: Indices, steps: int, seed: int) -> Lanes:
    """Sequences packed first-fit into lanes of `steps` steps, in the order of a permutation.

    lengths: (n,) whole numbers from 1 to `steps`. The permutation is cut into blocks of `block_of` sequences, each of
    which is packed into lanes of its own: each sequence into the first that has room.
    """
    order = _drawn(seed, 0, 0, len(lengths))
    block = block_of(lengths, steps)
    chunk = max(1, _AT_ONCE // block) * block
    sequences = np.empty(len(order), np.uint32)
    begins = []
    for start in range(0, len(order), chunk):
        part = order[start : start + chunk]
        cells = _first_fit(lengths[part], block, steps)
        by_lane = cells.argsort()  # each is there once
        sequences[start : start + chunk] = part[by_lane]
        lanes = cells[by_lane] // steps
        begins.append(start + np.flatnonzero(np.diff(lanes, prepend=-1)))
    return Lanes(sequences, np.concatenate((*begins, [len(order)])))


def block_of(lengths: Indices, steps: int) -> int:
    """How many sequences are packed together: about 1024 lanes of them, and at most 32,768."""
    count, whole = len(lengths), int(lengths.sum(dtype=np.int64))
    return min(count, _MOST_TOGETHER, -(-_BLOCK_LANES * steps * count // whole))


def dealt(packing: Lanes, lengths: Indices, lanes: int, steps: int, seed: int, epoch: int) -> Deal:
    """What an epoch's windows of `lanes` lanes hold: the lanes of the packing in another order, filled otherwise.

    lengths: those that were packed.
    """
    draw = _drawn(seed, epoch, 1, len(lengths))
    by_length = draw[lengths[draw].argsort(kind="stable")]
    filled = np.empty(len(lengths), np.uint32)
    filled[lengths[packing.sequences].argsort(kind="stable")] = by_length
    turn = _drawn(seed, epoch, 2, len(packing.first) - 1)
    counts = np.diff(packing.first)[turn]
    first = np.append(0, counts.cumsum())
    sequences = filled[np.arange(len(filled)) + np.repeat(packing.first[turn] - first[:-1], counts)]
    del filled, draw, by_length
    ends = np.append(0, lengths[sequences].cumsum(dtype=np.int64))
    base = np.arange(len(turn)) % lanes * steps
    places = ends[:-1] + np.repeat(base - ends[first[:-1]], counts)
    return Deal(sequences, places.astype(np.int32), np.append(first[:-1:lanes], first[-1]))


def _drawn(seed: int, epoch: int, what: int, count: int) -> NDArray[np.int64]:
    """A permutation: the order of the raw numbers of NumPy's Philox4x64-10, key (seed, 0), counter (0, epoch, 2, what).

    Unlike the shuffles of a generator these are the same in every version of NumPy.
    """
    bits = np.random.Philox(counter=(0, epoch, _PURPOSE, what), key=np.array((seed, 0), np.uint64))
    numbers: NDArray[np.uint64] = bits.random_raw(count)
    return numbers.argsort(kind="stable")


def _first_fit(lengths: Indices, block: int, steps: int) -> NDArray[np.int64]:
    """(n,) int64, where each sequence comes to lie: lane * steps + step, the lanes of all blocks counted on.

    All blocks are packed beside each other, the first sequence of each, then the second.
    """
    blocks = -(-len(lengths) // block)
    kind = np.int16 if steps < 2**15 else np.int64
    needs = np.zeros((blocks, block), kind)  # nothing is left over at the end that needs room
    needs.reshape(-1)[: len(lengths)] = lengths
    most = 2 * int(needs.sum(axis=1, dtype=np.int64).max()) // steps + 2  # two lanes together are more than one
    room = np.full((blocks, most), steps, kind)
    flat, rows = room.reshape(-1), np.arange(blocks) * most
    lanes, begins = np.zeros((block, blocks), np.int64), np.zeros((block, blocks), kind)
    open_lanes = 1
    for need, lane, begin in zip(np.ascontiguousarray(needs.T), lanes, begins, strict=True):
        np.argmax(room[:, :open_lanes] >= need[:, None], axis=1, out=lane)
        at = rows + lane
        left = flat[at]
        np.subtract(steps, left, out=begin)
        flat[at] = left - need
        open_lanes = min(max(open_lanes, int(lane.max()) + 2), most)
    used = lanes.max(axis=0) + 1
    lanes += used.cumsum() - used
    return (lanes * steps + begins).T.reshape(-1)[: len(lengths)]
