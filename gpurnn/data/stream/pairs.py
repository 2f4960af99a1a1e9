"""The streams of windows of pairs and of captions: packed into lanes, in another order each epoch, with a cursor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gpurnn.data.corpus import Corpus
from gpurnn.data.stream.packed import PackedStream, packed_geometry
from gpurnn.data.stream.packing import packed
from gpurnn.data.stream.pairwindows import PairWindows
from gpurnn.data.stream.sides import Extent, longest_of, pair_geometry, side_of, sources_of, targets_of
from gpurnn.data.stream.windows import Cursor
from gpurnn.exceptions import DataError
from gpurnn.settings import Count, Natural, Seed, checked

__all__ = ["CaptionStream", "Extent", "PairStream", "longest_of", "pair_geometry"]


class _Paired(PackedStream):
    """What both have in common.

    pairs: how many there are. useful: of targets with their ends; source_useful: the same of the sources, (S, B).
    """

    def _set_up(
        self,
        corpus: Corpus,
        split: str,
        lanes: int,
        steps: int,
        source_steps: int,
        seed: int,
        cursor: Cursor | None,
        epochs: int | None,
        prefetch: bool,
        plan: bool,
    ) -> None:
        lanes, steps, seed = checked("lanes", Count, lanes), checked("steps", Count, steps), checked("seed", Seed, seed)
        epochs = checked("epochs", Natural | None, epochs)
        part = corpus.split(split).independent()
        target, source = targets_of(part), sources_of(part)
        sides = [side_of(part, target, steps, "target", "bptt" if source is None else "target_bptt")]
        if source is not None:
            sides.append(side_of(part, source, source_steps, "source", "bptt"))
        packing = packed(sides, seed)
        counts = np.sort(np.diff(packing.first))[::-1]
        self.geometry = replace(
            packed_geometry(packing, lanes, steps), source=source_steps, sequences=int(counts[:lanes].sum())
        )
        sizes = self.geometry.sizes
        windows = self.geometry.windows
        self.symbols, self.pairs = part.symbols + 1, len(part.documents)
        self._targets = int(target.count.sum())
        self.useful = self._targets / (windows * sizes.count("step"))
        self.source_useful = 0.0 if source is None else int(source.count.sum()) / (windows * sizes.count("source"))
        maker = PairWindows(
            part,
            self.geometry,
            target=target,
            source=source,
            sides=sides,
            packing=packing,
            seed=seed,
            planned=plan,
        )
        self._go_on(maker, cursor, epochs, prefetch)


class PairStream(_Paired):
    """The windows of a split of pairs; see `WindowStream`. A pair lies in one lane of one window.

    A target of n symbols has n + 1 steps, at which K (its end), t1, .., tn are read; the targets are t1, .., tn, K. So
    there are K + 1 symbols. Windows have tokens, targets, carry and weight, and, with S source steps and N sequences:
    source (S, B), its symbols; source_carry (S, B), 0 where one begins; pair (T, B), which sequence of the window a
    step is of; source_first, source_last, target_first and target_last (N,), the rows, step * B + lane, at which each
    begins and ends; there (N,), 1 for those that are there. What is left over is 0.

    lanes: B. steps: T. source_steps: S. seed: of the packing and of the order of each epoch. cursor, epochs, prefetch,
    plan: see `WindowStream`. symbols: K + 1.
    Raises DataError for a corpus without pairs, for a split without any, for one that is longer than a window, and for
    a cursor of another geometry; UsageError for values of another type or out of range.
    """

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
        if not corpus.manifest.shape.source:
            raise DataError(f"{corpus.path}: it holds {corpus.manifest.shape.called}, no pairs")
        source_steps = checked("source_steps", Count, source_steps)
        self._set_up(corpus, split, lanes, steps, source_steps, seed, cursor, epochs, prefetch, plan)


class CaptionStream(_Paired):
    """The windows of a split of vectors with captions: as those of pairs, with a vector instead of a source.

    Windows have vectors (N, V) instead of all that is of a source. Raises as `PairStream` does.
    """

    def __init__(
        self,
        corpus: Corpus,
        split: str = "train",
        *,
        lanes: int,
        steps: int,
        seed: int = 0,
        cursor: Cursor | None = None,
        epochs: int | None = None,
        prefetch: bool = True,
        plan: bool = True,
    ) -> None:
        corpus = checked("corpus", Corpus, corpus)
        if not corpus.manifest.shape.vectors:
            raise DataError(f"{corpus.path}: it holds {corpus.manifest.shape.called}, no captions")
        self._set_up(corpus, split, lanes, steps, 0, seed, cursor, epochs, prefetch, plan)
