"""Stretches of series read whole, one after the other in each lane, for measuring: every target of a split once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus, Split
from gpurnn.data.corpus.sizes import SPLITS
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream.series import series_fields
from gpurnn.data.stream.windows import KEEP, Cursor, Geometry, Slot, Window
from gpurnn.exceptions import DataError
from gpurnn.fields import Field

_LEAST_LEAD = 96
_MOST_LANES = 64


class Piece(NamedTuple):
    """Rows of a stretch in one split."""

    split: str
    start: int
    rows: int


@dataclass(frozen=True)
class Stretch:
    """What a lane reads from a state of zeros on: rows of one series without a break.

    key: which series. time: of the first row, in seconds since 1970. pieces: where the rows are. lead: how many of
    them come before the split that is measured. early: whether forecasts that are made in those count, too.
    """

    key: int
    time: int
    pieces: tuple[Piece, ...]
    lead: int
    early: bool = False

    def counts_from(self, ahead: int) -> int:
        """The first row whose target counts, so many rows ahead: it lies in the split, as the row itself has to.

        Where `early`, the row may lie before the split.
        """
        return max(0, self.lead - ahead) if self.early else self.lead

    @property
    def count(self) -> int:
        """How many rows there are."""
        return sum(piece.rows for piece in self.pieces)


def lead_of(forecast: Forecast) -> int:
    """How many rows before a split are read so that its first targets are forecast from a state that has seen some."""
    return forecast.most + max(_LEAST_LEAD, 4 * forecast.columns.season)


def stretches_of(corpus: Corpus, split: str, forecast: Forecast, lead: int | None = None) -> list[Stretch]:
    """The stretches of a split in their order, each with up to `lead` rows that come right before it in other splits.

    Where the split is so short that no forecast is made in it of what lies in it, those made before it count.
    lead: `lead_of` unless given.
    """
    lead = lead_of(forecast) if lead is None else lead
    earlier = SPLITS[: SPLITS.index(split)]
    ends = {name: _ends(corpus, name) for name in earlier}
    documents = list(zip(*_documents(corpus.split(split)), strict=True))
    early = all(count <= forecast.most for *_, count in documents)
    found = []
    for key, time, start, count in documents:
        pieces, begins, left = [Piece(split, start, count)], time, lead
        for name in reversed(earlier):
            before = ends[name].get((key, begins))
            if before is None:  # a split without rows may lie between
                continue
            if not left:
                break
            taken = min(left, before.rows)
            pieces.insert(0, Piece(name, before.start + before.rows - taken, taken))
            begins, left = begins - taken * forecast.columns.interval, left - taken
            if taken < before.rows:
                break
        found.append(Stretch(key, begins, tuple(pieces), lead - left, early))
    return found


def _documents(split: Split) -> tuple[list[int], list[int], list[int], list[int]]:
    """Of each document: its key, the time of its first row, its first row, and how many it has."""
    starts = np.zeros(len(split.documents), np.uint64)
    split.documents.read(0, starts)
    begins = starts.astype(np.int64)
    counts = np.diff(np.append(begins, len(split)))
    return split.keys().tolist(), split.starts().tolist(), begins.tolist(), counts.tolist()


def _ends(corpus: Corpus, name: str) -> dict[tuple[int, int], Piece]:
    """The documents of a split by key and by the time of the row that would come next."""
    interval = corpus.columns.interval
    documents = zip(*_documents(corpus.split(name)), strict=True)
    return {(key, time + count * interval): Piece(name, start, count) for key, time, start, count in documents}


@dataclass(frozen=True)
class Place:
    """Where the steps of a window stand. Each (T, B), but now: (T, B, C).

    key: which series, -1 where a lane has nothing to read. time: of the row. now: the last known values of the targets'
    columns, NaN before the first.
    """

    key: NDArray[np.int64]
    time: NDArray[np.int64]
    now: NDArray[np.float64]

    @classmethod
    def empty(cls, steps: int, lanes: int, targets: int) -> Self:
        """That of a window in which no lane reads anything."""
        shape = steps, lanes
        return cls(np.full(shape, -1, np.int64), np.zeros(shape, np.int64), np.full((*shape, targets), np.nan))


class StretchStream:
    """The windows over all stretches of a split: each lane reads one stretch after the other, each from its beginning.

    A target counts where it is known and lies in the split itself, see `Stretch.counts_from`, and where its column was
    known before. weight is 1 where one of a step counts. `place` says where the steps of a window stand.
    lanes: as many as there are stretches, at most 64, unless given.
    Raises DataError for a split without rows.
    """

    def __init__(
        self,
        corpus: Corpus,
        split: str,
        forecast: Forecast,
        *,
        lanes: int | None = None,
        steps: int = 256,
        lead: int | None = None,
    ) -> None:
        self._stretches = stretches_of(corpus, split, forecast, lead)
        if not self._stretches:
            raise DataError(f"{corpus.path}: split {split} has no rows")
        self._splits = {name: corpus.split(name) for name in SPLITS}
        self._forecast = forecast
        self.lanes, self.steps = min(len(self._stretches), lanes or _MOST_LANES), steps
        self.fields: tuple[Field, ...] = series_fields(forecast)
        self.rows = sum(stretch.count for stretch in self._stretches)
        self.geometry = Geometry(max(self.rows, self.lanes * steps) + 1, self.lanes, steps)
        self._places: list[Place | None] = [None] * (KEEP + 1)

    def place(self, window: Window) -> Place:
        """Where the steps of a window stand; of the last ones that were taken."""
        found = self._places[window.index % len(self._places)]
        assert found is not None
        return found

    def recycled(self) -> Iterator[Window]:
        """The windows, whose arrays stay as they are until three more were taken."""
        slots = [Slot(self.fields, self.geometry.sizes) for _ in range(KEEP + 1)]
        waiting = iter(self._stretches)
        readers = [_Lane(self._splits, self._forecast, waiting, self.steps) for _ in range(self.lanes)]
        index = 0
        while sum(reader.more() for reader in readers):  # all are asked: each takes a stretch before any takes two
            slot = slots[index % len(slots)]
            self._places[index % len(slots)] = place = Place.empty(self.steps, self.lanes, len(self._forecast.target))
            yield self._window(index, slot, place, readers)
            index += 1

    def _window(self, index: int, slot: Slot, place: Place, readers: Sequence[_Lane]) -> Window:
        shape = self.steps, self.lanes
        arrays = {name: array.reshape(*shape, *array.shape[1:]) for name, array in slot.arrays.items()}
        carry, weight = slot.carry.reshape(shape), slot.weight.reshape(shape)
        arrays["reals"].fill(0)
        arrays["targets"].fill(np.nan)
        carry.fill(0)
        filled = {**arrays, "carry": carry, **vars(place)}
        for lane, reader in enumerate(readers):
            reader.fill({name: array[:, lane] for name, array in filled.items()})
        np.copyto(weight, ~np.isnan(arrays["targets"]).all(axis=2))
        return Window(
            index,
            0,
            carry=carry,
            weight=weight,
            has_boundary=True,
            uniform=False,
            weight_sum=float(weight.sum()),
            cursor=Cursor(index + 1, self.lanes, self.steps, self.geometry.tokens),
            fields=arrays,
        )


class _Lane:
    """Reads stretches, the next one that is waiting whenever one has ended."""

    def __init__(
        self, splits: Mapping[str, Split], forecast: Forecast, waiting: Iterator[Stretch], most_steps: int
    ) -> None:
        self._splits, self._forecast, self._waiting = splits, forecast, waiting
        self._stretch: Stretch | None = None
        self._done = 0
        self._known = np.zeros(len(forecast.target))
        self._rows = np.zeros((most_steps + forecast.most, forecast.columns.inputs), np.float32)

    def more(self) -> bool:
        """Whether there is a row to read."""
        if self._stretch is None or self._done == self._stretch.count:
            self._stretch, self._done = next(self._waiting, None), 0
            self._known.fill(np.nan)
        return self._stretch is not None

    def fill(self, window: Mapping[str, NDArray[Any]]) -> None:
        """Overwrite a lane's arrays, (T, ...), as far as there are rows."""
        steps, begin = len(window["carry"]), 0
        while begin < steps and self.more():
            assert self._stretch is not None
            count = min(steps - begin, self._stretch.count - self._done)
            self._read(self._stretch, {name: array[begin : begin + count] for name, array in window.items()})
            begin, self._done = begin + count, self._done + count

    def _read(self, stretch: Stretch, part: Mapping[str, NDArray[Any]]) -> None:
        forecast, n, first = self._forecast, len(part["carry"]), self._done
        rows = self._rows[: n + forecast.most]
        there = min(len(rows), stretch.count - first)
        self._read_rows(stretch, first, rows[:there])
        rows[there:] = np.nan
        scaled = np.empty((n, rows.shape[1]), np.float32)
        forecast.columns.scaled(rows[:n], scaled)
        part["reals"][...] = scaled
        part["carry"][...] = 1
        part["carry"][: 1 if first == 0 else 0] = 0
        part["key"][...] = stretch.key
        part["time"][...] = stretch.time + forecast.columns.interval * np.arange(first, first + n)
        part["now"][...] = last_known(rows[:n, list(forecast.places)], self._known)
        self._known = part["now"][-1].copy()
        changes = np.empty((n, forecast.width), np.float32)
        left = stretch.count - 1 - np.arange(first, first + n)
        forecast.changes(rows, left, changes, part["now"])
        for column, steps in enumerate(forecast.steps * len(forecast.target)):
            changes[: max(0, stretch.counts_from(steps) - first), column] = np.nan
        part["targets"][...] = changes

    def _read_rows(self, stretch: Stretch, first: int, out: NDArray[np.float32]) -> None:
        """The rows from `first` on of a stretch."""
        done = 0
        for piece in stretch.pieces:
            if first < piece.rows and done < len(out):
                count = min(piece.rows - first, len(out) - done)
                self._splits[piece.split].read_rows(piece.start + first, out[done : done + count])
                done += count
            first = max(0, first - piece.rows)


def last_known(values: NDArray[Any], before: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, C) float64: of each column the last value that is not NaN. values: (n, C). before: (C,), known before."""
    known = np.concatenate((before[None], values.astype(np.float64)))
    rows = np.where(np.isnan(known), 0, np.arange(len(known))[:, None])
    np.maximum.accumulate(rows, axis=0, out=rows)
    return np.take_along_axis(known, rows, axis=0)[1:]
