"""Reads a table row by row as it comes, or block by block and fast: times, keys and numbers of columns."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.series.dates import NoTime
from gpurnn.data.series.form import Form
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
    """Which columns of a table are read: one or two that hold the time, the key's ("" for none), those of numbers.

    In a table without a header they are numbers, "1" for the first.
    """

    time: tuple[str, ...]
    key: str = ""
    columns: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.time, *((self.key,) if self.key else ()), *self.columns)


class Record(NamedTuple):
    """One row. line: its number in the file, from 1. time: seconds since 1970. values: (F,) float64, NaN: missing.

    cells: the row as it stood, with every column.
    """

    line: int
    key: str
    time: int
    values: NDArray[np.float64]
    cells: list[str]


class Block(NamedTuple):
    """Many rows. keys: of each, empty without a key column. times: (n,) int64. values: (n, F) float32, NaN: missing."""

    keys: tuple[str, ...]
    times: NDArray[np.int64]
    values: NDArray[np.float32]


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
        self._lines_before, first = _first_line(lines)
        self.has_header = form.header and not (first is not None and _goes_on(first, form, wanted, self._times))
        if self.has_header and first is not None:
            form = replace(form, delimiter=find_delimiter([first], wanted.names, label))
        self._form = form
        self._numbers = Numbers(form.decimal, form.missing, commas_divide=form.delimiter == ",")
        self._csv = rows_of(chain(() if first is None else (first,), lines), form.delimiter)
        self._begun: list[list[str]] = []
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
                if "" not in block.keys:
                    return block
        records = [r for number, row in self._numbered(rows, line) if (r := self._record(number, row)) is not None]
        if not records:
            return None
        times = np.array([record.time for record in records], np.int64)
        values = np.array([record.values for record in records]).astype(np.float32)
        return Block(tuple(record.key for record in records) if self._key_at is not None else (), times, values)

    def _convert(self, rows: list[list[str]]) -> Block:
        times = self._times.column([list(map(itemgetter(index), rows)) for index in self._time_at])
        at = self._columns_at
        if len(at) == 1:
            cells = list(map(itemgetter(*at), rows))
        else:
            cells = list(chain.from_iterable(map(itemgetter(*at), rows))) if at else []
        values = self._numbers.column(cells).astype(np.float32).reshape(len(rows), len(at))
        keys = () if self._key_at is None else tuple(map(str.strip, map(itemgetter(self._key_at), rows)))
        return Block(keys, times, values)

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
            return self._read_record(line, row)
        except BadRow as error:
            if not self._skip:
                raise
            self.skipped += 1
            self.first_skipped = self.first_skipped or str(error).removesuffix(f"; {_REMEDY}")
            return None

    def _read_record(self, line: int, row: list[str]) -> Record:
        place = f"{self.label}, line {line:,}"
        width = len(self.header)
        if len(row) < width or any(map(str.strip, row[width:])):
            raise BadRow(f"{place}: it has {_cells(len(row))}, expected {width}; {_REMEDY}")
        try:
            time = self._times.read([row[index] for index in self._time_at])
        except NoTime as error:
            cells = " ".join(row[index] for index in self._time_at)
            raise BadRow(self._told(place, self._time_at[0], cells, str(error))) from None
        key = row[self._key_at].strip() if self._key_at is not None else ""
        if self._key_at is not None and not key:
            raise BadRow(self._told(place, self._key_at, "", "names no series"))
        values = np.empty(len(self._columns_at), np.float64)
        for number, index in enumerate(self._columns_at):
            try:
                values[number] = self._numbers.one(row[index])
            except NoNumber as error:
                raise BadRow(self._told(place, index, row[index], str(error))) from None
        return Record(line, key, time, values, row)

    def _told(self, place: str, index: int, value: str, reason: str) -> str:
        advice = "" if "give `" in reason else f"; {_REMEDY}"
        return f"{place}, column {shown(self.header[index])}: {value!r:.60} {reason}{advice}"


def _goes_on(line: str, form: Form, wanted: Wanted, times: Times) -> bool:
    """Whether the first line of a table is a row like those before it, not the header: it has a time, and no name."""
    cells = [cell.strip() for cell in next(rows_of([line], form.delimiter), [])]
    if not form.names or len(cells) != len(form.names) or set(cells) & set(form.names):
        return False
    try:
        times.read([cells[form.names.index(name)] for name in wanted.time])
    except (NoTime, ValueError):
        return False
    return True


def _first_line(lines: Iterator[str]) -> tuple[int, str | None]:
    """How many blank lines there are, and the first one after them; None where there is none."""
    for count, line in enumerate(lines):
        if line.strip():
            return count, line
    return 0, None


def _cells(count: int) -> str:
    return f"{count} cell{'' if count == 1 else 's'}"
