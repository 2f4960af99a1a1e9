"""The stream of windows of whole sequences: packed into lanes, in another order each epoch, with a cursor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus
from gpurnn.data.series.columns import Columns
from gpurnn.data.stream.packed import PackedStream, packed_geometry
from gpurnn.data.stream.packing import Side, packed
from gpurnn.data.stream.pieces import pieces_of
from gpurnn.data.stream.whole import WholeWindows, whole_fields
from gpurnn.data.stream.windows import Cursor
from gpurnn.exceptions import DataError
from gpurnn.settings import Count, Natural, Seed, checked


class WholeStream(PackedStream):
    """The windows of a split of sequences with a label each, or with a tag for each step; see `WindowStream`.

    Every sequence lies in one window: carry is 0 at its first step, weight 0 at what is left over at the end of lanes
    and, where sequences have labels, at all steps but the last.

    lanes: B. steps: T. seed: of the packing and of the order of each epoch. cut: whether longer sequences are cut into
    pieces, each a sequence of its own that begins from zero; of those with a label the last T steps are taken. context:
    a piece of a cut sequence has up to so many steps of what comes before it and after it, of weight 0.
    columns: how rows are scaled; those of the corpus unless given. weights: (K,), what the weight of a step is
    multiplied by, by its target. cursor, epochs, prefetch, plan: see `WindowStream`.
    Raises DataError for a corpus without labels, for a split without sequences, for a sequence that is longer than a
    window, and for a cursor of another geometry; UsageError for values of another type or out of range.
    """

    def __init__(
        self,
        corpus: Corpus,
        split: str = "train",
        *,
        lanes: int,
        steps: int,
        seed: int = 0,
        cut: bool = False,
        context: int = 0,
        columns: Columns | None = None,
        cursor: Cursor | None = None,
        epochs: int | None = None,
        prefetch: bool = True,
        plan: bool = True,
        weights: NDArray[np.float32] | None = None,
    ) -> None:
        corpus = checked("corpus", Corpus, corpus)
        lanes, steps, seed = checked("lanes", Count, lanes), checked("steps", Count, steps), checked("seed", Seed, seed)
        cut, context = checked("cut", bool, cut), checked("context", Natural, context)
        at_end = has_labels(corpus)
        part = corpus.split(split).independent()
        pieces = pieces_of(part, steps, at_end=at_end, cut=cut, context=context)
        packing = packed([Side(pieces.count, steps)], seed)
        maker = WholeWindows(
            part,
            packed_geometry(packing, lanes),
            whole_fields(part, len(corpus.labels), planned=plan),
            columns=(columns or corpus.columns) if part.inputs else None,
            pieces=pieces,
            packing=packing,
            at_end=at_end,
            weights=weights,
        )
        self._begin(maker, cursor, epochs, prefetch)


def has_labels(corpus: Corpus) -> bool:
    """Whether each sequence has a label, not each step. Raises DataError where neither has."""
    shape = corpus.manifest.shape
    if shape.labels not in ("documents", "steps"):
        raise DataError(f"{corpus.path}: it holds {shape.called}; windows of whole sequences need labels or tags")
    return shape.labels == "documents"
