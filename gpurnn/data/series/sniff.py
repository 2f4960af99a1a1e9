"""Finds out how tables are written: from their beginning, and from all of them where that leaves a question open."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from gpurnn.data.series.dates import ORDERS, digits_form, orders_of
from gpurnn.data.series.form import Form
from gpurnn.data.series.lines import find_column, find_delimiter, lines_of, rows_of, shown
from gpurnn.data.series.numbers import DECIMALS, Numbers, decimal_of, looks_like_number
from gpurnn.data.series.reader import Wanted
from gpurnn.data.series.times import date_text
from gpurnn.exceptions import DataError

_FIRST_LINES = 50
_SAMPLE, _CELLS = 5000, 1 << 18
"""Rows, and about how many cells, that are looked at for more than open questions."""
Table = tuple[str, Callable[[], Iterable[bytes]]]
"""What messages call a table, and what opens its bytes."""


@dataclass(frozen=True)
class Found:
    """What was found out. columns: those that are numbers, or that were asked for.

    others: of those that are not, the name and a cell that shows it.
    """

    form: Form
    columns: tuple[str, ...]
    others: tuple[tuple[str, str], ...]


def find_form(tables: Sequence[Table], wanted: Wanted, given: Form, other: Form | None = None) -> Found:
    """How the tables are written, all alike.

    wanted: columns may be empty: all that are numbers. given: what is known; None is found out. other: how others
    like them were, which decides what stays open.
    Raises DataError where it stays open, with the setting that decides it, and where a wanted column is not there.
    """
    sniffer = None
    for label, opened in tables:
        rows, header, delimiter = _rows(label, opened(), wanted, given)
        count = min(_SAMPLE, 1 + _CELLS // len(header))
        if sniffer is None:
            sniffer = _Sniffer(label, header, wanted, replace(given, delimiter=delimiter))
            sniffer.sample(list(islice(rows, count)))
        else:
            sniffer.locate(label, header)
        while sniffer.is_open and (chunk := list(islice(rows, count))):
            sniffer.feed(chunk)
        if not sniffer.is_open:
            break
    assert sniffer is not None
    return sniffer.finish(other or given)


def _rows(
    label: str, blocks: Iterable[bytes], wanted: Wanted, given: Form
) -> tuple[Iterator[list[str]], list[str], str]:
    """The rows of a table after its header, the names of its columns, and what divides its cells."""
    lines = (line for line in lines_of(blocks, label, given.encoding) if line.strip())
    first = list(islice(lines, _FIRST_LINES))
    if not first:
        raise DataError(f"{label}: the table is empty")
    delimiter = find_delimiter(first, wanted.names if given.header else (), label)

    def rows() -> Iterator[list[str]]:
        try:
            yield from rows_of((line for part in (first, lines) for line in part), delimiter)
        except csv.Error as error:
            raise DataError(f"{label}: {error}; is a quotation mark left open?") from None

    found = rows()
    if given.header:
        return found, [cell.strip() for cell in next(found)], delimiter
    width = len(next(rows_of(first, delimiter)))
    return found, [str(number) for number in range(1, width + 1)], delimiter


class _Sniffer:
    """Looks at rows until it knows all that it has to."""

    def __init__(self, label: str, header: list[str], wanted: Wanted, form: Form) -> None:
        self._wanted = wanted
        self._form = form
        self._numbers = Numbers(None, form.missing, commas_divide=form.delimiter == ",")
        self._orders: set[str] = set(ORDERS)
        self._date = ""  # one that can be read in several orders
        self._number = ""  # one that can have two decimals
        self._columns = wanted.columns
        self._others: list[tuple[str, str]] = []
        self.locate(label, header)

    def locate(self, label: str, header: list[str]) -> None:
        """Goes on with a table that has these columns."""
        self._label = label
        self._header = header
        self._time_at = [find_column(header, name, label, "time") for name in self._wanted.time]
        self._key_at = find_column(header, self._wanted.key, label, "key") if self._wanted.key else None
        wanted = self._wanted
        self._target_at = find_column(header, wanted.target, label, f"{wanted.noun}_column") if wanted.target else None
        self._columns_at = [find_column(header, name, label, "columns") for name in self._columns]

    def sample(self, rows: list[list[str]]) -> None:
        """Looks at the first rows of all."""
        last = max((*self._time_at, *self._columns_at), default=0)
        rows = [row for row in rows if len(row) > last and self._has_time(row)]
        if not self._columns:
            self._choose(rows)
        if self._form.digits is None and rows and len(self._time_at) == 1:
            cells = {row[self._time_at[0]].strip().partition(".")[0] for row in rows}
            plain = [cell for cell in cells if cell.isdecimal() and cell.isascii()]
            if plain and 2 * len(plain) > len(cells):
                self._form = replace(self._form, digits=digits_form(plain))
        self.feed(rows)

    def feed(self, rows: Iterable[list[str]]) -> None:
        """Looks at rows for what is still open."""
        last = max((*self._time_at, *self._columns_at), default=0)
        rows = [row for row in rows if len(row) > last]
        if self._form.order is None and self._time_at:
            self._find_order(dict.fromkeys(date_text(row[self._time_at[0]]) for row in rows))
        for index in self._columns_at:
            if self._form.decimal is not None:
                return
            self._find_decimal(dict.fromkeys(row[index] for row in rows))

    @property
    def is_open(self) -> bool:
        """Whether more rows could tell something that has to be known."""
        return bool(self._date and self._form.order is None) or bool(self._number and self._form.decimal is None)

    def finish(self, other: Form) -> Found:
        """What was found out; DataError where a question stayed open that `other` does not decide."""
        if self._date and self._form.order is None and other.order in self._orders:
            self._form = replace(self._form, order=other.order)
        if self._number and self._form.decimal is None:
            self._form = replace(self._form, decimal=other.decimal)
        if self._date and self._form.order is None:
            orders = [order for order in ORDERS if order in self._orders]
            ways = " or ".join(f"`date_order={order}`" for order in orders)
            raise DataError(
                f"{self._label}, column {shown(self._wanted.time[0])}: {self._date!r:.40} and all other dates can be "
                f"read with {' or '.join(orders)} first; give {ways}"
            )
        if self._number and self._form.decimal is None:
            raise DataError(
                f"{self._label}: {self._number!r:.40} has a decimal or a thousands separator, and no other number "
                "says which; give `decimal=point` or `decimal=comma`"
            )
        return Found(self._form, self._columns, tuple(self._others))

    def _has_time(self, row: list[str]) -> bool:
        """Whether a row may be one, not a total or the like."""
        return not self._time_at or any(map(str.isdigit, row[self._time_at[0]]))

    def _choose(self, rows: list[list[str]]) -> None:
        """Takes all columns that are numbers, as far as these rows show."""
        taken = {*self._time_at, self._key_at, self._target_at}
        names = []
        for index, name in enumerate(self._header):
            if index in taken or not name:
                continue
            cells = {row[index] for row in rows if len(row) > index}
            wrong = next(
                (c for c in sorted(cells) if not self._numbers.is_missing(c) and not looks_like_number(c)), None
            )
            if wrong is None:
                names.append(name)
            else:
                self._others.append((name, wrong))
        if not names:
            others = " but the time's" if self._time_at else ""
            raise DataError(f"{self._label}: no column{others} is numbers; name some with `columns`")
        self._columns = tuple(names)
        self.locate(self._label, self._header)

    def _find_order(self, dates: Iterable[str]) -> None:
        for date in dates:
            possible = orders_of(date)
            if possible:
                left = self._orders.intersection(possible)
                self._date = self._date or date
                if left:
                    self._orders = left
        if self._date and len(self._orders) == 1:
            self._form = replace(self._form, order=min(self._orders))

    def _find_decimal(self, cells: Iterable[str]) -> None:
        for cell in cells:
            found = decimal_of(cell, commas_divide=self._form.delimiter == ",")
            if found in DECIMALS:
                self._form = replace(self._form, decimal=found)
                return
            if found == "either" and not self._number:
                self._number = cell.strip()
