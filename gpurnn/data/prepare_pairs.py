"""Makes a corpus from pairs of texts, or from vectors with a text each, in bounded memory.

One pass over the files puts the tokens of each side into files without a name; these are counted by split, and then
written as a corpus in the order of a seeded shuffle. Of a pair about 40 bytes are in memory, 60 while they are
shuffled.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.writer import Progress
from gpurnn.data.labelled.lines import Opener
from gpurnn.data.labelled.order import split_orders
from gpurnn.data.labelled.tokens import TokenWriter
from gpurnn.data.pairs.given import Given, given_by
from gpurnn.data.pairs.options import PairOptions
from gpurnn.data.pairs.packing import PairWriter, writing_of
from gpurnn.data.pairs.reading import PairFile, read_captions, read_pairs, side_files
from gpurnn.data.pairs.report import PairsReport
from gpurnn.data.pairs.side import TextSide
from gpurnn.data.pairs.vectors import VectorFile
from gpurnn.data.text.decoding import text_decoder
from gpurnn.data.text.inputs import check_sources, find_sources, reading_of
from gpurnn.exceptions import DataError, UsageError
from gpurnn.files.errors import named_if_nameless, reported_as
from gpurnn.files.output import find_output
from gpurnn.files.temporary import sweep_beside

_BLOCK = 1 << 16
"""About so many characters become tokens at once."""
Paths = Sequence[str | Path]


def prepare_pairs(
    inputs: Paths,
    output: str | Path,
    options: PairOptions,
    *,
    source: Paths = (),
    target: Paths = (),
    vectors: str | Path | None = None,
    policy: Mapping[str, Any] | None = None,
    valid: Paths = (),
    test: Paths = (),
    vocab_from: str | Path | None = None,
    force: bool = False,
    stdin: IO[bytes] | None = None,
    progress: Progress | None = None,
) -> PairsReport:
    """Writes a corpus of pairs or captions; nothing is left behind when it fails, nor what one left that was killed.

    inputs: files of pairs, of both sides each, or of captions, folders of such files, or "-" for `stdin`; gzip data are
    unpacked. source, target: of pairs instead files with the sources and with the targets, line by line. valid, test:
    as inputs. vectors: of captions a .npy file with a row for each line of inputs, valid and test, in this order.
    Pairs are shuffled; those of `valid` and `test`, where these are given, are not.
    policy: fields of TextPolicy that differ from the default (or from the policy of `vocab_from`).
    vocab_from: a corpus whose vocabularies are used instead of new ones.
    force: whether an existing output is replaced (see `gpurnn.files.output`). Raises UsageError, DataError, OSError
    (of the disk).
    """
    path = Path(output)
    with reported_as(DataError, f"cannot write {path}"):
        place = find_output(path, replace=force)
    given = given_by(vocab_from, options, policy or {})
    text_decoder(given.policy)
    passed_over: list[Path] = []
    groups = [[PairFile(each) for each in find_sources(files, passed_over)] for files in (inputs, valid, test)]
    if source or target:
        if inputs:
            raise UsageError("`source` and `target` are instead of files with both sides; give one or the other")
        groups[0] = side_files(*(find_sources(files, passed_over) for files in (source, target)))
    sources = [[each for file in group for each in file.sources] for group in groups]
    check_sources(sources[0], [*sources[1], *sources[2]], path, "text")
    sweep_beside(place)
    with named_if_nameless(path), ExitStack() as held:
        rows = None if vectors is None else held.enter_context(closing(VectorFile(Path(vectors))))
        with reported_as(DataError, f"cannot write {path}"):
            sides = _sides(given, place.parent, held)
        job = _Job(options, given, place.parent, sides, rows, stdin, progress or (lambda phase, done, whole: None))
        return replace(job.run(groups, path, force), passed_over=passed_over)


def _sides(given: Given, folder: Path, held: ExitStack) -> list[TextSide]:
    """The targets and, of pairs, the sources."""
    sides = [TextSide(folder, given.target, given.policy, given.vocabulary, parted=True)]
    held.enter_context(closing(sides[0].store))
    if given.source is not None:
        sides.append(TextSide(folder, given.source, given.policy, given.source_vocabulary, parted=False))
        held.enter_context(closing(sides[1].store))
    return sides


@dataclass
class _Job:
    """One run of prepare. folder: of the output. sides: the targets and, of pairs, the sources."""

    options: PairOptions
    given: Given
    folder: Path
    sides: list[TextSide]
    vectors: VectorFile | None
    stdin: IO[bytes] | None
    progress: Progress

    def run(self, groups: list[list[PairFile]], path: Path, force: bool) -> PairsReport:
        """Everything, from the files to the corpus."""
        sources = [each for group in groups for file in group for each in file.sources]
        opener = Opener(self.given.policy, self.stdin, reading_of(sources, self.progress))
        edges = self._read(groups, opener)
        if self.vectors is not None:
            self.vectors.expect(edges[-1], self.folder)
        orders, left_out = self._orders(edges)
        advance = writing_of(sum(side.store.tokens for side in self.sides), self.progress)
        folders, writers, counts = ("vocabulary", "source_vocabulary"), [], {}
        for side, folder in zip(self.sides, folders, strict=False):
            vocabulary, ids, counts[folder] = side.vocabulary(orders, self.options.min_count)
            names = ("tokens", "documents") if folder == "vocabulary" else ("source", "source_documents")
            writers.append(TokenWriter(side.store, vocabulary, ids, advance, names))
        target, source = writers[0], writers[1] if len(writers) > 1 else None
        writer = PairWriter(self.options.what, target, source, self.vectors)
        manifest = writer.write(path, force, orders, self.given.policy, counts, self.progress)
        return PairsReport(
            output=path,
            kind=self.options.what,
            tokens=self.given.target,
            symbols=len(target.vocabulary),
            longest=target.longest,
            unknown=target.unknown,
            splits=dict(manifest.splits),
            sources=len(sources),
            fingerprint=manifest.fingerprint,
            source_tokens=self.given.source,
            source_symbols=0 if source is None else len(source.vocabulary),
            source_longest=0 if source is None else source.longest,
            source_unknown={} if source is None else source.unknown,
            vectors=0 if self.vectors is None else self.vectors.width,
            max_length=self.options.max_length,
            left_out=left_out,
            wrong_bytes=opener.losses.wrong_bytes,
            replacements=opener.losses.replacements,
            damaged=opener.losses.damaged,
        )

    def _read(self, groups: list[list[PairFile]], opener: Opener) -> list[int]:
        """Reads all files: 0, and how many pairs there are behind those of each split."""
        edges = [0]
        for group in groups:
            for file in group:
                if self.options.what == "pairs":
                    self._take((target, source) for source, target in read_pairs(file, opener))
                else:
                    self._take((text,) for text in read_captions(file.target, opener))
            for side in self.sides:
                side.flush()
            edges.append(self.sides[0].store.documents)
        for side in self.sides:
            side.store.finish()
            assert side.store.documents == edges[-1]
        return edges

    def _take(self, texts: Iterable[tuple[str, ...]]) -> None:
        """texts: of each pair those of the sides."""
        held: list[tuple[str, ...]] = []
        size = 0
        for each in texts:
            held.append(each)
            size += sum(map(len, each))
            if size >= _BLOCK:
                self._add(held)
                held, size = [], 0
        self._add(held)

    def _add(self, texts: list[tuple[str, ...]]) -> None:
        if texts:
            for side, part in zip(self.sides, zip(*texts, strict=True), strict=True):
                side.add(part)

    def _orders(self, edges: list[int]) -> tuple[list[NDArray[Any]], int]:
        """The pairs of each split, and how many are too long for any. edges: see `_read`."""
        kept = np.ones(edges[-1], np.bool_)
        if self.options.max_length is not None:
            for side in self.sides:
                kept &= side.lengths <= self.options.max_length
        chosen = np.flatnonzero(kept)
        counts = [int(np.count_nonzero(kept[a:b])) for a, b in pairwise(edges)]
        orders = split_orders(np.append(0, np.cumsum(counts)).tolist(), self.options.shares, self.options.seed)
        if not len(orders[0]):
            more = "give more, or a larger part in `split`"
            if len(chosen) < len(kept):
                more = f"`max_length={self.options.max_length}` left {len(kept) - len(chosen):,} out"
            raise DataError(f"the train split has none of {len(kept):,}; {more}")
        return [chosen[order] for order in orders], len(kept) - len(chosen)
