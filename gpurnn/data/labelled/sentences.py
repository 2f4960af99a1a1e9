"""Files of columns: a word a line with its tag, a blank line after each sentence."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple

from gpurnn.data.labelled.lines import Place, without_end
from gpurnn.data.labelled.options import LabelledOptions, place_of
from gpurnn.exceptions import DataError

LONGEST_SENTENCE = 1 << 20
"""Words of the longest sentence."""
LOOKED_AT = 100
"""So many lines say whether tabs part the columns."""


class Sentence(NamedTuple):
    """Words, and of each its tag and its line."""

    words: list[str]
    tags: list[str]
    lines: list[int]


def read_sentences(lines: Iterable[str], file: str, options: LabelledOptions) -> Iterator[Sentence]:
    """The sentences of a file, from its lines, which have their ends; several blank lines are as one.

    Tabs part the columns where one of the first hundred lines has a tab, otherwise white space does. With tabs, a
    line that begins with # and has no tab is a comment. The word is in the first column and the tag in the last, unless
    options say otherwise. Raises DataError, which names file and line, for rows with other numbers of columns and
    cells that are empty.
    """
    stream = iter(lines)
    head = list(islice(stream, LOOKED_AT))
    tabs = any("\t" in line for line in head)
    words, tags, numbers = Sentence([], [], [])
    width, word_at, tag_at = 0, 0, 0
    for number, line in enumerate(chain(head, stream), 1):
        cells = cells_of(line, tabs)
        if not cells:
            if words and cells is not None:
                yield Sentence(words, tags, numbers)
                words, tags, numbers = [], [], []
            continue
        if not width:
            width = len(cells)
            word_at, tag_at = _places(options, width, Place(file, number))
        if len(cells) != width:
            place = Place(file, number)
            raise DataError(f"{place}: {_columns(len(cells))}, expected {width} as in the first row; correct it")
        word, tag = cells[word_at].strip(), cells[tag_at].strip()
        if not word or not tag:
            raise DataError(f"{Place(file, number)}: the {'tag' if word else 'word'} is empty; correct it")
        if len(words) == LONGEST_SENTENCE:
            place = Place(file, number)
            raise DataError(f"{place}: a sentence has more than {LONGEST_SENTENCE:,} words; a blank line ends one")
        words.append(word)
        tags.append(tag)
        numbers.append(number)
    if words:
        yield Sentence(words, tags, numbers)


def cells_of(line: str, tabs: bool) -> list[str] | None:
    """The cells of a line; none of a blank one, None of a comment."""
    if not tabs:
        return line.split()
    text = without_end(line)
    if not text.strip():
        return []
    return None if text[0] == "#" and "\t" not in text else text.split("\t")


def _places(options: LabelledOptions, width: int, place: Place) -> tuple[int, int]:
    """Where the word and the tag stand."""
    found = []
    for setting, column in (
        ("text_column", options.texts[0] if options.texts else "first"),
        ("tag_column", options.target or "last"),
    ):
        index = place_of(column, width)
        if index is None:
            raise DataError(f"{place}: it has {_columns(width)}, so none for `{setting}={column}`")
        found.append(index)
    if found[0] == found[1]:
        what = f"it has {_columns(width)}" if width == 1 else f"word and tag are both in column {found[0] + 1}"
        raise DataError(f"{place}: {what}; expected a word and its tag in two")
    return found[0], found[1]


def _columns(count: int) -> str:
    return f"{count} column{'' if count == 1 else 's'}"
