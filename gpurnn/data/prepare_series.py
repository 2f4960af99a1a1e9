"""Makes a corpus from tables of measured series in bounded memory, with labels or tags or without.

The tables are looked at for how they are written, then read once, into rows in a file; the rows are put in order, onto
a grid and into splits, and then written as a corpus. Files on the way have no name: nothing of them is ever left.
"""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.sizes import SPLITS
from gpurnn.data.corpus.writer import Progress
from gpurnn.data.labelled.names import final_labels
from gpurnn.data.labelled.order import split_orders
from gpurnn.data.measured.gather import Gatherer, Read
from gpurnn.data.measured.targets import Continued, KeyLabels
from gpurnn.data.pack_series import SeriesWriter, Stored
from gpurnn.data.series.choice import choose_columns
from gpurnn.data.series.columns import Columns, clock_of
from gpurnn.data.series.durations import LONGEST, in_words
from gpurnn.data.series.grid import Grid, Scan, phase_of, season_of
from gpurnn.data.series.inorder import InOrder
from gpurnn.data.series.options import SeriesOptions
from gpurnn.data.series.report import Left, SeriesReport, SplitReport, shown_time
from gpurnn.data.series.rows import RowFile
from gpurnn.data.series.scaling import Statistics
from gpurnn.data.series.splits import SplitRows, Splitter
from gpurnn.data.text.inputs import check_sources, find_sources
from gpurnn.exceptions import DataError
from gpurnn.files.errors import named_if_nameless, reported_as
from gpurnn.files.output import find_output
from gpurnn.files.temporary import sweep_beside

_OFF_GRID = 100
"""One row of so many may lie off the grid; it is left out."""
_FEW, _DIFFERING = 10, 10
"""More rows, and more than one in so many, with the time of another and other numbers: several series taken for one."""


def prepare_series(
    inputs: Sequence[str | Path],
    output: str | Path,
    options: SeriesOptions,
    *,
    valid: Sequence[str | Path] = (),
    test: Sequence[str | Path] = (),
    force: bool = False,
    stdin: IO[bytes] | None = None,
    progress: Progress | None = None,
) -> SeriesReport:
    """Writes a corpus from tables; nothing is left behind when it fails, nor what one left that was killed before.

    inputs: files, folders, or "-" for `stdin`; gzip data are unpacked. options: which columns, and how they are read.
    valid, test: those of these splits, where `options` have no shares; each key is one of its split then.
    force: whether an existing output is replaced (see `gpurnn.files.output`). Raises UsageError, DataError, OSError
    (of the disk).
    """
    target = Path(output)
    with reported_as(DataError, f"cannot write {target}"):
        place = find_output(target, replace=force)
    passed_over: list[Path] = []
    groups = [find_sources(given, passed_over) for given in (inputs, valid, test)]
    empty = [source for group in groups for source in group if not source.named and not source.size]
    tables = [[source for source in group if source.named or source.size] for group in groups]
    check_sources(tables[0], [*tables[1], *tables[2], *empty], target, "table")
    sweep_beside(place)
    with named_if_nameless(target), ExitStack() as stack:
        told = progress or (lambda phase, done, whole: None)
        read = Gatherer(options, place.parent, told, stack).read(tables, stdin)
        report = _Job(options, read, place.parent, told, stack).run(target, force)
    return replace(
        report, sources=sum(map(len, tables)), left=replace(report.left, names=passed_over, empty=len(empty))
    )


@dataclass(frozen=True)
class _Deal:
    """Which keys go to which splits, by time where these are several. first: number of the first of them."""

    first: int
    splitter: Splitter
    keys: Sequence[int]


