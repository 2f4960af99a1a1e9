"""Windows of lanes that go through all captions, one after the other: a caption may be longer than a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus, Split
from gpurnn.data.stream.lanes import LaneBuffer
from gpurnn.data.stream.pairwindows import pair_fields
from gpurnn.data.stream.pieces import sequence_starts
from gpurnn.data.stream.restarts import Restarts
from gpurnn.data.stream.stream import WindowStream, split_geometry
from gpurnn.data.stream.values import Symbols, Vectors
from gpurnn.data.stream.windows import Cursor, Geometry, WindowMaker
from gpurnn.exceptions import DataError
from gpurnn.settings import checked

_WINDOWS = 1 << 16
"""The sequences of so many lanes of windows are counted at once."""


class CaptionLanes(WindowStream):
    """The windows of a split of captions in lanes that go on from one window to the next, and their state with them.

    Windows have the fields of those of `CaptionStream`. A sequence of a window is a caption, or the part of one that
    lies there, in one lane; a caption that two lanes have a part of is two. carry is 0 where one begins, and, as in
    all such lanes, where the lane begins its epoch or begins anew: there, too, a step sees what the vector of its
    caption comes to. Captions stand in the order of the corpus.

    restart: see `WindowStream`; the others, and what is raised: see `CaptionStream`.
    """

    def __init__(
        self,
        corpus: Corpus,
        split: str = "train",
        *,
        lanes: int,
        steps: int,
        seed: int = 0,
        restart: float = 0.0,
        cursor: Cursor | None = None,
        epochs: int | None = None,
        prefetch: bool = True,
        plan: bool = True,
    ) -> None:
        corpus = checked("corpus", Corpus, corpus)
        if not corpus.manifest.shape.vectors:
            raise DataError(f"{corpus.path}: it holds {corpus.manifest.shape.called}, no captions")
        part = corpus.split(split).independent()
        edges = caption_edges(part)
        plain = split_geometry(part, int(edges[-1]) + 1, lanes, steps)
        geometry = replace(plain, sequences=_most_sequences(edges, plain))
        maker = _CaptionWindows(part, geometry, edges, Restarts(restart, seed, lanes), planned=plan)
        self._begin(maker, cursor, epochs, prefetch)


def caption_edges(split: Split) -> NDArray[np.int64]:
    """Where the steps of the captions of a split begin, each with one for its end, and where the last ends, (n+1,)."""
    starts = sequence_starts(split)
    return starts + np.arange(len(starts))


def _most_sequences(edges: NDArray[np.int64], geometry: Geometry) -> int:
    """How many sequences a window has at most."""
    lanes, most = np.arange(geometry.lanes)[:, None] * geometry.lane, 0
    at_once = max(1, _WINDOWS // geometry.lanes)
    for first in range(0, geometry.windows, at_once):
        offsets = np.arange(first, min(first + at_once, geometry.windows)) * geometry.steps
        ends = np.minimum(offsets + geometry.steps, geometry.lane)
        first_of, last_of = (edges.searchsorted(lanes + at, "right") for at in (offsets, ends - 1))
        most = max(most, int((last_of - first_of + 1).sum(axis=0).max()))
    return most


class _CaptionWindows(WindowMaker):
    """edges: see `caption_edges`. planned: whether the symbols have a plan."""

    def __init__(
        self, split: Split, geometry: Geometry, edges: NDArray[np.int64], restarts: Restarts, *, planned: bool
    ) -> None:
        super().__init__(geometry, pair_fields(split, geometry, planned=planned), restarts)
        self._split, self._edges, self._end = split, edges, split.symbols
        self._text, self._vectors = Symbols(split), Vectors(split)
        self._buffer = buffer = LaneBuffer(geometry, 24)
        self._tokens, self._targets = buffer.hold("tokens", np.int32), buffer.hold("targets", np.int32)
        self._carry, self._caption = buffer.hold("carry", np.float32), buffer.hold("caption", np.int64)
        size = geometry.lanes * geometry.steps
        self._captions, self._cells = np.zeros(size, np.int64), np.arange(size)
        self._new, self._numbers = np.zeros(size, np.bool_), np.zeros(size, np.int64)
        self._first, self._last, self._of, self._row = np.zeros((4, geometry.sequences), np.int64)

    def fill(self, window: Mapping[str, NDArray[Any]], offset: int) -> bool:
        """See `WindowMaker.fill`."""
        steps, lanes = window["carry"].shape
        captions = self._captions[: steps * lanes].reshape(lanes, steps)
        self._buffer.fill({**window, "caption": captions.T}, offset, self._read)
        window["weight"].fill(1)
        new, numbers = self._new[: captions.size].reshape(captions.shape), self._numbers[: captions.size]
        np.not_equal(captions[:, 1:], captions[:, :-1], out=new[:, 1:])
        new[:, 0] = True
        np.copyto(numbers, new.reshape(-1))
        np.cumsum(numbers, out=numbers)
        numbers -= 1
        np.copyto(window["pair"], numbers.reshape(lanes, steps).T)
        count = int(numbers[-1]) + 1
        first, last = self._first[:count], self._last[:count]
        np.put(last, numbers, self._cells[: captions.size])  # what is put last stays
        first[0] = 0
        np.add(last[:-1], 1, out=first[1:])
        np.take(captions.reshape(-1), first, out=self._of[:count], mode="clip")
        self._vectors.put(self._of[:count], window["vectors"])
        for name, cells in (("target_first", first), ("target_last", last)):
            row = self._row[:count]
            np.remainder(cells, steps, out=row)
            row *= lanes
            cells //= steps
            row += cells
            window[name].fill(0)
            np.copyto(window[name][:count], row, casting="same_kind")
        window["there"].fill(0)
        window["there"][:count] = 1
        return True

    def _read(self, lane: int, start: int, count: int) -> None:
        """The steps start .. start + count of all captions into a lane."""
        at = np.arange(start, start + count)
        caption = self._edges.searchsorted(at, "right") - 1
        begin, end = self._edges[caption] == at, self._edges[caption + 1] == at + 1
        symbol = at - caption  # in the text, which has no ends: that which is read next
        low, high = max(0, int(symbol[0]) - 1), int(symbol[-1]) + 1
        text = self._text.buffer(min(high, len(self._split)) - low)
        self._text.read(low, text)
        for out, place, at_edge in ((self._tokens, symbol - 1, begin), (self._targets, symbol, end)):
            out[lane, :count] = np.where(at_edge, self._end, text.take(place - low, mode="clip"))
        self._carry[lane, :count] = ~begin
        self._caption[lane, :count] = caption
