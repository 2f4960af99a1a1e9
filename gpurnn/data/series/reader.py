"""Reads a table row by row as it comes, or block by block and fast: times, keys, labels and numbers of columns."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.series.dates import NoTime
from gpurnn.data.series.form import Form
from gpurnn.data.series.header import first_line, goes_on
from gpurnn.data.series.lines import find_column, find_delimiter, lines_of, rows_of, shown
from gpurnn.data.series.numbers import NoNumber, Numbers
from gpurnn.data.series.times import Times
from gpurnn.exceptions import DataError

_CELLS = 1 << 13
"""About so many cells are read at once."""
_MOST_NAMES, _LONGEST_NAMES = 1000, 1 << 14
"""Names of so many columns, with so many characters, are kept."""
_LINE_END = re.compile(r"\r\n|\r|\n")
_REMEDY = "correct the row or leave it out, or give `bad_rows=skip`"


@dataclass(frozen=True)
class Wanted:
    """Which columns of a table are read: up to two that hold the time, the key's ("" for none), those of numbers.

    target: that of a label or a tag, "" for none; noun: which of both. In a table without a header they are numbers,
    "1" for the first. Without a time rows are numbered from 0.
    """

    time: tuple[str, ...]
    key: str = ""
    columns: tuple[str, ...] = ()
    target: str = ""
    noun: str = "label"

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.time, *(name for name in (self.key, self.target) if name), *self.columns)


class Record(NamedTuple):
    """One row. line: its number in the file, from 1. time: seconds since 1970, or its number among rows without one.

    values: (F,) float64, NaN: missing. cells: the row as it stood, with every column. target: its label or tag.
    """

    line: int
    key: str
    time: int
    values: NDArray[np.float64]
    cells: list[str]
    target: str = ""


class Block(NamedTuple):
    """Many rows. keys: of each, empty without a key column. times: (n,) int64. values: (n, F) float32, NaN: missing.

    targets: the label or tag of each, empty where none is wanted; then lines has the number of each row's line.
    """

    keys: tuple[str, ...]
    times: NDArray[np.int64]
    values: NDArray[np.float32]
    targets: tuple[str, ...] = ()
    lines: Sequence[int] = ()


class BadRow(DataError):
    """A row that is none; the message names its table, line, column and value, and what to do."""


class TableReader:
    """Reads one table of values that commas, semicolons, tabs or bars divide, in bounded memory, once.

    blocks: the bytes of the table, cut anywhere; of a live pipe its lines: no more is read than a row needs.
    label: what messages call the table. form: how it is written; the delimiter is found again where there is a header.
    Where the form knows the names of all columns, the header may be missing: `tail -f` does not send it.
    skip: whether rows that are none are skipped and counted; otherwise they raise BadRow. Blank rows and repetitions
    of the header are passed over. header: the names of all columns; the first row is read at once. has_header: whether
    it was the header.
    Raises DataError where a wanted column is not there.
    """

    def __init__(self, blocks: Iterable[bytes], label: str, wanted: Wanted, form: Form, *, skip: bool = False) -> None:
        self.label = label
        self.skipped = 0
        self.first_skipped = ""
        self._wanted = wanted
        self._skip = skip
        self._times = Times(form.order, form.digits, form.zone)
        lines = lines_of(blocks, label, form.encoding)
        self._lines_before, first = first_line(lines)
        self.has_header = form.header and not (
            first is not None and goes_on(first, form, wanted.time, wanted.columns, self._times)
        )
        if self.has_header and first is not None:
            form = replace(form, delimiter=find_delimiter([first], wanted.names, label))
        self._form = form
        self._numbers = Numbers(form.decimal, form.missing, commas_divide=form.delimiter == ",")
        self._csv = rows_of(chain(() if first is None else (first,), lines), form.delimiter)
        self._begun: list[list[str]] = []
        self._count = 0
        self._raw_header: list[str] = []
        self.header = self._read_header()
        self._find_columns()

    @property
    def form(self) -> Form:
        """How the table is written, as far as it has been read."""
        few = len(self.header) <= _MOST_NAMES and sum(map(len, self.header)) <= _LONGEST_NAMES
        names = tuple(self.header) if self._form.header and few else ()
        return replace(self._form, decimal=self._numbers.decimal, zone=self._times.zone, names=names)

    def records(self) -> Iterator[Record]:
        """The rows one by one, each as soon as its line is whole. Raises BadRow, DataError."""
        for line, row in self._numbered(self._begun, self._lines_before + 1):
            if (record := self._record(line, row)) is not None:
                yield record
        while True:
            line = self._line
            rows = self._next_rows(1)
            if not rows:
                return
            if (record := self._record(line, rows[0])) is not None:
                yield record

    def blocks(self) -> Iterator[Block]:
        """The rows in blocks of some thousands. Raises BadRow, DataError."""
        count = max(1, _CELLS // len(self.header))
        line, rows = self._lines_before + 1, self._begun
        while True:
            if rows and (block := self._block(line, rows)) is not None:
                yield block
            line = self._line
            rows = self._next_rows(count)
            if not rows:
                return

    @property
    def _line(self) -> int:
        """The number of the line that comes next."""
        return self._lines_before + int(self._csv.line_num) + 1

    def _next_rows(self, count: int) -> list[list[str]]:
        try:
            return list(islice(self._csv, count))
        except csv.Error as error:
            raise DataError(f"{self.label}, line {self._line - 1:,}: {error}; is a quotation mark left open?") from None

    def _read_header(self) -> list[str]:
        rows = self._next_rows(1)
        if not rows:
            raise DataError(f"{self.label}: the table is empty")
        if not self.has_header:
            self._begun = rows
            self._raw_header = list(self._form.names)  # it may come later, as it does where a log begins anew
            return list(self._form.names) or [str(number) for number in range(1, len(rows[0]) + 1)]
        self._raw_header = rows[0]
        return [cell.strip() for cell in rows[0]]

    def _find_columns(self) -> None:
        wanted, header = self._wanted, self.header
        self._time_at = [find_column(header, name, self.label, "time") for name in wanted.time]
        self._key_at = find_column(header, wanted.key, self.label, "key") if wanted.key else None
        self._target_at = (
            find_column(header, wanted.target, self.label, f"{wanted.noun}_column") if wanted.target else None
        )
        self._columns_at = [find_column(header, name, self.label, "columns") for name in wanted.columns]

    def _block(self, line: int, rows: list[list[str]]) -> Block | None:
        """The rows of a block, converted column by column; one by one where that fails."""
        header, width = self._raw_header, len(self.header)
        kept = [row for row in rows if row and row != header]
        if kept and set(map(len, kept)) == {width}:
            try:
                block = self._convert(kept)
            except (NoTime, NoNumber):
                pass
            else:
                if "" not in block.keys and "" not in block.targets:
                    self._count += len(kept)
                    return block if self._target_at is None else block._replace(lines=self._lines(rows, line))
        records = [r for number, row in self._numbered(rows, line) if (r := self._record(number, row)) is not None]
        if not records:
            return None
        times = np.array([record.time for record in records], np.int64)
        values = np.array([record.values for record in records]).astype(np.float32)
        keys = tuple(record.key for record in records) if self._key_at is not None else ()
        if self._target_at is None:
            return Block(keys, times, values)
        return Block(keys, times, values, tuple(record.target for record in records), [r.line for r in records])

    def _lines(self, rows: list[list[str]], line: int) -> Sequence[int]:
        """The numbers of the lines of the rows that are neither empty nor the header again."""
        if self._line - line == len(rows) and all(rows) and self._raw_header not in rows:
            return range(line, line + len(rows))
        return [number for number, row in self._numbered(rows, line) if row and row != self._raw_header]

    def _convert(self, rows: list[list[str]]) -> Block:
        times = np.arange(self._count, self._count + len(rows))
        if self._time_at:
            times = self._times.column([list(map(itemgetter(index), rows)) for index in self._time_at])
        at = self._columns_at
        if len(at) == 1:
            cells = list(map(itemgetter(*at), rows))
        else:
            cells = list(chain.from_iterable(map(itemgetter(*at), rows))) if at else []
        values = self._numbers.column(cells).astype(np.float32).reshape(len(rows), len(at))
        keys, targets = (
            () if at is None else tuple(map(str.strip, map(itemgetter(at), rows)))
            for at in (self._key_at, self._target_at)
        )
        return Block(keys, times, values, targets)

    def _numbered(self, rows: Iterable[list[str]], line: int) -> Iterator[tuple[int, list[str]]]:
        """The rows, each with the number of its first line."""
        for row in rows:
            yield line, row
            line += 1 + sum(len(_LINE_END.findall(cell)) for cell in row if "\n" in cell or "\r" in cell)

    def _record(self, line: int, row: list[str]) -> Record | None:
        """The row as a record; None for a blank one, the header again, or one that is skipped."""
        if row == self._raw_header or not any(map(str.strip, row)):
            return None
        try:
            record = self._read_record(line, row)
        except BadRow as error:
            if not self._skip:
                raise
            self.skipped += 1
            self.first_skipped = self.first_skipped or str(error).removesuffix(f"; {_REMEDY}")
            return None
        self._count += 1
        return record

    def _read_record(self, line: int, row: list[str]) -> Record:
        place = f"{self.label}, line {line:,}"
        width = len(self.header)
        if len(row) < width or any(map(str.strip, row[width:])):
            raise BadRow(f"{place}: it has {_cells(len(row))}, expected {width}; {_REMEDY}")
        try:
            cells = [row[index] for index in self._time_at]
            time = self._times.read(cells) if cells else self._count
        except NoTime as error:
            reason = f"{error} (without `time` rows are steps in their order)" if self._wanted.target else str(error)
            raise BadRow(self._told(place, self._time_at[0], " ".join(cells), reason)) from None
        key = row[self._key_at].strip() if self._key_at is not None else ""
        if self._key_at is not None and not key:
            raise BadRow(self._told(place, self._key_at, "", "names no series"))
        target = row[self._target_at].strip() if self._target_at is not None else ""
        if self._target_at is not None and not target:
            raise BadRow(self._told(place, self._target_at, "", f"is no {self._wanted.noun}"))
        values = np.empty(len(self._columns_at), np.float64)
        for number, index in enumerate(self._columns_at):
            try:
                values[number] = self._numbers.one(row[index])
            except NoNumber as error:
                raise BadRow(self._told(place, index, row[index], str(error))) from None
        return Record(line, key, time, values, row, target)

    def _told(self, place: str, index: int, value: str, reason: str) -> str:
        advice = "" if "give `" in reason else f"; {_REMEDY}"
        return f"{place}, column {shown(self.header[index])}: {value!r:.60} {reason}{advice}"


def _cells(count: int) -> str:
    return f"{count} cell{'' if count == 1 else 's'}"
