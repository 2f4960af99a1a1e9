"""Times in the form that a table has them in, for the time that a forecast is for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from gpurnn.data.series.durations import DAY
from gpurnn.data.series.form import Form

_DIGITS = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}
_WRITTEN = re.compile(
    r"(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})"  # a date
    r"(?:([T ]+)(\d{1,2}):(\d\d)(?::(\d\d)([.,]\d+)?)?"  # a time of day
    r"( ?(?:[Zz]|([+-])(\d\d):?(\d\d)))?)?",  # a zone
    re.ASCII,
)
_PLACES = {"day": (2, 1, 0), "month": (2, 0, 1), "year": (0, 1, 2)}
"""Where year, month and day stand, by what comes first."""


def later_text(cells: Sequence[str], time: int, form: Form) -> str:
    """A time, in seconds since 1970, written as the time of a row is: in the same order, with the same zone.

    cells: the one or two of the row that say its time; of two, date and time of day stand with a space between them.
    What is written in another way than in numbers, such as a month's name, becomes ISO 8601.
    """
    if form.digits in _DIGITS:
        return str(time * _DIGITS[form.digits])
    found = _WRITTEN.fullmatch(" ".join(map(str.strip, cells)))
    order = form.order or ("year" if found and len(found[1]) == 4 else "")
    try:
        if found is None or order not in _PLACES or (found[6] is None and time % DAY):
            return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S") + ("Z" if form.zone else "")
        return _written(found, time, order)
    except (ValueError, OverflowError, OSError):  # beyond the calendar
        return ""


def _written(found: re.Match[str], time: int, order: str) -> str:
    first, mark, second, third, between, hour, _, seconds, fraction, zone, sign, hours, minutes = found.groups()
    offset = (int(hours) * 60 + int(minutes)) * 60 * (-1 if sign == "-" else 1) if sign else 0
    when = datetime.fromtimestamp(time + offset, UTC)
    given, places = (first, second, third), _PLACES[order]
    numbers = ["", "", ""]
    for place, value in zip(places, (when.year, when.month, when.day), strict=True):
        width = len(given[place])
        numbers[place] = f"{value % 100 if place == places[0] and width == 2 else value:0{width}d}"
    if hour is None:
        return mark.join(numbers)
    clock = f"{when.hour:0{len(hour)}d}:{when.minute:02d}" + (f":{when.second:02d}" if seconds else "")
    return mark.join(numbers) + between + clock + (fraction or "") + (zone or "")
