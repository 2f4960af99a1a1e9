"""Reads the times of a table's rows, quickly: what was once understood of a date or of a time of day is kept."""

import re
from collections.abc import Sequence

from gpurnn.data.series.dates import DAY, NoTime, day_of, seconds_of_day, seconds_of_digits

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
        self._dates: dict[str, int] = {}
        self._clocks: dict[str, int] = {}
        self._days: dict[str, int] = {}

    def read(self, cells: Sequence[str]) -> int:
        """The time of one row from its one or two cells. Raises NoTime."""
        return self.one(cells[0]) if len(cells) == 1 else self.two(cells[0], cells[1])

    def one(self, cell: str) -> int:
        """The time in one cell, date and time of day together. Raises NoTime."""
        colon = cell.find(":")
        if colon > 1:
            edge = colon - 2 if cell[colon - 2].isdecimal() else colon - 1
            try:
                return self._dates[cell[:edge]] + self._clocks[cell[edge:]]
            except KeyError:
                return self._date(cell[:edge]) + self._clock(cell[edge:], plain=False)
        if cell.isdecimal() and cell.isascii():
            return seconds_of_digits(cell, self._digits)
        if cell in self._days:
            return self._days[cell]
        return _keep(self._days, cell, self._without_colon(cell.strip()))

    def two(self, date: str, clock: str) -> int:
        """The time in two cells, the date and the time of day. Raises NoTime."""
        try:
            return self._dates[date] + self._clocks[clock]
        except KeyError:
            return self._date(date) + self._clock(clock, plain=True)

    def _without_colon(self, cell: str) -> int:
        if cell.isdecimal() and cell.isascii():
            return seconds_of_digits(cell, self._digits)
        if self._digits == "s" and (match := _DECIMALS.fullmatch(cell)):
            return seconds_of_digits(match[1], "s")
        try:
            seconds = self._date(cell)
        except NoTime:
            match = _END_OF_DATE.fullmatch(cell)
            if match is None:
                raise
            return self._date(match[1]) + self._clock(match[2], plain=True)
        self._expect_zone(False)
        return seconds

    def _date(self, text: str) -> int:
        """The seconds to the midnight that begins a date; what stands between it and the time of day is left away."""
        date = text.strip()
        if date[-1:] in ("T", "t", ","):
            date = date[:-1]
        return _keep(self._dates, text, day_of(date, self._order) * DAY)

    def _clock(self, text: str, *, plain: bool) -> int:
        seconds, zone = seconds_of_day(text, plain=plain)
        self._expect_zone(zone)
        return _keep(self._clocks, text, seconds)

    def _expect_zone(self, zone: bool) -> None:
        if self.zone is None:
            self.zone = zone
        elif zone != self.zone:
            raise NoTime(f"has {'a' if zone else 'no'} time zone, unlike those before")


def _keep(kept: dict[str, int], text: str, value: int) -> int:
    if len(kept) >= _KEPT:
        kept.clear()
    kept[text] = value
    return value
