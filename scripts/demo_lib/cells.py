"""Characters as cells of a table, a character a line; a cell keeps no white space, so that has signs of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_SIGNS = {" ": "␣", "\n": "⏎", "\t": "⇥"}
_CHARACTERS = {sign: character for character, sign in _SIGNS.items()}
_CONTROL = 0x2400
"""Where the pictures of control characters begin, in their order."""


def cell_of(character: str) -> str:
    """What stands for a character in a table."""
    if character in _SIGNS:
        return _SIGNS[character]
    if ord(character) < 32:
        return chr(_CONTROL + ord(character))
    return "␣" if character.isspace() else character


def character_of(cell: str) -> str:
    """What is shown of a cell."""
    return _CHARACTERS.get(cell, cell)


def lines_of(text: str, kinds: Iterable[str]) -> Iterator[str]:
    """The rows of a text: a character and its kind; an empty one ends it."""
    for character, kind in zip(text, kinds, strict=True):
        yield f"{cell_of(character)}\t{kind}\n"
    yield "\n"
