"""Edit distances, and what part of a text they are."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

Symbols = Sequence[Hashable]


def edit_distance(found: Symbols, reference: Symbols) -> int:
    """How many symbols have to be put in, taken out or replaced, at least, to make one sequence of the other.

    A column of the table of distances lies in the bits of two whole numbers, which say where it rises and falls by one
    from row to row: G. Myers, A fast bit-vector algorithm for approximate string matching (1999), in the form of
    H. Hyyrö (2003) for whole sequences.
    """
    if found == reference:
        return 0
    if not found or not reference:
        return len(found) or len(reference)
    places: dict[Hashable, int] = {}
    for place, symbol in enumerate(reference):
        places[symbol] = places.get(symbol, 0) | 1 << place
    distance = len(reference)
    every, last = (1 << distance) - 1, 1 << (distance - 1)
    up, down = every, 0
    for symbol in found:
        same = places.get(symbol, 0)
        flat = (((same & up) + up) ^ up) | same
        right_up, right_down = (down | ~(flat | up)) & every, up & flat
        distance += (right_up & last > 0) - (right_down & last > 0)
        right_up, right_down = right_up << 1 | 1, right_down << 1
        steep = same | down
        up, down = (right_down | ~(steep | right_up)) & every, right_up & steep & every
    return distance


class ErrorRate:
    """Edits a symbol of the references, over many sequences.

    edits, symbols: of all so far. A sequence with several references counts beside the nearest of them, among equally
    near ones the longest.
    """

    def __init__(self) -> None:
        self.edits = self.symbols = 0

    def add(self, found: Symbols, references: Sequence[Symbols]) -> None:
        """found: one sequence. references: at least one."""
        edits, symbols = min((edit_distance(found, each), -len(each)) for each in references)
        self.edits += edits
        self.symbols -= symbols

    @property
    def rate(self) -> float:
        """0 where there is nothing to be found and nothing was found."""
        return self.edits / max(1, self.symbols)


class TextErrors:
    """Adds up how far texts that were read are from those that are there, white space at their ends left out.

    Words are told apart, and all of them added up, as jiwer does it.
    texts: how many there were. right: how many of them are equal. symbols: edits of characters. words: of words.
    """

    def __init__(self) -> None:
        self.texts = self.right = 0
        self.symbols, self.words = ErrorRate(), ErrorRate()

    def add(self, found: str, reference: str) -> int:
        """Returns the edits of characters."""
        found, reference = found.strip(), reference.strip()
        before = self.symbols.edits
        self.texts += 1
        self.right += found == reference
        self.symbols.add(found, [reference])
        self.words.add(_words(found), [_words(reference)])
        return self.symbols.edits - before


def _words(text: str) -> list[str]:
    """What spaces are between, or any white space of several characters."""
    return [word for word in _WIDE.sub(" ", text).split(" ") if word]


_WIDE = re.compile(r"\s\s+")
