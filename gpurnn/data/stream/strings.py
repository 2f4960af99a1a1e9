"""The stream of windows of frames with strings of labels, whose labels are not said to lie at any of the frames."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus, Split
from gpurnn.data.corpus.sizes import index_type
from gpurnn.data.series.columns import Columns
from gpurnn.data.stream.packed import PackedStream, packed_geometry
from gpurnn.data.stream.packing import Side, packed
from gpurnn.data.stream.pieces import pieces_of, sequence_starts
from gpurnn.data.stream.values import values_of
from gpurnn.data.stream.whole import SequenceWindows
from gpurnn.data.stream.windows import Cursor, Geometry
from gpurnn.exceptions import CorpusError, DataError
from gpurnn.fields import Field
from gpurnn.settings import Count, Seed, checked

_AT_ONCE = 1 << 13
"""The strings of so many sequences are read at once."""


class StringStream(PackedStream):
    """The windows of a split of frames with strings of labels; see `WindowStream`.

    A sequence lies in one lane of one window. Its m labels are the targets of its first m steps, which have weight 1;
    all others, and what is left over, have the blank as target and weight 0. Windows have reals (T, B, F), targets,
    carry, 0 at a sequence's first step and in what is left over, and weight.

    lanes: B. steps: T. seed: of the packing and of the order of each epoch. columns: how rows are scaled; those of the
    corpus unless given. cursor, epochs, prefetch: see `WindowStream`.
    Raises DataError for a corpus without strings, for a split without sequences, for a sequence that is longer than a
    window, and for a cursor of another geometry; CorpusError for a string that is empty or does not fit its frames;
    UsageError for values of another type or out of range.
    """

    def __init__(
        self,
        corpus: Corpus,
        split: str = "train",
        *,
        lanes: int,
        steps: int,
        seed: int = 0,
        columns: Columns | None = None,
        cursor: Cursor | None = None,
        epochs: int | None = None,
        prefetch: bool = True,
    ) -> None:
        corpus = checked("corpus", Corpus, corpus)
        lanes, steps, seed = checked("lanes", Count, lanes), checked("steps", Count, steps), checked("seed", Seed, seed)
        if corpus.manifest.shape.labels != "strings":
            raise DataError(f"{corpus.path}: it holds {corpus.manifest.shape.called}, no strings of labels")
        part = corpus.split(split).independent()
        strings = Strings(part)
        pieces = pieces_of(part, steps, at_end=False, otherwise="leave longer ones out")
        packing = packed([Side(pieces.count, steps)], seed)
        maker = StringWindows(
            part,
            replace(packed_geometry(packing, lanes), labels=strings.longest),
            string_fields(part),
            strings=strings,
            columns=columns or corpus.columns,
            pieces=pieces,
            packing=packing,
        )
        self._begin(maker, cursor, epochs, prefetch)


def string_fields(split: Split) -> tuple[Field, Field]:
    """What windows of frames have of each step: the scaled numbers of a frame, and a label or the blank."""
    return Field("reals", "real", split.inputs), Field("targets", "index", below=split.targets.below + 1)


class Strings:
    """Reads what the steps of a split have as targets, as long as they are those of whole sequences; a `Reader`.

    blank: what is no label. longest: labels of the longest string.
    Raises DataError where there are no sequences, CorpusError for a string that is empty or does not fit its frames.
    """

    def __init__(self, split: Split) -> None:
        self._starts, self._labels = sequence_starts(split), split.targets
        self._offsets = split.target_strings(0, len(split.documents))
        self.blank = self._labels.below
        self._dtype = index_type(self.blank + 1)
        counts, frames = np.diff(self._offsets), np.diff(self._starts)
        self.longest = int(counts.max())
        needed = counts + self._repeats()
        wrong = (counts == 0) | (needed > frames)
        if wrong.any():
            which = int(wrong.argmax())
            found = f"{counts[which]:,} labels, which need {needed[which]:,} frames, and {frames[which]:,} frames"
            raise CorpusError(
                f"{split.path}, split {split.name}: sequence {which} (the first is 0) has "
                f"{found if counts[which] else 'no label'}; prepare the corpus again"
            )

    def _repeats(self) -> NDArray[np.int64]:
        """(n,), how many labels of each string are the one before them."""
        found = np.zeros(len(self._offsets) - 1, np.int64)
        for first in range(0, len(found), _AT_ONCE):
            edges = self._offsets[first : first + _AT_ONCE + 1]
            labels = self._read(edges)
            again = np.flatnonzero(labels[1:] == labels[:-1]) + 1 + edges[0]
            owner = edges.searchsorted(again, "right") - 1
            inside = again > edges[owner]  # the first label of a string comes after none
            found[first : first + len(edges) - 1] = np.bincount(owner[inside], minlength=len(edges) - 1)
        return found

    def _read(self, edges: NDArray[np.int64]) -> NDArray[Any]:
        """All labels of some strings."""
        labels = np.zeros(int(edges[-1] - edges[0]), self._labels.dtype)
        self._labels.read(int(edges[0]), labels)
        return labels

    def buffer(self, count: int) -> NDArray[Any]:
        """See `Reader`."""
        return np.zeros(count, self._dtype)

    def read(self, start: int, out: NDArray[Any]) -> None:
        """See `Reader`."""
        out.fill(self.blank)
        first, end = self._starts.searchsorted((start, start + len(out))).tolist()
        for begin in range(first, end, _AT_ONCE):
            edges = self._offsets[begin : min(begin + _AT_ONCE, end) + 1]
            at = self._starts[begin : begin + len(edges) - 1] - start
            places = np.arange(edges[0], edges[-1]) + np.repeat(at - edges[:-1], np.diff(edges))
            out[places] = self._read(edges)


class StringWindows(SequenceWindows):
    """Makes windows of frames; see `StringStream`."""

    def __init__(
        self, split: Split, geometry: Geometry, fields: tuple[Field, Field], *, strings: Strings, **more: Any
    ) -> None:
        """strings: of the split. more: see `SequenceWindows`."""
        super().__init__(split, geometry, fields, **more)
        self._blank = strings.blank
        self._strings = values_of(strings, len(split), geometry.lanes, geometry.steps)

    def _put_targets(self, targets: NDArray[Any], weight: NDArray[Any]) -> None:
        self._strings.fill(self._layout, targets)
        np.copyto(targets, self._blank, where=self._layout.left_over)
        np.not_equal(targets, self._blank, out=self._mask)
        np.copyto(weight, self._mask)
