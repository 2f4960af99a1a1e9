"""Source with the kind of each character: in colours, or with a letter below each character."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from demo_lib.cells import character_of

_COLOURS = {"comment": "90", "keyword": "35", "name": "0", "number": "36", "operator": "33", "string": "32"}
_UNDERLINED = "4"
_LETTERS = {"comment": "c", "keyword": "k", "name": "n", "number": "d", "operator": "o", "string": "s", "blank": " "}
LEGEND = "below: c comment, k keyword, n name, d number, o operator, s string; a capital, or _, where it is not that"


class Marked(NamedTuple):
    """A character, its kind, and the kind that was found."""

    character: str
    truth: str
    found: str

    @property
    def right(self) -> bool:
        """Whether the kind was found."""
        return self.truth == self.found


def read_marked(lines: Iterable[str]) -> Iterator[Marked]:
    """The rows of a table of three columns: cell, kind, and what was found."""
    for line in lines:
        cells = line.rstrip("\n").split("\t")
        if len(cells) == 3:
            yield Marked(character_of(cells[0]), cells[1], cells[2])


def coloured(marked: Iterable[Marked]) -> Iterator[str]:
    """Parts of a text for a terminal; what was taken for something else is underlined."""
    for style, run in groupby(marked, _style):
        text = "".join(each.character for each in run)
        yield f"\x1b[{style}m{text}\x1b[0m" if style else text


def _style(marked: Marked) -> str:
    if marked.character == "\n":
        return ""
    colour = _COLOURS.get(marked.found, "0")
    return colour if marked.right else f"{colour};{_UNDERLINED}"


def lettered(marked: Iterable[Marked]) -> Iterator[str]:
    """Parts of a text: each line of source, and below it letters of what was found; see LEGEND."""
    line: list[Marked] = []
    for each in marked:
        if each.character != "\n":
            line.append(each)
            continue
        yield from _with_letters(line)
        line = []
    if line:
        yield from _with_letters(line)


def _with_letters(line: list[Marked]) -> Iterator[str]:
    """A line that has something in it, and the one below it."""
    yield "".join(each.character for each in line) + "\n"
    letters = "".join(map(_letter, line)).rstrip()
    if letters:
        yield letters + "\n"


def _letter(marked: Marked) -> str:
    letter = _LETTERS.get(marked.found, "?")
    return letter if marked.right else letter.upper().replace(" ", "_")
