"""From tables to rows in order, by key and time, in a file without a name."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.writer import Progress
from gpurnn.data.measured.targets import KeyLabels, NoTargets, RowTags, Targets
from gpurnn.data.series.form import Form
from gpurnn.data.series.options import SeriesOptions, known_form
from gpurnn.data.series.reader import Block, TableReader
from gpurnn.data.series.rows import RowFile, RowSorter
from gpurnn.data.series.sniff import find_form
from gpurnn.data.series.tables import Tables
from gpurnn.data.text.inputs import Source
from gpurnn.exceptions import DataError

_MOST_KEYS = 1_000_000


@dataclass
class Read:
    """The rows of all tables, in order, with the numbers of `columns` and what `targets` adds.

    names: of the keys, by number; the same name in files of two splits is two keys. edges: 0, and how many keys there
    are behind the files of train, of valid and of test. form: of the last table. left: columns that are no numbers,
    name and reason. skipped: rows that are none; first_skipped: about the first of them.
    """

    rows: RowFile
    columns: tuple[str, ...]
    names: list[str]
    edges: list[int]
    targets: Targets
    form: Form
    left: list[tuple[str, str]]
    skipped: int
    first_skipped: str


class Gatherer:
    """Reads tables. folder: where the rows are kept. stack: closes in the end what is opened."""

    def __init__(self, options: SeriesOptions, folder: Path, progress: Progress, stack: ExitStack) -> None:
        self._options, self._folder, self._progress, self._stack = options, folder, progress, stack
        self._keys: dict[str, int] = {}
        """The number of each key of the split that is being read."""
        self._names: list[str] = []
        self._rows = 0

    def read(self, groups: list[list[Source]], stdin: IO[bytes] | None) -> Read:
        """Reads the tables of train, of valid and of test, and puts their rows in order. Raises DataError."""
        options, sources = self._options, [source for group in groups for source in group]
        tables = self._stack.enter_context(closing(Tables(sources, options.encoding, stdin, self._folder)))
        wanted = options.wanted
        found = find_form(tables.looks(), wanted, options.form(), known_form(options.known))
        wanted, form = replace(wanted, columns=found.columns), found.form
        targets = self._targets()
        sorter = RowSorter(self._folder, len(found.columns) + targets.width)
        self._stack.enter_context(closing(sorter))
        whole, done = sum(source.size for source in sources), 0
        skipped, first_skipped = 0, ""

        def advance(count: int) -> None:
            nonlocal done
            done += count
            self._progress("reading", done, whole)

        edges = [0]
        for group in groups:
            self._keys = {}
            for source in group:
                reader = TableReader(tables.read(source, advance), source.label, wanted, form, skip=options.skip)
                for block, keys in self._blocks(reader):
                    sorter.append(keys, block.times, targets.take(source.label, block, keys))
                form = reader.form
                skipped += reader.skipped
                first_skipped = first_skipped or reader.first_skipped
            edges.append(len(self._names))
        if not len(sorter) and skipped:
            raise DataError(f"all {skipped:,} rows are bad; the first: {first_skipped}")
        if not len(sorter):
            raise DataError(f"{sources[0].label}: the table has no rows but its header")
        rows = self._stack.enter_context(closing(sorter.finish()))
        left = [(name, f"{cell[:20]!r} is no number") for name, cell in found.others]
        return Read(rows, found.columns, self._names, edges, targets, form, left, skipped, first_skipped)

    def _targets(self) -> Targets:
        if self._options.what == "labels":
            return KeyLabels(self._names)
        return NoTargets() if self._options.what is None else RowTags()

    def _blocks(self, reader: TableReader) -> Iterator[tuple[Block, NDArray[np.uint32]]]:
        """The rows of a table in blocks, with the number of each row's key; those without a time go on counting."""
        before = self._rows
        for block in reader.blocks():
            if not self._options.time:
                block = block._replace(times=block.times + before)
            self._rows += len(block.times)
            yield block, self._numbered(block.keys, len(block.times))

    def _numbered(self, keys: tuple[str, ...], count: int) -> NDArray[np.uint32]:
        """The number of each row's key; new ones get the next."""
        numbers, column = self._keys, self._options.key
        for key in dict.fromkeys(keys or ("",)):
            if key not in numbers:
                if any("\ud800" <= character <= "\udfff" for character in key):
                    raise DataError(f"column {column!r}: {key!a:.60} has half a character; give the right `encoding`")
                numbers[key] = len(self._names)
                self._names.append(key)
        if len(self._names) > _MOST_KEYS:
            raise DataError(f"column {column!r} names more than {_MOST_KEYS:,} series; is it the right one for `key`?")
        if not keys:
            return np.full(count, numbers[""], np.uint32)
        return np.fromiter(map(numbers.__getitem__, keys), np.uint32, count)