class _Job:
    """One run of prepare, once the rows are in order. stack: closes in the end what is opened."""

    def __init__(self, options: SeriesOptions, read: Read, folder: Path, progress: Progress, stack: ExitStack) -> None:
        self.options = options
        self.rows_read = read
        self.progress = progress
        width = len(read.columns) + read.targets.width
        self.splits = [stack.enter_context(closing(SplitRows(folder, width))) for _ in SPLITS]
        self.tags = np.zeros((len(SPLITS), len(read.targets.names)), np.int64)
        self.kept: list[int] = []
        """The numbers of the keys that have rows, in the order in which the corpus has them."""

    def run(self, target: Path, force: bool) -> SeriesReport:
        """Everything, from the rows to the corpus."""
        read, splits = self.rows_read, self.splits
        scan = Scan(read.rows)
        grid, season = self._grid(scan)
        statistics = Statistics(len(read.columns), season)
        self._fill_splits(grid, scan, statistics)
        train = splits[0].end - min(splits[0].starts) if len(splits[0]) else 0
        form = replace(read.form, phase=grid.phase)
        clock = clock_of(train) if self.options.clock else ()
        found = choose_columns(self.options, read.columns, statistics, (grid.interval, season), form, clock)
        kept, columns, useless = found
        stored, counts = self._stored()
        names = [read.names[number] for number in self.kept]
        keys = list(dict.fromkeys(names))
        manifest = SeriesWriter(columns, kept, splits, self.progress, stored).write(target, force, tuple(names))
        lacking = np.sum([split.missing for split in splits], axis=0)[kept] / max(1, sum(map(len, splits)))
        begin, end = self._times(columns)
        return SeriesReport(
            output=target,
            columns=columns,
            keys=keys,
            splits={n: _reported(split) for n, split in zip(SPLITS, splits, strict=True)},
            begin=begin,
            end=end,
            counts=grid.counts,
            missing=dict(zip(columns.names, lacking.tolist(), strict=False)),
            form=form,
            fingerprint=manifest.fingerprint,
            left=Left([*read.left, *useless], sorted(set(read.names) - set(keys)), read.skipped, read.first_skipped),
            kind=self.options.what or "series",
            labels=counts,
            longest=max(split.longest for split in splits),
        )

    def _grid(self, scan: Scan) -> tuple[Grid | InOrder, int]:
        """What turns rows into stretches, and how many rows make a season."""
        if not self.options.time:
            return InOrder(self._borders(scan, 1)), 1
        interval, phase = self._interval(scan, self.rows_read.rows)
        return Grid(interval, self.options.fill, phase), season_of(interval)

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

    def _borders(self, scan: Scan, interval: int) -> list[int]:
        """When the second and the third split begin, where splits are by time; none where they are by key."""
        shares = self.options.shares
        if shares is None or self.options.what == "labels":
            return []
        rows = (scan.end - scan.begin) // interval + 1
        return [scan.begin + int(share * rows + 1e-6) * interval for share in np.cumsum(shares)[:-1]]

    def _deals(self, scan: Scan, interval: int) -> list[_Deal]:
        """Which keys go to which splits: with labels shuffled and whole, otherwise by name and cut by time."""
        read, options = self.rows_read, self.options
        if options.what != "labels" and options.shares is not None:
            order = sorted(scan.ranges, key=read.names.__getitem__)
            return [_Deal(0, Splitter(self.splits, self._borders(scan, interval), interval), order)]
        if options.what == "labels":
            orders = [order.tolist() for order in split_orders(read.edges, options.shares, options.seed)]
        else:
            orders = [sorted(range(*pair), key=read.names.__getitem__) for pair in pairwise(read.edges)]
        return [
            _Deal(number, Splitter([split], [], interval), order)
            for number, (split, order) in enumerate(zip(self.splits, orders, strict=True))
        ]

    def _fill_splits(self, grid: Grid | InOrder, scan: Scan, statistics: Statistics) -> None:
        """Hands all stretches to the splits."""
        read, done = self.rows_read, 0
        for deal in self._deals(scan, grid.interval):
            for number in deal.keys:
                start, stop = scan.ranges[number]
                before = sum(map(len, self.splits))
                self._fill_key(grid, deal, (start, stop), statistics)
                if sum(map(len, self.splits)) > before:
                    self.kept.append(number)
                done += stop - start
                self.progress("ordering", done, len(read.rows))
        statistics.finish()

    def _fill_key(self, grid: Grid | InOrder, deal: _Deal, rows: tuple[int, int], statistics: Statistics) -> None:
        read, width = self.rows_read, len(self.rows_read.columns)
        tagged = Continued() if self.options.what == "tags" else None
        for found in grid.pieces(read.rows, *rows):
            piece = found if tagged is None else tagged.piece(found)
            for number, begins, values in deal.splitter.add(len(self.kept), piece):
                split = deal.first + number
                if split == 0:
                    statistics.add(begins, values[:, :width])
                if tagged is not None:
                    self.tags[split] += np.bincount(values[:, -1].astype(np.int64), minlength=self.tags.shape[1])
            if grid.counts.off > len(read.rows) // _OFF_GRID:
                raise self._off_grid(grid)
            if grid.counts.differing > max(_FEW, len(read.rows) // _DIFFERING) and not self.options.skip:
                raise self._several_series(len(read.rows))

    def _several_series(self, rows: int) -> DataError:
        more = f"{self.options.key} does not tell all series apart" if self.options.key else "there is no `key`"
        return DataError(
            f"more than {max(_FEW, rows // _DIFFERING):,} of {rows:,} rows have the time of another row and other "
            f"numbers: {more}; name the column that says which series a row is of with `key`, or leave them out with "
            "`bad_rows=skip`"
        )

    def _off_grid(self, grid: Grid | InOrder) -> DataError:
        number, time = grid.counts.first_off or (0, 0)
        of = f" of {self.rows_read.names[number]!r}" if self.rows_read.names[number] else ""
        return DataError(
            f"rows are not at a constant interval: most are {in_words(grid.interval)} apart, the one{of} at "
            f"{shown_time(time)} and others are off that grid; resample them, or give `every` to keep those on one"
        )

    def _stored(self) -> tuple[Stored | None, dict[str, dict[str, int]]]:
        """The labels or tags as they are stored, and how many there are by name and split."""
        options, targets = self.options, self.rows_read.targets
        if options.what is None:
            return None, {}
        of_key, counts, remedy = None, self.tags, "leave it out, or give another `split`"
        if options.shares is None:
            remedy = "leave it out there"
        if isinstance(targets, KeyLabels):
            of_key = np.array(targets.of_keys, np.int64)[self.kept]
            mine = [of_key[np.array(split.keys, np.int64)] for split in self.splits]
            counts = np.array([np.bincount(each, minlength=len(targets.names)) for each in mine])
            remedy = remedy if options.shares is None else "leave it out, or give another `seed`"
        names, numbers = final_labels(targets.names, counts[0], remedy, options.labels, "columns_from")
        by_name: NDArray[np.int64] = np.zeros((len(names), len(SPLITS)), np.int64)
        by_name[numbers] = counts.T
        told = {name: dict(zip(SPLITS, each, strict=True)) for name, each in zip(names, by_name.tolist(), strict=True)}
        return Stored(options.what, names, by_name[:, 0], numbers, of_key), told

    def _times(self, columns: Columns) -> tuple[int | None, int | None]:
        """Of the first row and the last one."""
        if not columns.time:
            return None, None
        begin = min(min(split.starts) for split in self.splits if len(split))
        return begin, max(split.end for split in self.splits) - columns.interval


def _reported(split: SplitRows) -> SplitReport:
    return SplitReport(len(split), len(split.documents), split.end if len(split) else None)
