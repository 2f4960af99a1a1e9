"""Texts to test advice on: one that needs a memory of 40 steps, and the King James Bible."""

from __future__ import annotations

import math
import random
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

LETTERS = "ABCDEFGH"
LAG = 40
FLOOR = math.log(len(LETTERS)) / (LAG + 3)
"""Nats a symbol of such lines: the first letter of each can't be known, all else can."""


def letters_again(_: Sequence[Path], lines: int = 20_000) -> str:
    """Lines of a random letter, 40 dots and the same letter again: it is read 40 steps before it has to be known."""
    letters = random.Random("letters").choices(LETTERS, k=lines)
    return "".join(f"{letter}{'.' * LAG}{letter}\n" for letter in letters)


def bible(sources: Sequence[Path]) -> str:
    """A verse a line, without its number."""
    uri = f"{sources[0].absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        rows = database.execute("SELECT Passage1, Passage2 FROM Bible").fetchall()
    verses = re.split(r"\d+:\d+|\n", "\n".join(" ".join(row) for row in rows))
    return "".join(f"{' '.join(verse.split())}\n" for verse in verses if verse.strip())
