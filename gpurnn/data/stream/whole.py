"""Windows of whole sequences, packed into lanes: no sequence goes on from one window to the next."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Split
from gpurnn.data.series.columns import Columns
from gpurnn.data.stream.packed import PackedWindows
from gpurnn.data.stream.packing import Lanes
from gpurnn.data.stream.pieces import Pieces
from gpurnn.data.stream.values import Rows, Symbols, read_all, values_of
from gpurnn.data.stream.windows import Geometry
from gpurnn.fields import Field


def whole_fields(split: Split, labels: int, *, planned: bool) -> tuple[Field, Field]:
    """What windows of labelled sequences have of each step: a symbol or the scaled numbers of a row, and its target.

    labels: how many there are. planned: whether the windows of symbols have a plan.
    """
    targets = Field("targets", "index", below=labels)
    if split.inputs:
        return Field("reals", "real", split.inputs), targets
    return Field("tokens", "index", below=split.symbols, planned=planned), targets


class SequenceWindows(PackedWindows):
    """Makes windows of the sequences of a split, and leaves their targets to others.

    In what is left over carry and the input are 0.
    """

    def __init__(
        self,
        split: Split,
        geometry: Geometry,
        fields: tuple[Field, Field],
        *,
        columns: Columns | None,
        pieces: Pieces,
        packing: Lanes,
        weights: NDArray[np.float32] | None = None,
    ) -> None:
        """geometry: whose windows are those of an epoch. columns: of rows. The others: see `PackedWindows`."""
        super().__init__(geometry, fields, pieces, packing, weights)
        inputs = Symbols(split) if columns is None else Rows(split, columns)
        self._inputs = values_of(inputs, len(split), geometry.lanes, geometry.steps)

    @abstractmethod
    def _put_targets(self, targets: NDArray[Any], weight: NDArray[Any]) -> None:
        """Overwrite both, (T, B), of the window that is laid out."""

    def fill(self, window: Mapping[str, NDArray[Any]], offset: int) -> bool:
        """See `WindowMaker.fill`."""
        self._lay()
        layout, mask = self._layout, self._mask
        inputs = window[self.fields[0].name]
        self._inputs.fill(layout, inputs)
        np.copyto(inputs, 0, where=layout.left_over if inputs.ndim == 2 else layout.left_over[:, :, None])
        self._put_targets(window["targets"], window["weight"])
        np.logical_or(layout.begins, layout.left_over, out=mask)
        np.logical_not(mask, out=mask)
        np.copyto(window["carry"], mask)
        return True


class WholeWindows(SequenceWindows):
    """Makes windows of sequences, each step with a tag or each sequence with a label.

    In what is left over weight and targets are 0. The target of a sequence's last step is its label, the others have 0.
    """

    def __init__(
        self, split: Split, geometry: Geometry, fields: tuple[Field, Field], *, at_end: bool, **more: Any
    ) -> None:
        """at_end: whether sequences have labels. more: see `SequenceWindows`."""
        super().__init__(split, geometry, fields, **more)
        targets = Symbols(split.targets)
        self._labels = read_all(targets, len(split.documents)).astype(np.int32) if at_end else None
        self._tags = None if at_end else values_of(targets, len(split), geometry.lanes, geometry.steps)

    def _put_targets(self, targets: NDArray[Any], weight: NDArray[Any]) -> None:
        np.copyto(weight, self._layout.counts)
        if self._labels is not None:
            np.take(self._labels, self.place(self._index).sequence, out=targets, mode="clip")
            np.logical_not(self._layout.counts, out=self._mask)
            np.copyto(targets, 0, where=self._mask)
        elif self._tags is not None:
            self._tags.fill(self._layout, targets)
            np.copyto(targets, 0, where=self._layout.left_over)
