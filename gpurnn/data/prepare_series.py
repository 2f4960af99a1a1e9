"""Makes a corpus from tables of measured series in bounded memory.

The tables are looked at for how they are written, then read once, into rows in a file; the rows are put in order, onto
a grid and into splits, and then written as a corpus. Files on the way have no name: nothing of them is ever left.
"""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.packing import Progress
from gpurnn.data.corpus.sizes import SPLITS
from gpurnn.data.pack_series import SeriesWriter
from gpurnn.data.series.columns import Columns, clock_of
from gpurnn.data.series.durations import LONGEST, in_words
from gpurnn.data.series.form import Form
from gpurnn.data.series.grid import Grid, Scan, phase_of, season_of
from gpurnn.data.series.options import SeriesOptions, known_form
from gpurnn.data.series.reader import TableReader, Wanted
from gpurnn.data.series.report import Left, SeriesReport, SplitReport, shown_time
from gpurnn.data.series.rows import RowFile, RowSorter
from gpurnn.data.series.scaling import Statistics
from gpurnn.data.series.sniff import find_form
from gpurnn.data.series.splits import SplitRows, Splitter
from gpurnn.data.series.tables import Tables
from gpurnn.data.text.inputs import Source, check_sources, find_sources
from gpurnn.exceptions import DataError
from gpurnn.files.errors import named_if_nameless, reported_as
from gpurnn.files.output import find_output
from gpurnn.files.temporary import sweep_beside

_MOST_KEYS = 1_000_000
_OFF_GRID = 100
"""One row of so many may lie off the grid; it is left out."""
_FEW, _DIFFERING = 10, 10
"""More rows, and more than one in so many, with the time of another and other numbers: several series taken for one."""


def prepare_series(
    inputs: Sequence[str | Path],
    output: str | Path,
    options: SeriesOptions,
    *,
    force: bool = False,
    stdin: IO[bytes] | None = None,
    progress: Progress | None = None,
) -> SeriesReport:
    """Writes a corpus from tables; nothing is left behind when it fails, nor what one left that was killed before.

    inputs: files, folders, or "-" for `stdin`; gzip data are unpacked. options: which columns, and how they are read.
    force: whether an existing output is replaced (see `gpurnn.files.output`). Raises UsageError, DataError, OSError
    (of the disk).
    """
    target = Path(output)
    with reported_as(DataError, f"cannot write {target}"):
        place = find_output(target, replace=force)
    passed_over: list[Path] = []
    sources = find_sources(inputs, passed_over)
    empty = [source for source in sources if not source.named and not source.size]
    tables = [source for source in sources if source.named or source.size]
    check_sources(tables, empty, target, "table")
    sweep_beside(place)
    with named_if_nameless(target), ExitStack() as stack:
        job = _Job(options, place.parent, stdin, progress or (lambda phase, done, whole: None), stack)
        report = job.run(tables, target, force)
    return replace(report, left=replace(report.left, names=passed_over, empty=len(empty)))


@dataclass
class _Read:
    """The rows of all tables, in order. names: of the keys, by number. form: of the last table."""

    rows: RowFile
    names: list[str]
    form: Form


