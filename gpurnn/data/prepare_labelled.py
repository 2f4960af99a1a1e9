"""Makes a corpus from texts with a label each, or from sentences with a tag a word, in bounded memory.

One pass over the files puts tokens and tags into files without a name; these are counted by split, and then written
as a corpus in the order of a seeded shuffle. Of a document about 20 bytes are in memory, 30 while they
are shuffled.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.sizes import SPLITS
from gpurnn.data.corpus.writer import Progress
from gpurnn.data.labelled.given import Given, given_by
from gpurnn.data.labelled.lines import Opener
from gpurnn.data.labelled.names import final_labels
from gpurnn.data.labelled.options import LabelledOptions
from gpurnn.data.labelled.order import split_orders
from gpurnn.data.labelled.packing import LabelledWriter, count_by_split
from gpurnn.data.labelled.reading import File, find_files, reader_of
from gpurnn.data.labelled.report import LabelledReport
from gpurnn.data.labelled.store import Store
from gpurnn.data.text.decoding import text_decoder
from gpurnn.data.text.inputs import check_sources, reading_of
from gpurnn.data.vocabulary import find_vocabulary, mapped
from gpurnn.exceptions import DataError
from gpurnn.files.errors import named_if_nameless, reported_as
from gpurnn.files.output import find_output
from gpurnn.files.temporary import sweep_beside


def prepare_labelled(
    inputs: Sequence[str | Path],
    output: str | Path,
    options: LabelledOptions,
    *,
    policy: Mapping[str, Any] | None = None,
    valid: Sequence[str | Path] = (),
    test: Sequence[str | Path] = (),
    vocab_from: str | Path | None = None,
    force: bool = False,
    stdin: IO[bytes] | None = None,
    progress: Progress | None = None,
) -> LabelledReport:
    """Writes a corpus of labels or tags; nothing is left behind when it fails, nor what one left that was killed.

    inputs: files, or "-" for `stdin`; of labels also folders with a folder a class; gzip data are unpacked.
    options: what is read, and how. Documents are shuffled; those of `valid` and `test`, where these are given, are not.
    policy: fields of TextPolicy that differ from the default (or from the policy of `vocab_from`).
    vocab_from: a corpus whose vocabulary is used instead of a new one, and its labels where it has the same kind.
    force: whether an existing output is replaced (see `gpurnn.files.output`). Raises UsageError, DataError, OSError
    (of the disk).
    """
    target = Path(output)
    with reported_as(DataError, f"cannot write {target}"):
        place = find_output(target, replace=force)
    given = given_by(vocab_from, options, policy or {})
    text_decoder(given.policy)
    passed_over: list[Path] = []
    groups = [find_files(files, passed_over) for files in (inputs, valid, test)]
    sources = [[file.source for file in group] for group in groups]
    check_sources(sources[0], [*sources[1], *sources[2]], target, "text")
    sweep_beside(place)
    with reported_as(DataError, f"cannot write {target}"):
        store = Store(place.parent, tagged=options.what == "tags")
    with named_if_nameless(target), closing(store):
        job = _Job(given.options, given, store, stdin, progress or (lambda phase, done, whole: None))
        return replace(job.run(groups, target, force), passed_over=passed_over)


@dataclass
class _Job:
    """One run of prepare."""

    options: LabelledOptions
    given: Given
    store: Store
    stdin: IO[bytes] | None
    progress: Progress

    def run(self, groups: list[list[File]], target: Path, force: bool) -> LabelledReport:
        """Everything, from the files to the corpus."""
        sources = [file.source for group in groups for file in group]
        opener = Opener(self.given.policy, self.stdin, reading_of(sources, self.progress))
        reader = reader_of(self.options, opener, self.store)
        edges, by_class = self._read(groups, reader)
        scheme = reader.scheme if self.options.what == "tags" else None
        orders = split_orders(edges, self.options.shares, self.options.seed)
        if not len(orders[0]):
            raise DataError(f"the train split has none of {edges[-1]}; give more, or a larger part in `split`")
        found = self._count_labels(orders, len(reader.names))
        remedy = "leave it out there" if self.options.shares is None else "leave it out, or give another `seed`"
        labels, numbers = final_labels(reader.names, found[0], remedy, self.given.labels)
        tokens = count_by_split(self.store, orders, self.store.ceiling)
        vocabulary, ids = find_vocabulary(
            self.options.kind,
            self.given.vocabulary,
            reader.tokens,
            tokens[0],
            tokens[1:].sum(axis=0),
            self.options.min_count,
        )
        counts = {
            "vocabulary": mapped(tokens[0], ids, len(vocabulary)),
            "labels": mapped(found[0], numbers, len(labels)),
        }
        writer = LabelledWriter(self.options.what, self.store, vocabulary, ids, labels, numbers, self.progress)
        manifest, unknown = writer.write(target, force, orders, self.given.policy, counts)
        by_split = [mapped(each, numbers, len(labels)).tolist() for each in found]
        return LabelledReport(
            output=target,
            kind=self.options.what,
            tokens=self.options.kind,
            symbols=len(vocabulary),
            labels={n: dict(zip(SPLITS, each, strict=True)) for n, *each in zip(labels, *by_split, strict=True)},
            splits=dict(manifest.splits),
            unknown=unknown,
            longest=writer.longest,
            scheme=scheme,
            by_class=by_class,
            sources=sum(map(len, groups)),
            empty=reader.empty,
            fingerprint=manifest.fingerprint,
            wrong_bytes=opener.losses.wrong_bytes,
            replacements=opener.losses.replacements,
            damaged=opener.losses.damaged,
        )

    def _read(self, groups: list[list[File]], reader: Any) -> tuple[list[int], list[str]]:
        """Reads all files: how many documents each split's files end with, and which of train were in order."""
        edges, by_class = [0], []
        for number, group in enumerate(groups):
            reader.read(group)
            self.store.flush()
            edges.append(self.store.documents)
            if number == 0:
                by_class = list(reader.by_class)
        self.store.finish()
        assert self.options.what == "tags" or self.store.documents == len(self.store.labels)
        return edges, by_class

    def _count_labels(self, orders: list[NDArray[Any]], count: int) -> NDArray[np.int64]:
        """How often each label or tag occurs in each split, (splits, labels)."""
        if self.options.what == "tags":
            return count_by_split(self.store, orders, count, tags=True)
        labels = np.frombuffer(self.store.labels, np.uintc)
        return np.array([np.bincount(labels[order], minlength=count) for order in orders], np.int64)
