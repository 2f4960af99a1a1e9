"""Sequences laid side by side so that as few steps as possible are left over, without a seed: the longest first."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Filling(NamedTuple):
    """Where sequences lie. lane, begin: (n,) int64, in which lane each is, and from which step on. lanes: how many."""

    lane: NDArray[np.int64]
    begin: NDArray[np.int64]
    lanes: int


def filled(lengths: NDArray[Any], steps: int) -> Filling:
    """Sequences put first-fit into lanes of `steps` steps, the longest first, equal ones in their order.

    lengths: (n,) whole numbers from 1 to `steps`. All of one length are put at once: to the first lane as many as
    it has room for, to the next one as many of the rest.
    """
    order = np.argsort(-lengths.astype(np.int64), kind="stable")
    by_length = lengths[order].astype(np.int64)
    most = min(len(lengths), 2 * int(by_length.sum()) // steps + 2)  # two lanes together are more than one
    room = np.full(most, steps, np.int64)
    lane, begin = np.zeros((2, len(lengths)), np.int64)
    edges = np.flatnonzero(np.diff(by_length, prepend=0, append=0))
    for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        length = int(by_length[first])
        fits = room // length
        ends = fits.cumsum()
        number = np.arange(last - first)
        found = ends.searchsorted(number, "right")
        lane[order[first:last]] = found
        begin[order[first:last]] = steps - room[found] + (number - ends[found] + fits[found]) * length
        room -= np.bincount(found, minlength=most) * length
    return Filling(lane, begin, int(lane.max()) + 1)