class _Job:
    """One run of prepare. stack: closes in the end what is opened."""

    def __init__(
        self, options: SeriesOptions, folder: Path, stdin: IO[bytes] | None, progress: Progress, stack: ExitStack
    ) -> None:
        self.options = options
        self.folder = folder
        self.stdin = stdin
        self.progress = progress
        self.stack = stack
        self.columns: tuple[str, ...] = ()
        self.left: list[tuple[str, str]] = []
        self.skipped, self.first_skipped = 0, ""

    def run(self, sources: list[Source], target: Path, force: bool) -> SeriesReport:
        """Everything, from the tables to the corpus."""
        read = self.read(sources)
        scan = Scan(read.rows)
        interval, phase = self._interval(scan, read.rows)
        grid = Grid(interval, self.options.fill, phase)
        splits = [self.stack.enter_context(closing(SplitRows(self.folder, len(self.columns)))) for _ in SPLITS]
        statistics = Statistics(len(self.columns), season_of(interval))
        order = sorted(scan.ranges, key=lambda number: read.names[number])
        keys = self._fill_splits(grid, read, scan, [order, splits, statistics])
        train = splits[0].end - min(splits[0].starts) if len(splits[0]) else 0
        form = replace(read.form, phase=phase)
        kept, columns = self._columns(statistics, interval, form, clock_of(train) if self.options.clock else ())
        writer = SeriesWriter(columns, kept, splits, self.progress)
        manifest = writer.write(target, force, tuple(keys))
        rows = max(1, sum(map(len, splits)))
        lacking = np.sum([split.missing for split in splits], axis=0)[kept] / rows
        return SeriesReport(
            output=target,
            columns=columns,
            keys=keys,
            splits={n: _reported(split) for n, split in zip(SPLITS, splits, strict=True)},
            begin=min(min(split.starts) for split in splits if len(split)),
            end=max(split.end for split in splits) - interval,
            counts=grid.counts,
            missing=dict(zip(columns.names, lacking.tolist(), strict=False)),
            form=form,
            fingerprint=manifest.fingerprint,
            sources=len(sources),
            left=Left(self.left, sorted(set(read.names) - set(keys)), self.skipped, self.first_skipped),
        )

    def read(self, sources: list[Source]) -> _Read:
        """Reads the tables, and puts their rows in order."""
        options = self.options
        tables = self.stack.enter_context(closing(Tables(sources, options.encoding, self.stdin, self.folder)))
        wanted = Wanted(options.time, options.key, options.columns)
        found = find_form(tables.looks(), wanted, options.form(), known_form(options.known))
        self.columns = found.columns
        self.left = [(name, f"{cell[:20]!r} is no number") for name, cell in found.others]
        sorter = self.stack.enter_context(closing(RowSorter(self.folder, len(self.columns))))
        numbers: dict[str, int] = {}
        form = found.form
        whole, done = sum(source.size for source in sources), 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            self.progress("reading", done, whole)

        for source in sources:
            blocks = tables.read(source, advance)
            reader = TableReader(blocks, source.label, replace(wanted, columns=self.columns), form, skip=options.skip)
            for block in reader.blocks():
                sorter.append(_numbered(block.keys, len(block.times), numbers, options.key), block.times, block.values)
            form = reader.form
            self.skipped += reader.skipped
            self.first_skipped = self.first_skipped or reader.first_skipped
        if not len(sorter) and self.skipped:
            raise DataError(f"all {self.skipped:,} rows are bad; the first: {self.first_skipped}")
        if not len(sorter):
            raise DataError(f"{sources[0].label}: the table has no rows but its header")
        rows = self.stack.enter_context(closing(sorter.finish()))
        return _Read(rows, list(numbers) or [""], form)

    def _interval(self, scan: Scan, rows: RowFile) -> tuple[int, int | None]:
        """The seconds between rows, and where on their grid the rows lie that are kept; None where all are."""
        step, known = scan.step, self.options.known
        every = known.interval if known is not None else self.options.every
        if step is None:
            raise DataError("no series has rows at two times, so there is no interval between them; give more rows")
        if step > LONGEST:
            raise DataError(f"the rows are {in_words(step)} apart, expected at most a hundred years")
        if every is None or every == step:
            return step, None
        if every % step:
            setting = "columns_from" if known is not None else "every"
            raise DataError(
                f"most rows are {in_words(step)} apart; the {in_words(every)} of `{setting}` are no multiple of that"
            )
        return every, phase_of(rows, every)

    def _fill_splits(self, grid: Grid, read: _Read, scan: Scan, into: list[Any]) -> list[str]:
        """Hands all stretches to the splits; the names of the keys that have rows, in order."""
        order, splits, statistics = into
        interval = grid.interval
        rows = (scan.end - scan.begin) // interval + 1
        shares = self.options.shares
        ends = np.cumsum(shares)[:-1]
        borders = [scan.begin + int(share * rows + 1e-6) * interval for share in ends]
        splitter = Splitter(splits, borders, interval)
        keys: list[str] = []
        done = 0
        for number in order:
            start, stop = scan.ranges[number]
            before = sum(map(len, splits))
            for piece in grid.pieces(read.rows, start, stop):
                for split, begins, values in splitter.add(len(keys), piece):
                    if split == 0:
                        statistics.add(begins, values)
                if grid.counts.off > len(read.rows) // _OFF_GRID:
                    raise self._off_grid(grid, read)
                if grid.counts.differing > max(_FEW, len(read.rows) // _DIFFERING) and not self.options.skip:
                    raise self._several_series(len(read.rows))
            if sum(map(len, splits)) > before:
                keys.append(read.names[number])
            done += stop - start
            self.progress("ordering", done, len(read.rows))
        statistics.finish()
        return keys

    def _several_series(self, rows: int) -> DataError:
        more = f"{self.options.key} does not tell all series apart" if self.options.key else "there is no `key`"
        return DataError(
            f"more than {max(_FEW, rows // _DIFFERING):,} of {rows:,} rows have the time of another row and other "
            f"numbers: {more}; name the column that says which series a row is of with `key`, or leave them out with "
            "`bad_rows=skip`"
        )

    def _off_grid(self, grid: Grid, read: _Read) -> DataError:
        number, time = grid.counts.first_off or (0, 0)
        of = f" of {read.names[number]!r}" if read.names[number] else ""
        return DataError(
            f"rows are not at a constant interval: most are {in_words(grid.interval)} apart, the one{of} at "
            f"{shown_time(time)} and others are off that grid; resample them, or give `every` to keep those on one"
        )

    def _columns(
        self, statistics: Statistics, interval: int, form: Form, clock: tuple[str, ...]
    ) -> tuple[list[int], Columns]:
        """Which of the columns are kept, and what the corpus says of them."""
        options = self.options
        if options.known is not None:
            known = replace(options.known, form=form.to_json(), time=options.time, key=options.key)
            return list(range(len(self.columns))), known
        kept = []
        if not statistics.count.any():
            raise DataError("the train split has no numbers; give more rows, or another `split`")
        for index, name in enumerate(self.columns):
            reason = _useless(statistics, index)
            if reason is None:
                kept.append(index)
            elif options.columns:
                raise DataError(
                    f"column {name!r}: {reason} in the train split; leave it out of `columns`, or give another `split`"
                )
            else:
                self.left.append((name, reason))
        if not kept:
            raise DataError(f"no column says anything: {self.left[-1][0]!r} {self.left[-1][1]}; give more rows")

        def array(values: NDArray[np.float64], of_clock: float) -> NDArray[np.float64]:
            return np.concatenate((values[kept], np.full(len(clock), of_clock)))

        names = (*(self.columns[index] for index in kept), *clock)
        return kept, Columns(
            names=names,
            mean=array(statistics.mean, 0),
            scale=array(statistics.scale, 1),
            season_error=array(statistics.season_error, np.nan),
            interval=interval,
            season=season_of(interval),
            time=options.time,
            key=options.key,
            clock=options.clock,
            fill=options.fill,
            form=form.to_json(),
        )


def _numbered(keys: tuple[str, ...], count: int, numbers: dict[str, int], column: str) -> NDArray[np.uint32]:
    """The number of each row's key; new ones get the next."""
    if not keys:
        return np.zeros(count, np.uint32)
    for key in dict.fromkeys(keys):
        if key not in numbers:
            if any("\ud800" <= character <= "\udfff" for character in key):
                raise DataError(f"column {column!r}: {key!a:.60} has half a character; give the right `encoding`")
            numbers[key] = len(numbers)
    if len(numbers) > _MOST_KEYS:
        raise DataError(f"column {column!r} names more than {_MOST_KEYS:,} series; is it the right one for `key`?")
    return np.fromiter(map(numbers.__getitem__, keys), np.uint32, count)


def _useless(statistics: Statistics, index: int) -> str | None:
    """Why a column cannot be scaled; None where it can."""
    if not statistics.count[index]:
        return "it has no number"
    if statistics.low[index] == statistics.high[index]:
        return f"it is always {statistics.low[index]:g}"
    return None


def _reported(split: SplitRows) -> SplitReport:
    return SplitReport(len(split), len(split.documents), split.end if len(split) else None)
