"""What lies in windows of whole sequences: each sequence as it is, or cut into pieces that a window can hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Split
from gpurnn.data.corpus.readers import Documents
from gpurnn.exceptions import CorpusError, DataError, UsageError

MULTIPLE = 16
"""Windows that nobody gave a length have a multiple of so many steps."""
MOST_STEPS = 512
"""And at most so many."""

Indices = NDArray[Any]


@dataclass(frozen=True)
class Pieces:
    """Parts of the sequences of a split. All (n,), whole numbers.

    position: of its first step in the split. count: how many steps it has. low, high: those of its steps from `low` on
    and before `high` count. sequence: which it is of. begin: its first step in the sequence. Where those are None, each
    piece is a sequence. stored: so many of its steps, the first ones, are in the split; None: all.
    """

    position: NDArray[np.int64]
    count: Indices
    low: Indices
    high: Indices
    sequence: Indices | None = None
    begin: Indices | None = None
    stored: Indices | None = None


def whole_geometry(longest: int, lanes: int, steps: int) -> tuple[int, int]:
    """Lanes and steps of windows that hold sequences of up to `longest` steps, about as large as `lanes` x `steps`.

    Steps: `longest` rounded up to a multiple of 16, at most 512.
    """
    found = min(MOST_STEPS, rounded_up(longest))
    return max(1, lanes * steps // found), found


def rounded_up(steps: int) -> int:
    """The next multiple of 16."""
    return -(-steps // MULTIPLE) * MULTIPLE


def sequence_starts(split: Split) -> NDArray[np.int64]:
    """Where the sequences of a split begin, and where the last ends, (n+1,) int64.

    Raises DataError where there are none, CorpusError where they do not rise.
    """
    return side_starts(split, split.documents, len(split))


def longest_sequence(split: Split) -> int:
    """Steps of the longest sequence of a split. Raises as `sequence_starts`."""
    return int(np.diff(sequence_starts(split)).max())


def side_starts(split: Split, documents: Documents, end: int) -> NDArray[np.int64]:
    """The same of one side of the sequences of a split. documents: where they begin. end: where the last ends."""
    if not len(split):
        raise DataError(f"{split.path}: split {split.name} has no sequences")
    starts = np.empty(len(documents) + 1, np.int64)
    documents.read(0, starts[:-1].view(np.uint64))
    starts[-1] = end
    if starts[0] != 0 or (starts[1:] <= starts[:-1]).any():
        raise CorpusError(f"{split.path}, split {split.name}: the documents are not in order; prepare the corpus again")
    return starts


def pieces_of(
    split: Split,
    steps: int,
    *,
    at_end: bool,
    cut: bool = False,
    context: int = 0,
    otherwise: str = "cut what is longer",
) -> Pieces:
    """The pieces of the sequences of a split, of up to `steps` steps.

    at_end: what counts is the last step of each sequence, else all are. cut: whether longer sequences are cut; where
    the last step alone counts, the steps before the last ones are left out. context: a piece of a cut sequence has up
    to so many steps of what comes before it and after it, which do not count. otherwise: what to do about a longer one
    but to take longer windows.
    Raises DataError for a longer sequence that is not to be cut, UsageError for a context of nothing that is cut, of
    labels, and for one that leaves no step.
    """
    if context and not cut:
        raise UsageError("context: only what is cut has steps before and after it; cut, too")
    if context and at_end:
        raise UsageError(
            "context: only the last step of a sequence counts, which is what its label is of; leave it out"
        )
    if cut and 2 * context >= steps:
        raise UsageError(f"context {context}: on both sides it leaves no step of {steps} (`bptt`) that counts")
    starts = sequence_starts(split)
    lengths = np.diff(starts)
    longest = int(lengths.argmax())
    if not cut and lengths[longest] > steps:
        found = int(lengths[longest])
        raise DataError(
            f"{split.path}, split {split.name}: sequence {longest} (the first is 0) has {found:,} steps, a window only "
            f"{steps:,}; use `bptt={rounded_up(found)}`, or {otherwise}"
        )
    return cut_pieces(starts, steps, at_end=at_end, context=context)


def cut_pieces(starts: NDArray[np.int64], steps: int, *, at_end: bool, context: int = 0) -> Pieces:
    """The pieces, of up to `steps` steps, of sequences that lie one after the other.

    starts: where each begins, and where the last ends, (n+1,). at_end, context: see `pieces_of`.
    """
    lengths = np.diff(starts)
    longest = int(lengths.max())
    kind = np.uint16 if steps < 2**16 else np.int64
    if at_end:
        count = np.minimum(lengths, steps)
        high = count.astype(kind)
        begin = None if longest <= steps else lengths - count
        return Pieces(starts[1:] - count, high, (count - 1).astype(kind), high, begin=begin)
    if longest <= steps:
        count = lengths.astype(kind)
        return Pieces(starts[:-1], count, np.zeros_like(count), count)
    return _cut(starts, lengths, steps, context, kind)


def _cut(starts: NDArray[np.int64], lengths: NDArray[np.int64], steps: int, context: int, kind: Any) -> Pieces:
    """The pieces of each sequence: the first counts up to `context` before its end, the next goes on from there."""
    stride = steps - 2 * context
    numbers = 1 + np.maximum(0, -(-(lengths - steps) // stride))
    sequence = np.repeat(np.arange(len(lengths), dtype=np.uint32), numbers)
    begin = (np.arange(len(sequence)) - np.repeat(numbers.cumsum() - numbers, numbers)) * stride
    whole = lengths[sequence]
    count = np.minimum(steps, whole - begin)
    low = np.where(begin > 0, context, 0)
    high = np.where(begin + count < whole, count - context, count)
    count, low, high = (each.astype(kind) for each in (count, low, high))
    return Pieces(starts[sequence] + begin, count, low, high, sequence, begin)
