"""Times in the form that a table has them in, for the time that a forecast is for."""

from __future__ import annotations

from datetime import UTC, datetime

from gpurnn.data.series.form import Form

_DIGITS = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}


def time_text(time: int, form: Form, *, two: bool = False) -> str:
    """A time, in seconds since 1970: such a number where the table has such, otherwise ISO 8601 in UTC.

    Where the table says no time zone, this does not either. two: date and time of day stand in two columns of the
    table: here they are one, with a space between them.
    """
    if form.digits in _DIGITS:
        return str(time * _DIGITS[form.digits])
    try:
        when = datetime.fromtimestamp(time, UTC)
    except (ValueError, OverflowError, OSError):  # beyond the calendar
        return ""
    return when.strftime("%Y-%m-%d %H:%M:%S" if two else "%Y-%m-%dT%H:%M:%S") + ("Z" if form.zone else "")
