"""Names in tables, as a terminal shows them: wide characters take two columns, and nothing changes the terminal."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """A name as it is, or quoted where a terminal would not show it so, or nothing but a space."""
    return text if text.isprintable() and not text.isspace() else repr(text)


def width(text: str) -> int:
    """How many columns a text takes."""
    return sum(_columns(c) for c in text)


def cut(text: str, columns: int) -> str:
    """A name, printable, in so many columns at most."""
    text = printable(text)
    if width(text) <= columns:
        return text
    kept, left = "", columns - 1
    for character in text:
        left -= _columns(character)
        if left < 0:
            break
        kept += character
    return f"{kept}…"


def left(text: str, columns: int) -> str:
    """A text with spaces behind it up to so many columns."""
    return text + " " * (columns - width(text))


def right(text: str, columns: int) -> str:
    """A text with spaces before it up to so many columns."""
    return " " * (columns - width(text)) + text


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
