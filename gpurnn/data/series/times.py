"""Reads the times of a table's rows, quickly: what was once understood of a date or of a time of day is kept."""

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.series.dates import DAY, UNITS, NoTime, day_of, seconds_of_day, seconds_of_digits

_KEPT = 100_000
"""So many different texts are kept at most."""
_DECIMALS = re.compile(r"(\d{9,10})\.0*")
_END_OF_DATE = re.compile(r"(.*?\d)[T ,]+(\d{1,2}(?:\.\d{2}.*|\d{2}(?:\d{2})?)?\s*(?:[Zz]|[+-]\d\d:?\d\d)?)")
"""A date and a time of day without a colon."""


def date_text(cell: str) -> str:
    """The date of a cell that holds a date and perhaps a time of day."""
    edge = _edge(cell)
    if edge is not None:
        return cell[:edge].strip().rstrip("Tt,")
    match = _END_OF_DATE.fullmatch(cell.strip())
    return match[1] if match else cell.strip()


def _edge(cell: str) -> int | None:
    """Where the time of day begins; None without a colon."""
    colon = cell.find(":")
    if colon < 2:
        return None
    return colon - 2 if cell[colon - 2].isdecimal() else colon - 1


class Times:
    """Turns cells into seconds since 1970, UTC; a time without a zone is taken as it stands.

    order: what comes first in dates of three numbers (see `gpurnn.data.series.dates.ORDERS`). digits: what cells of
    digits alone are (see `digits_form`). zone: whether times have a zone; None until the first one is read.
    """

    def __init__(self, order: str | None, digits: str | None, zone: bool | None) -> None:
        self._order = order
        self._digits = digits
        self.zone = zone
        self._heads = _Kept(self._head)
        self._dates = _Kept(self._date)
        self._clocks = _Kept(lambda text: self._clock(text, plain=False))
        self._plain_clocks = _Kept(lambda text: self._clock(text, plain=True))
        self._days = _Kept(lambda text: self._without_colon(text.strip()))

    def read(self, cells: Sequence[str]) -> int:
        """The time of one row from its one or two cells. Raises NoTime."""
        return self.one(cells[0]) if len(cells) == 1 else self.two(cells[0], cells[1])

    def column(self, columns: Sequence[Sequence[str]]) -> NDArray[np.int64]:
        """The times of many rows, (n,), from their one or two columns of cells. Raises NoTime."""
        if len(columns) == 2:
            return np.array(list(map(self.two, columns[0], columns[1])), np.int64)
        cells = columns[0]
        edge = _edge(cells[0])
        if edge is not None:
            heads, clocks = self._heads, self._clocks
            try:  # where both parts are what they have to be, the cell was cut where its time of day begins
                return np.array([heads[cell[:edge]] + clocks[cell[edge:]] for cell in cells], np.int64)
            except NoTime:
                pass
        elif self._digits in UNITS:
            allowed, count = UNITS[self._digits]
            joined = "".join(cells)
            if joined.isascii() and joined.isdecimal() and allowed.issuperset(map(len, cells)):
                whole = np.array(list(map(int, cells)), np.int64)
                if not (whole % count).any():
                    return whole // count
        return np.array(list(map(self.one, cells)), np.int64)

    def one(self, cell: str) -> int:
        """The time in one cell, date and time of day together. Raises NoTime."""
        edge = _edge(cell)
        if edge is not None:
            return self._heads[cell[:edge]] + self._clocks[cell[edge:]]
        if cell.isdecimal() and cell.isascii():
            return seconds_of_digits(cell, self._digits)
        return self._days[cell]

    def two(self, date: str, clock: str) -> int:
        """The time in two cells, the date and the time of day. Raises NoTime."""
        return self._dates[date] + self._plain_clocks[clock]

    def _without_colon(self, cell: str) -> int:
        if cell.isdecimal() and cell.isascii():
            return seconds_of_digits(cell, self._digits)
        if self._digits == "s" and (match := _DECIMALS.fullmatch(cell)):
            return seconds_of_digits(match[1], "s")
        try:
            seconds = self._dates[cell]
        except NoTime:
            match = _END_OF_DATE.fullmatch(cell)
            if match is None:
                raise
            return self._dates[match[1]] + self._plain_clocks[match[2]]
        self._expect_zone(False)
        return seconds

    def _head(self, text: str) -> int:
        """The seconds to the midnight that begins a date, which a time of day follows."""
        if not text or text[-1] not in " Tt,":
            raise NoTime("is no time")
        date = text.strip()
        return self._dates[date[:-1] if date[-1:] in ("T", "t", ",") else date]

    def _date(self, text: str) -> int:
        return day_of(text, self._order) * DAY

    def _clock(self, text: str, *, plain: bool) -> int:
        if not plain and text[:1].isspace():  # cut where the time of day of another cell begins
            raise NoTime("is no time")
        seconds, zone = seconds_of_day(text, plain=plain)
        self._expect_zone(zone)
        return seconds

    def _expect_zone(self, zone: bool) -> None:
        if self.zone is None:
            self.zone = zone
        elif zone != self.zone:
            raise NoTime(f"has {'a' if zone else 'no'} time zone, unlike those before")


class _Kept(dict[str, int]):
    """What `find` says of each text, asked once and kept."""

    def __init__(self, find: Callable[[str], int]) -> None:
        self._find = find

    def __missing__(self, text: str) -> int:
        value = self._find(text)
        if len(self) >= _KEPT:
            self.clear()
        self[text] = value
        return value
