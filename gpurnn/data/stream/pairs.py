"""The streams of windows of pairs and of captions: packed into lanes, in another order each epoch, with a cursor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gpurnn.data.corpus import Corpus
from gpurnn.data.stream.packed import PackedStream, packed_geometry
from gpurnn.data.stream.packing import packed
from gpurnn.data.stream.pairwindows import PairWindows
from gpurnn.data.stream.sides import Extent, longest_of, pair_geometry, side_of, sources_of, targets_of
from gpurnn.data.stream.windows import Cursor
from gpurnn.exceptions import DataError
from gpurnn.settings import Count, Seed, checked

__all__ = ["CaptionStream", "Extent", "PairStream", "longest_of", "pair_geometry"]


class PairStream(PackedStream):
    """The windows of a split of pairs; see `WindowStream`. A pair lies in one lane of one window.

    A target of n symbols has n + 1 steps, at which K (its end), t1, .., tn are read; the targets are t1, .., tn, K. So
    there are K + 1 symbols. Windows have tokens, targets, carry and weight, and, with S source steps and N sequences:
    source (S, B), its symbols; source_carry (S, B), 0 where one begins; pair (T, B), which sequence of the window a
    step is of; source_first, source_last, target_first and target_last (N,), the rows, step * B + lane, at which each
    begins and ends; there (N,), 1 for those that are there. What is left over is 0.

    lanes: B. steps: T. source_steps: S. seed: of the packing and of the order of each epoch. cursor, epochs, prefetch,
    plan: see `WindowStream`.
    Raises DataError for a corpus without pairs, for a split without any, for one that is longer than a window, and for
    a cursor of another geometry; UsageError for values of another type or out of range.
    """

    _kind = "pairs"

    def __init__(
        self,
        corpus: Corpus,
        split: str = "train",
        *,
        lanes: int,
        steps: int,
        source_steps: int,
        seed: int = 0,
        cursor: Cursor | None = None,
        epochs: int | None = None,
        prefetch: bool = True,
        plan: bool = True,
    ) -> None:
        corpus = checked("corpus", Corpus, corpus)
        if corpus.kind != self._kind:
            raise DataError(f"{corpus.path}: it holds {corpus.manifest.shape.called}, no {self._kind}")
        lanes, steps, seed = checked("lanes", Count, lanes), checked("steps", Count, steps), checked("seed", Seed, seed)
        part = corpus.split(split).independent()
        target, source = targets_of(part), sources_of(part)
        sides = [side_of(part, target, steps, "target", "bptt" if source is None else "target_bptt")]
        if source is not None:
            sides.append(side_of(part, source, checked("source_steps", Count, source_steps), "source", "bptt"))
        packing = packed(sides, seed)
        counts = np.sort(np.diff(packing.first))[::-1]
        geometry = replace(packed_geometry(packing, lanes), source=source_steps, sequences=int(counts[:lanes].sum()))
        maker = PairWindows(part, geometry, target=target, source=source, packing=packing, planned=plan)
        self._begin(maker, cursor, epochs, prefetch)


class CaptionStream(PairStream):
    """The windows of a split of vectors with captions: as those of pairs, with a vector instead of a source.

    Windows have vectors (N, V) instead of all that is of a source. more, and what is raised: see `PairStream`.
    """

    _kind = "captions"

    def __init__(self, corpus: Corpus, split: str = "train", *, lanes: int, steps: int, **more: Any) -> None:
        super().__init__(corpus, split, lanes=lanes, steps=steps, source_steps=0, **more)
