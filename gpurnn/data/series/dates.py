"""One date or one time of day as people write them: what it can mean, and what it means."""

import datetime as dt
import re
from collections.abc import Collection

ORDERS = ("day", "month", "year")
"""What stands first in a date of three numbers: 31.1.2013, 1/31/2013, 13-01-31."""
DAY = 86_400
_EPOCH = dt.date(1970, 1, 1).toordinal()
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_NAMES = {name[:length]: i for i, name in enumerate(_MONTHS, 1) for length in range(3, len(name) + 1)}
_WEEKDAY = r"(?:(?:mon|tue|tues|wed|wednes|thu|thur|thurs|fri|sat|satur|sun)(?:day)?\.?,?\s+)?"
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")
_NUMBERS = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{1,2})")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_NAMED = (
    (re.compile(r"(\d{1,2})(?:st|nd|rd|th)?[-/. ]+([a-z]{3,9})[-/., ]+(\d{4}|\d{2})"), (2, 1, 0)),
    (re.compile(r"([a-z]{3,9})[-/. ]+(\d{1,2})(?:st|nd|rd|th)?[-/, ]+(\d{4})"), (2, 0, 1)),
    (re.compile(r"(\d{4})[-/. ]+([a-z]{3,9})[-/. ]+(\d{1,2})"), (0, 1, 2)),
)
"""Dates with the name of the month; where year, month and day stand in each."""
_BEGINS = re.compile(_WEEKDAY)
_CLOCK = re.compile(
    r"(\d{1,2})(?:[:.h](\d{2})(?:[:.](\d{2})(?:[.,](\d{1,9}))?)?)?\s*(?:([ap])\.?m\.?)?\s*"
    r"(z|(?:utc|gmt)?\s*([+-])(\d{2})(?::?(\d{2}))?|utc|gmt)?"
)
_PLAIN_CLOCK = re.compile(r"(\d{2})(\d{2})(\d{2})?(z|[+-]\d{2}(?::?\d{2})?)?")


class NoTime(ValueError):
    """A text that is no time, or none that can be understood; the message is the reason."""


def orders_of(date: str) -> tuple[str, ...] | None:
    """Which of ORDERS a date of three numbers can have been written in; None for anything else."""
    match = _NUMBERS.fullmatch(date.strip())
    if match is None:
        return None
    possible = ORDERS if len(match[4]) < 4 else ORDERS[:2]
    return tuple(order for order in possible if _is_date(*_ordered(match, order)))


def day_of(date: str, order: str | None) -> int:
    """The days from 1 January 1970 to a date, such as 2013-01-31, 31.1.2013, 1/31/13, 31 Jan 2013 or 20130131.

    order: one of ORDERS, what stands first where a date has three numbers and its year not first. Two digits of a
    year are one from 1969 to 2068. Raises NoTime.
    """
    text = date.strip().lower()
    text = text[_BEGINS.match(text).end() :]  # type: ignore[union-attr]  # it matches nothing, too
    if match := _YEAR_FIRST.fullmatch(text):
        return _days(match[1], match[3], match[4])
    if match := _NUMBERS.fullmatch(text):
        if order is None:
            raise NoTime("may have the day or the month first; give `date_order=day` or `date_order=month`")
        if (order == "year" and len(match[4]) == 4) or not _is_date(*_ordered(match, order)):
            raise NoTime(f"is no date with the {order} first")
        return _days(*_ordered(match, order))
    if match := _COMPACT.fullmatch(text):
        return _days(match[1], match[2], match[3])
    for pattern, (year, month, day) in _NAMED:
        if match := pattern.fullmatch(text):
            parts = match.groups()
            if parts[month] not in _NAMES:
                break
            return _days(parts[year], str(_NAMES[parts[month]]), parts[day])
    raise NoTime("is no time")


