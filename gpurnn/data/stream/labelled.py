"""Windows of labelled sequences in either layout: whole sequences, or lanes that go through all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus, Split
from gpurnn.data.series.columns import Columns
from gpurnn.data.stream.lanes import LaneBuffer
from gpurnn.data.stream.restarts import Restarts
from gpurnn.data.stream.stream import WindowStream, split_geometry
from gpurnn.data.stream.values import Rows, Symbols, read_all
from gpurnn.data.stream.whole import whole_fields
from gpurnn.data.stream.wholestream import WholeStream, has_labels
from gpurnn.data.stream.windows import Cursor, Geometry, WindowMaker
from gpurnn.fields import Field

LAYOUTS = ("whole", "through")
"""Windows that hold sequences whole, and windows that sequences, and the state, go on through."""


def labelled_stream(
    corpus: Corpus,
    split: str = "train",
    *,
    layout: str,
    cut: bool = False,
    context: int = 0,
    restart: float = 0.0,
    **more: Any,
) -> WindowStream:
    """The windows of a split with labels or tags.

    layout: one of `LAYOUTS`. cut, context: of whole alone; restart: of through. more: lanes, steps and others, see
    `WholeStream`, which also says what is raised.
    """
    if layout == "whole":
        return WholeStream(corpus, split, cut=cut, context=context, **more)
    return ThroughStream(corpus, split, restart=restart, **more)


class ThroughStream(WindowStream):
    """Windows of lanes that each go through a part of a split: sequences and the state go on from one to the next."""

    def __init__(
        self,
        corpus: Corpus,
        split: str = "train",
        *,
        lanes: int,
        steps: int,
        seed: int = 0,
        restart: float = 0.0,
        columns: Columns | None = None,
        weights: NDArray[np.float32] | None = None,
        cursor: Cursor | None = None,
        epochs: int | None = None,
        prefetch: bool = True,
        plan: bool = True,
    ) -> None:
        """See `WindowStream`, and `WholeStream` for columns and weights."""
        at_end = has_labels(corpus)
        part = corpus.split(split).independent()
        maker = ThroughWindows(
            part,
            split_geometry(part, len(part) + 1, lanes, steps),
            whole_fields(part, len(corpus.labels), planned=plan),
            Restarts(restart, seed, lanes),
            columns=(columns or corpus.columns) if part.inputs else None,
            at_end=at_end,
            weights=weights,
        )
        self._begin(maker, cursor, epochs, prefetch)


class ThroughWindows(WindowMaker):
    """Makes windows of the steps of a split, each with its tag; or the last of each sequence with the label.

    The other steps of sequences with a label have the target 0 and no weight.
    """

    def __init__(
        self,
        split: Split,
        geometry: Geometry,
        fields: tuple[Field, Field],
        restarts: Restarts,
        *,
        columns: Columns | None,
        at_end: bool,
        weights: NDArray[np.float32] | None,
    ) -> None:
        """columns: of rows. at_end: whether sequences have labels."""
        super().__init__(geometry, fields, restarts, weights)
        self._split = split
        self._inputs = Symbols(split) if columns is None else Rows(split, columns)
        one = self._inputs.buffer(1)
        self._buffer = buffer = LaneBuffer(geometry, one.nbytes + split.targets.dtype.itemsize)
        self._values = buffer.hold(fields[0].name, one.dtype, *one.shape[1:])
        self._carry, self._weight = buffer.hold("carry", np.float32), buffer.hold("weight", np.float32)
        self._first = np.zeros(buffer.block + 1, np.uint8)
        self._tags = Symbols(split.targets)
        self._labels = read_all(self._tags, len(split.documents)) if at_end else None
        self._targets = buffer.hold("targets", split.targets.dtype)

    def fill(self, window: Mapping[str, NDArray[Any]], offset: int) -> bool:
        """See `WindowMaker.fill`."""
        self._buffer.fill(window, offset, self._read)
        return True

    def _read(self, lane: int, start: int, count: int) -> None:
        """The steps start .. start + count of the split into a lane."""
        self._inputs.read(start, self._values[lane, :count])
        first = self._first[: count + 1]
        self._split.documents.mark(start, first)
        np.subtract(1, first[:count], out=self._carry[lane, :count])
        targets, weight = self._targets[lane, :count], self._weight[lane, :count]
        if self._labels is None:
            self._tags.read(start, targets)
            weight.fill(1)
            return
        if start + count == len(self._split):
            first[count] = 1
        np.copyto(weight, first[1:])
        ends = np.flatnonzero(first[1:])
        targets.fill(0)
        number = self._split.documents.locate(start + 1) - 1  # which document the first of these steps is of
        targets[ends] = self._labels[number : number + len(ends)]
