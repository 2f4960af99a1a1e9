"""Rows of one key become stretches: a row at each instant of a grid, short gaps filled, long ones left open."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.series.durations import DAY
from gpurnn.data.series.rows import RowFile

_BLOCK_BYTES = 1 << 22
_STEPS = 4096
"""Of so many different steps the counts are kept at least."""


class Piece(NamedTuple):
    """Rows that follow each other. begins: a stretch. time: of the first. values: (n, F) float32, NaN: missing."""

    begins: bool
    time: int
    values: NDArray[np.float32]


class Scan:
    """A first look at rows in order: which are of which key, when they begin and end, and how far they are apart."""

    def __init__(self, rows: RowFile) -> None:
        self.ranges: dict[int, tuple[int, int]] = {}
        """Of each key's number the rows from .. to."""
        self.begin, self.end = 2**62, -(2**62)
        self._steps: Counter[int] = Counter()
        self._last: tuple[int, int] = (-1, 0)
        for start, block in blocks_of(rows, 0, len(rows)):
            self._add(start, block)

    @property
    def step(self) -> int | None:
        """The commonest step from one row to the next of the same key, in seconds; None where there is none."""
        return min(self._steps, key=lambda step: (-self._steps[step], step), default=None)

    def _add(self, start: int, block: NDArray[Any]) -> None:
        keys, times = block["key"].astype(np.int64), block["time"]
        self.begin, self.end = min(self.begin, int(times.min())), max(self.end, int(times.max()))
        keys_before = np.append(self._last[0], keys[:-1])
        steps = times - np.append(self._last[1], times[:-1])
        self._last = (int(keys[-1]), int(times[-1]))
        same = keys == keys_before
        firsts = np.flatnonzero(~same)
        edges = [*firsts.tolist(), len(keys)]
        if edges[0]:
            key = int(keys[0])
            self.ranges[key] = (self.ranges[key][0], start + edges[0])
        for first, stop in pairwise(edges):
            self.ranges[int(keys[first])] = (start + first, start + stop)
        for step, count in zip(*np.unique(steps[same & (steps > 0)], return_counts=True), strict=True):
            self._steps[int(step)] += int(count)
        if len(self._steps) > 2 * _STEPS:
            self._steps = Counter(dict(self._steps.most_common(_STEPS)))


def blocks_of(rows: RowFile, start: int, stop: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """The rows start .. stop in blocks of bounded size, each with the number of its first."""
    size = max(1, _BLOCK_BYTES // rows.dtype.itemsize)
    for first in range(start, stop, size):
        yield first, rows.read(first, min(first + size, stop))


def season_of(interval: int) -> int:
    """The rows of a day where the interval divides one, otherwise 1."""
    return DAY // interval if DAY % interval == 0 else 1


def phase_of(rows: RowFile, every: int) -> int:
    """Where the rows lie on a grid of so many seconds: at its whole multiples, unless hardly any do."""
    counts: Counter[int] = Counter()
    for _, block in blocks_of(rows, 0, len(rows)):
        for phase, count in zip(*np.unique(block["time"] % every, return_counts=True), strict=True):
            counts[int(phase)] += int(count)
        if len(counts) > 2 * _STEPS:
            counts = Counter(dict(counts.most_common(_STEPS)) | {0: counts[0]})
    commonest = min(counts, key=lambda phase: (-counts[phase], phase))
    return 0 if 2 * counts[0] >= counts[commonest] else commonest


@dataclass
class Counts:
    """What became of rows.

    identical, differing: whose time one before has; the first is kept. between: not on the grid of `every`, left out.
    off: not on the grid of their stretch, left out; first_off: key and time of the first one. gaps: filled ones;
    longest: rows of the longest of them; breaks: longer gaps.
    """

    identical: int = 0
    differing: int = 0
    between: int = 0
    off: int = 0
    first_off: tuple[int, int] | None = None
    gaps: int = 0
    longest: int = 0
    breaks: int = 0


class Grid:
    """Turns the rows of one key after the other into stretches.

    interval: seconds between rows. fill: rows of the longest gap that is filled. phase: where on the grid the rows
    are that are kept, the others are left out; None: every stretch has its own grid.
    """

    def __init__(self, interval: int, fill: int, phase: int | None) -> None:
        self.interval = interval
        self._fill = fill
        self.phase = phase
        self.counts = Counts()

    def pieces(self, rows: RowFile, start: int, stop: int) -> Iterator[Piece]:
        """The stretches of one key, whose rows are start .. stop, in pieces of bounded size."""
        last: NDArray[Any] | None = None
        for _, found in blocks_of(rows, start, stop):
            block = found
            if self.phase is not None:
                block = block[block["time"] % self.interval == self.phase]
                self.counts.between += len(found) - len(block)
            block = self._unrepeated(block, last)
            block = self._on_grid(block, None if last is None else int(last["time"]))
            if len(block):
                yield from self._filled(block, None if last is None else int(last["time"]))
                last = block[-1]

    def _unrepeated(self, block: NDArray[Any], last: NDArray[Any] | None) -> NDArray[Any]:
        """The rows without those whose time one before has."""
        whole = block if last is None else np.concatenate((last[None], block))
        if len(whole) < 2:
            return block
        again = whole["time"][1:] == whole["time"][:-1]
        if not again.any():
            return block
        kept = np.append(True, ~again)
        origin = np.flatnonzero(kept)[np.cumsum(kept) - 1]
        repeated = np.flatnonzero(~kept)
        mine, theirs = (whole["values"][places].view(np.uint32) for places in (repeated, origin[repeated]))
        identical = int((mine == theirs).all(axis=1).sum())
        self.counts.identical += identical
        self.counts.differing += len(repeated) - identical
        unrepeated: NDArray[Any] = whole[kept]
        return unrepeated if last is None else unrepeated[1:]

    def _on_grid(self, block: NDArray[Any], last: int | None) -> NDArray[Any]:
        """The rows without those that are off the grid of their stretch."""
        times = block["time"]
        steps = np.diff(times) if last is None else np.diff(times, prepend=last)
        near = steps <= (self._fill + 1) * self.interval
        if not (near & (steps % self.interval != 0)).any():
            return block
        kept = np.ones(len(block), bool)
        for index, time in enumerate(times.tolist()):
            if last is not None and time - last <= (self._fill + 1) * self.interval and (time - last) % self.interval:
                kept[index] = False
                self.counts.off += 1
                self.counts.first_off = self.counts.first_off or (int(block["key"][index]), time)
            else:
                last = time
        return block[kept]

    def _filled(self, block: NDArray[Any], last: int | None) -> Iterator[Piece]:
        times, values = block["time"], block["values"]
        far = (self._fill + 1) * self.interval
        steps = np.diff(times, prepend=times[0] - far - 1 if last is None else last)
        breaks = steps > far
        self.counts.breaks += int(breaks.sum()) - (last is None)
        gaps = np.flatnonzero(~breaks & (steps > self.interval))
        self.counts.gaps += len(gaps)
        if len(gaps):
            self.counts.longest = max(self.counts.longest, int(steps[gaps].max()) // self.interval - 1)
        empty = np.full((min(self._fill, 1024), values.shape[1]), np.nan, np.float32)
        edges = np.union1d(np.flatnonzero(breaks), gaps)
        for first, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(times)], strict=True):
            if first == stop:
                continue
            time = int(times[first])
            if not breaks[first]:
                missing = int(steps[first]) // self.interval - 1
                while missing:
                    count = min(missing, len(empty))
                    yield Piece(False, time - missing * self.interval, empty[:count])
                    missing -= count
            yield Piece(bool(breaks[first]), time, values[first:stop])