def seconds_of_day(clock: str, *, plain: bool = False) -> tuple[int, bool]:
    """The seconds from midnight UTC to a time of day, and whether it has a zone: 6:00, 06:00:00+01:00, 3:05 PM.

    plain: whether 6, 0600 and 060000 are meant so, too. Raises NoTime.
    """
    text = clock.strip().lower()
    if plain and (match := _PLAIN_CLOCK.fullmatch(text)):
        text = f"{match[1]}:{match[2]}:{match[3] or '00'}{match[4] or ''}"
    match = _CLOCK.fullmatch(text)
    if match is None or not (match[2] or plain):
        raise NoTime("is no time")
    hour, minute, second = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    if match[5]:
        if not 1 <= hour <= 12:
            raise NoTime("has an hour that a 12-hour clock does not have")
        hour = hour % 12 + (12 if match[5] == "p" else 0)
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and (minute or second)):
        raise NoTime("has a time of day that there is not")
    if match[4] and int(match[4]):
        raise NoTime("has a fraction of a second; times are whole seconds")
    offset = 0
    if match[7]:
        hours, minutes = int(match[8]), int(match[9] or 0)
        if hours > 15 or minutes > 59:
            raise NoTime("has a time zone that there is not")
        offset = (1 if match[7] == "+" else -1) * (hours * 3600 + minutes * 60)
    return hour * 3600 + minute * 60 + second - offset, match[6] is not None


def digits_form(cells: Collection[str]) -> str | None:
    """What cells of digits alone are: "s", "ms", "us" or "ns" since 1970, or "date" (20130131, 2013013106, ...).

    None where they are no times. Ten digits that are, everywhere, a date and an hour from 1900 to 2099 are that: as
    seconds they would be from 2030 on.
    """
    lengths = {len(cell) for cell in cells}
    if lengths <= {8, 10, 12, 14} and all(_is_compact(cell) for cell in cells):
        return "date"
    return next((unit for unit, (allowed, _) in UNITS.items() if lengths <= allowed), None)


UNITS: dict[str, tuple[set[int], int]] = {
    "s": ({9, 10}, 1),
    "ms": ({12, 13}, 1000),
    "us": ({15, 16}, 1_000_000),
    "ns": ({18, 19}, 1_000_000_000),
}
"""Of each unit, how many digits a time since 1970 has, and how many make a second."""


def seconds_of_digits(cell: str, form: str | None) -> int:
    """The seconds since 1970 of a cell of digits alone. form: see `digits_form`. Raises NoTime."""
    if form == "date":
        if not _is_compact(cell):
            raise NoTime("is no time like those before, YYYYMMDD and perhaps HH, MM, SS")
        clock = f"{cell[8:10] or '00'}:{cell[10:12] or '00'}:{cell[12:14] or '00'}"
        return day_of(cell[:8], None) * DAY + seconds_of_day(clock)[0]
    if form is None:
        raise NoTime("is no time: expected a date, or seconds or milliseconds since 1970")
    allowed, count = UNITS[form]
    if len(cell) not in allowed:
        raise NoTime(f"is no time like those before, {form} since 1970")
    seconds, rest = divmod(int(cell), count)
    if rest:
        raise NoTime("has a fraction of a second; times are whole seconds")
    return seconds


def _is_compact(cell: str) -> bool:
    if len(cell) not in (8, 10, 12, 14) or cell[:2] not in ("19", "20"):
        return False
    hour, minute, second = (int(cell[i : i + 2] or 0) for i in (8, 10, 12))
    return _is_date(cell[:4], cell[4:6], cell[6:8]) and hour <= 24 and minute <= 59 and second <= 59


def _ordered(match: re.Match[str], order: str) -> tuple[str, str, str]:
    """Year, month and day of three numbers."""
    first, second, third = match[1], match[3], match[4]
    if order == "day":
        return third, second, first
    return (third, first, second) if order == "month" else (first, second, third)


def _is_date(year: str, month: str, day: str) -> bool:
    try:
        _days(year, month, day)
    except NoTime:
        return False
    return True


def _days(year: str, month: str, day: str) -> int:
    whole = int(year)
    if len(year) not in (2, 4):
        raise NoTime("is no date of the calendar")
    if len(year) == 2:
        whole += 1900 if whole >= 69 else 2000
    try:
        return dt.date(whole, int(month), int(day)).toordinal() - _EPOCH
    except ValueError:
        raise NoTime("is no date of the calendar") from None
