"""Windows of pairs and captions: each lies whole in one lane of one window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Split
from gpurnn.data.stream.layout import Layout, Place
from gpurnn.data.stream.packed import PackedWindows
from gpurnn.data.stream.packing import Deal, Lanes
from gpurnn.data.stream.pieces import Pieces
from gpurnn.data.stream.values import Symbols, Vectors, values_of
from gpurnn.data.stream.windows import Geometry
from gpurnn.fields import Field


def pair_fields(split: Split, geometry: Geometry, *, planned: bool) -> tuple[Field, ...]:
    """What windows of pairs, or of captions, have. planned: whether the symbols have a plan."""
    sizes, symbols = geometry.sizes, split.symbols + 1

    def places(side: str, per: str) -> tuple[Field, Field]:
        below = sizes.count(per)
        first, last = f"{side}_first", f"{side}_last"
        return Field(first, "index", below=below, per="sequence"), Field(last, "index", below=below, per="sequence")

    common = (
        Field("tokens", "index", below=symbols, planned=planned),
        Field("targets", "index", below=symbols),
        Field("pair", "index", below=sizes.sequences),
        Field("there", "real", per="sequence"),
        *places("target", "step"),
    )
    if split.numbers:
        return *common, Field("vectors", "real", split.numbers, per="sequence")
    return (
        *common,
        Field("source", "index", below=split.source.below, planned=planned, per="source"),
        Field("source_carry", "real", per="source"),
        *places("source", "source"),
    )


class PairWindows(PackedWindows):
    """Makes windows of the pairs or captions of a split.

    A target with n symbols has n + 1 steps: read are the end and the symbols, K and t1 .. tn; the targets are t1 .. tn
    and K. In what is left over all fields, carry and weight are 0.
    """

    def __init__(
        self,
        split: Split,
        geometry: Geometry,
        *,
        target: Pieces,
        source: Pieces | None,
        packing: Lanes,
        planned: bool,
    ) -> None:
        """packing: see `PackedWindows`."""
        super().__init__(geometry, pair_fields(split, geometry, planned=planned), target, packing)
        self._end = split.symbols
        self._target = _Laid(self._layout, geometry.sequences)
        self._targets = values_of(Symbols(split), len(split), geometry.lanes, geometry.steps)
        self._source: _Source | None = None
        self._vectors: Vectors | None = None
        if source is None:
            self._vectors = Vectors(split)
        else:
            self._source = _Source(split, source, geometry)

    def fill(self, window: Mapping[str, NDArray[Any]], offset: int) -> bool:
        """See `WindowMaker.fill`."""
        number, layout = self._lay(), self._layout
        self._put_target(window)
        self._target.put(window, "target")
        window["there"].fill(0)
        window["there"][: layout.pieces] = 1
        if self._source is not None:
            self._source.put(self._deals[1], number, window)
        elif self._vectors is not None:
            self._vectors.put(layout.numbers, window["vectors"])
        return True

    def _put_target(self, window: Mapping[str, NDArray[Any]]) -> None:
        layout, mask, targets, tokens = self._layout, self._mask, window["targets"], window["tokens"]
        self._targets.fill(layout, targets)
        np.logical_not(layout.counts, out=mask)
        np.copyto(targets, self._end, where=mask)
        np.copyto(tokens[1:], targets[:-1])
        np.copyto(tokens, self._end, where=layout.begins)
        np.copyto(window["pair"], layout.owner)
        for array in (targets, tokens, window["pair"]):
            np.copyto(array, 0, where=layout.left_over)
        np.logical_not(layout.left_over, out=mask)
        np.copyto(window["weight"], mask)
        np.greater(mask, layout.begins, out=mask)
        np.copyto(window["carry"], mask)


class _Laid:
    """The layout of one side, and where its sequences lie in a window that has room for `sequences`."""

    def __init__(self, layout: Layout, sequences: int) -> None:
        self.layout = layout
        self._first, self._last = np.zeros((2, sequences), np.int64)

    def put(self, window: Mapping[str, NDArray[Any]], side: str) -> None:
        """Overwrite the rows at which the sequences begin and end; 0 of those that are not there."""
        count = self.layout.pieces
        self.layout.edges(self._first[:count], self._last[:count])
        for name, rows in (("first", self._first), ("last", self._last)):
            rows[count:] = 0
            np.copyto(window[f"{side}_{name}"], rows, casting="same_kind")


class _Source:
    """The sources of a window."""

    def __init__(self, split: Split, pieces: Pieces, geometry: Geometry) -> None:
        lanes, steps = geometry.lanes, geometry.source
        self._laid = _Laid(Layout(pieces, lanes, steps), geometry.sequences)
        self._values = values_of(Symbols(split.source), len(split.source), lanes, steps)
        self._place = Place.empty(steps, lanes)
        self._mask = np.zeros((steps, lanes), np.bool_)

    def put(self, deal: Deal, number: int, window: Mapping[str, NDArray[Any]]) -> None:
        """Overwrite what a window has of them. number: of the window in its epoch."""
        layout, source, mask = self._laid.layout, window["source"], self._mask
        layout.lay(deal, number, self._place)
        self._values.fill(layout, source)
        np.copyto(source, 0, where=layout.left_over)
        np.logical_or(layout.begins, layout.left_over, out=mask)
        np.logical_not(mask, out=mask)
        np.copyto(window["source_carry"], mask)
        self._laid.put(window, "source")
