"""The two sides of pairs: how long they are, what windows they need, and what lies in a window of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Split
from gpurnn.data.stream.packing import Side
from gpurnn.data.stream.pieces import MOST_STEPS, Pieces, rounded_up, side_starts
from gpurnn.exceptions import DataError


class Extent(NamedTuple):
    """How many steps one side of pairs has: the longest of them, and all together; 0 where there is no such side."""

    longest: int
    whole: int


def longest_of(split: Split) -> tuple[Extent, Extent]:
    """The extent of the sources and of the targets, each with its end, of a split of pairs or captions."""
    target, source = targets_of(split), sources_of(split)
    return Extent(0, 0) if source is None else _extent(source), _extent(target)


def _extent(pieces: Pieces) -> Extent:
    return Extent(int(pieces.count.max()), int(pieces.count.sum()))


def pair_geometry(source: Extent, target: Extent, lanes: int, steps: int) -> tuple[int, int, int]:
    """Lanes, source steps and target steps of windows of pairs, the larger side about as large as `lanes` x `steps`.

    Both sides have room for the longest one, a multiple of 16 and at most 512 steps. The side that would be full
    before the other has more, so that both are about as full.
    """
    s, t = (min(MOST_STEPS, rounded_up(side.longest)) for side in (source, target))
    if source.whole:
        s = max(s, min(MOST_STEPS, rounded_up(-(-t * source.whole // target.whole))))
        t = max(t, min(MOST_STEPS, rounded_up(-(-s * target.whole // source.whole))))
    return max(1, lanes * steps // max(s, t)), s, t


def targets_of(split: Split) -> Pieces:
    """The targets of a split, each with a step more for its end, which is not stored and does not count."""
    starts = side_starts(split, split.documents, len(split))
    stored = _narrow(np.diff(starts))
    return Pieces(starts[:-1], stored + 1, np.zeros_like(stored), stored, stored=stored)


def sources_of(split: Split) -> Pieces | None:
    """Their sources; None where there are none."""
    if split.numbers:
        return None
    starts = side_starts(split, split.source_documents, len(split.source))
    count = _narrow(np.diff(starts))
    return Pieces(starts[:-1], count, np.zeros_like(count), count)


def _narrow(counts: NDArray[np.int64]) -> NDArray[Any]:
    """The same numbers, and room for one more than the largest, in less memory where they are small."""
    return counts.astype(np.uint16) if int(counts.max()) < 2**16 - 1 else counts


def side_of(split: Split, pieces: Pieces, steps: int, name: str, setting: str) -> Side:
    """One side of the pairs of a split for lanes of `steps` steps.

    name: "source" or "target"; setting: of its steps. Raises DataError, which names it, for one that is longer.
    """
    longest = int(pieces.count.argmax())
    found = int(pieces.count[longest])
    if found > steps:
        end = "" if pieces.stored is None else " with its end"
        raise DataError(
            f"{split.path}, split {split.name}: the {name} of pair {longest} (the first is 0) has {found:,} "
            f"steps{end}, a window only {steps:,}; use `{setting}={rounded_up(found)}`, or leave longer "
            "pairs out with `max_length`"
        )
    return Side(pieces.count, steps)
