"""Makes a corpus from files of frames, recordings, pictures or arrays, with a text each, in bounded memory.

One pass over the lists reads each file and puts its frames and the labels of its text into files without a name, which
are then written as a corpus in the order of a seeded shuffle. Of a sequence its path and about 300 bytes are in memory,
and of the frames one sequence at a time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.writer import Progress
from gpurnn.data.frames.files import form_of, is_frames, read_frames
from gpurnn.data.frames.form import FrameForm
from gpurnn.data.frames.given import Given, given_by
from gpurnn.data.frames.lists import Entry, read_list
from gpurnn.data.frames.options import FrameOptions
from gpurnn.data.frames.packing import FrameWriter
from gpurnn.data.frames.report import FramesReport
from gpurnn.data.frames.spool import FrameSpool, Strings
from gpurnn.data.labelled.lines import Opener, Place
from gpurnn.data.labelled.order import split_orders
from gpurnn.data.labelled.packing import count_by_split
from gpurnn.data.text.decoding import text_decoder
from gpurnn.data.text.inputs import Source, check_sources, find_sources
from gpurnn.data.vocabulary import find_vocabulary, mapped
from gpurnn.exceptions import DataError
from gpurnn.files.errors import named_if_nameless, reported_as
from gpurnn.files.output import find_output
from gpurnn.files.temporary import sweep_beside

Paths = Sequence[str | Path]


def prepare_frames(
    inputs: Paths,
    output: str | Path,
    options: FrameOptions,
    *,
    policy: Mapping[str, Any] | None = None,
    valid: Paths = (),
    test: Paths = (),
    vocab_from: str | Path | None = None,
    force: bool = False,
    stdin: IO[bytes] | None = None,
    progress: Progress | None = None,
) -> FramesReport:
    """Writes a corpus of frames; nothing is left behind when it fails, nor what one left that was killed.

    inputs: lists of files with a text each (see `read_list`), or "-" for `stdin`; gzip data are unpacked. Paths are
    relative to the folder of their list. The first file says what all others have to be like. valid, test: as inputs.
    Sequences are shuffled; those of `valid` and `test`, where these are given, are not.
    policy: fields of TextPolicy that differ from the default (or from the policy of `vocab_from`).
    vocab_from: a corpus of frames whose labels, scaling and form are used instead of new ones.
    force: whether an existing output is replaced (see `gpurnn.files.output`). Raises UsageError, DataError, OSError
    (of the disk).
    """
    path = Path(output)
    with reported_as(DataError, f"cannot write {path}"):
        place = find_output(path, replace=force)
    given = given_by(vocab_from, options, policy or {})
    text_decoder(given.policy)
    groups = [_lists(files) for files in (inputs, valid, test)]
    check_sources(groups[0], [*groups[1], *groups[2]], path, "list")
    sweep_beside(place)
    with named_if_nameless(path), ExitStack() as held:
        with reported_as(DataError, f"cannot write {path}"):
            frames = held.enter_context(closing(FrameSpool(place.parent)))
            strings = Strings(place.parent, given.tokens, given.policy, given.skip)
            held.enter_context(closing(strings.store))
        opener = Opener(given.policy, stdin, lambda count: None)
        job = _Job(options, given, frames, strings, opener, progress or (lambda phase, done, whole: None))
        return job.run(groups, path, force)


def _lists(files: Paths) -> list[Source]:
    for each in files:
        if str(each) == "-":
            continue
        if Path(each).is_dir():
            raise DataError(f"{each}: it is a folder; give a list of files with their texts")
        if is_frames(Path(each)):
            raise DataError(f"{each}: it has frames; give a list of such files with their texts")
    return find_sources(files)


@dataclass
class _Job:
    """One run of prepare. places: where in the lists each file stands."""

    options: FrameOptions
    given: Given
    frames: FrameSpool
    strings: Strings
    opener: Opener
    progress: Progress
    places: dict[str, Place] = field(default_factory=dict)
    form: FrameForm | None = None
    left_out: int = 0

    def run(self, groups: list[list[Source]], path: Path, force: bool) -> FramesReport:
        """Everything, from the files to the corpus."""
        orders = self._orders(self._read(groups))
        tokens, store = self.strings.tokens, self.strings.store
        found = count_by_split(store, orders, store.ceiling)
        like = self.given.like
        vocabulary, ids = find_vocabulary(
            self.given.tokens, None if like is None else like.vocabulary, tokens, found.sum(axis=0), 0 * found[0], 1
        )
        counts = mapped(found[0], ids, len(vocabulary))
        assert self.form is not None
        columns = None if like is None else like.columns
        paths = tuple(path.encode("utf-8", "backslashreplace").decode() for path in self.places)
        writer = FrameWriter(self.form, self.frames, store, vocabulary, ids, paths, columns, self.progress)
        manifest = writer.write(path, force, orders, self.given.policy, counts)
        return FramesReport(
            output=path,
            kind="frames",
            tokens=vocabulary.kind,
            symbols=len(vocabulary),
            unlearnt=[str(vocabulary.symbols[label]) for label in np.flatnonzero(counts == 0)],
            form=self.form,
            splits=dict(manifest.splits),
            longest=writer.longest[0],
            longest_text=writer.longest[1],
            sources=sum(map(len, groups)),
            fingerprint=manifest.fingerprint,
            max_length=self.options.max_length,
            left_out=self.left_out,
            wrong_bytes=self.opener.losses.wrong_bytes,
            replacements=self.opener.losses.replacements,
            damaged=self.opener.losses.damaged,
        )

    def _read(self, groups: list[list[Source]]) -> list[int]:
        """Reads all files: 0, and how many sequences there are behind those of each split."""
        edges, done, whole = [0], 0, sum(source.size for group in groups for source in group)

        def told(lines: Iterable[str]) -> Iterator[str]:
            nonlocal done
            for line in lines:
                yield line
                done += len(line)
                self.progress("reading", done, whole)

        for group in groups:
            for source in group:
                folder = Path() if source.path is None else source.path.parent
                for entry in read_list(told(self.opener.lines(source)), source.label, self.options.text):
                    self._take(entry, folder)
            self.strings.store.flush()
            edges.append(self.strings.store.documents)
        self.frames.finish()
        self.strings.store.finish()
        return edges

    def _take(self, entry: Entry, folder: Path) -> None:
        """Reads one file, and adds it unless it is too long."""
        path, place = folder / entry.path, entry.place
        before = self.places.get(str(path))
        if before is not None:
            raise DataError(f"{place}: {path}: it is there before, in {before}; leave one of them out")
        try:
            if self.form is None:
                like = self.given.like
                new = form_of(path, splice=self.given.splice, skip=self.given.skip) if like is None else like.form
                self.form = new
            frames = read_frames(path, self.form)
        except DataError as error:
            raise DataError(f"{place}: {error}") from None
        if self.options.max_length is not None and len(frames) > self.options.max_length:
            self.left_out += 1
            return
        self.strings.add(entry.text, len(frames), place)
        self.frames.append(frames)
        self.places[str(path)] = place

    def _orders(self, edges: list[int]) -> list[NDArray[Any]]:
        """The sequences of each split. edges: see `_read`."""
        orders = split_orders(edges, self.options.shares, self.options.seed)
        if not len(orders[0]):
            more = "give more, or a larger part in `split`"
            if self.left_out:
                more = f"`max_length={self.options.max_length}` left {self.left_out:,} out"
            raise DataError(f"the train split has none of {edges[-1] + self.left_out:,} sequences; {more}")
        return orders
