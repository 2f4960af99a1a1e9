"""Durations as people write them, "24h" or "10 min", in whole seconds and back."""

import re
from fractions import Fraction

from gpurnn.exceptions import UsageError

MINUTE, HOUR, DAY = 60, 3600, 86_400
LONGEST = 36_525 * DAY
"""A hundred years, in seconds."""
_DURATION = re.compile(r"\s*(\d{1,12}(?:\.\d{1,9})?)\s*([a-z]+)\s*", re.IGNORECASE | re.ASCII)
_SECONDS = {
    name: seconds
    for names, seconds in (
        ("s sec secs second seconds", 1),
        ("min mins minute minutes", MINUTE),
        ("h hr hrs hour hours", HOUR),
        ("d day days", DAY),
        ("w week weeks", 7 * DAY),
    )
    for name in names.split()
}
_IN_DAYS = 3 * DAY
"""What is longer, and whole days, is shortened to days and not to hours."""


def seconds_of(text: str, name: str) -> int:
    """The seconds of a duration: "90s", "10min", "24 h", "1d" or "2w", in large or small letters; 1 or more.

    name: of the setting, for the message. Raises UsageError for what is no duration, no whole number of seconds, or
    longer than a hundred years.
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    found = f"`{name}={' '.join(str(text).split())!s:.40}`"
    unit = "" if match is None else match[2].lower()
    if unit == "m":
        raise UsageError(f"{found}: m could be minutes or months; write min for minutes")
    if match is None or unit not in _SECONDS:
        raise UsageError(f"{found}: expected a number and s, min, h, d or w, such as 24h or 10min")
    seconds = Fraction(match[1]) * _SECONDS[unit]
    if seconds.denominator != 1 or seconds < 1:
        raise UsageError(f"{found}: expected a whole number of seconds, 1 or more")
    if seconds > LONGEST:
        raise UsageError(f"{found}: expected at most a hundred years")
    return int(seconds)


def in_words(seconds: int) -> str:
    """A duration for people: "10 min", "1 h 30 min", "2 days"."""
    if seconds == 0:
        return "0 s"
    days, rest = divmod(seconds, DAY)
    parts = [f"{days:,} day{'' if days == 1 else 's'}"] if days else []
    for name, size in (("h", HOUR), ("min", MINUTE), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts)


def short(seconds: int) -> str:
    """A duration as one word, for the names of columns: "24h", "10min", "7d"; `seconds_of` takes it back."""
    if seconds > _IN_DAYS and seconds % DAY == 0:
        return f"{seconds // DAY}d"
    for name, size in (("h", HOUR), ("min", MINUTE)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{name}"
    return f"{seconds}s"
