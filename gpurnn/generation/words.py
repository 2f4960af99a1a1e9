"""Files of words without tags: columns with a word a line, or plain text with a sentence a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from gpurnn.data.labelled.lines import Place, without_end
from gpurnn.data.labelled.options import is_position, place_of
from gpurnn.data.labelled.sentences import LONGEST_SENTENCE, LOOKED_AT, cells_of
from gpurnn.data.labelled.texts import cells_told
from gpurnn.exceptions import DataError, UsageError
from gpurnn.generation.leftout import LeftOut
from gpurnn.generation.texts import Lines


@dataclass(slots=True)
class Sentence:
    """line: of the first word. words: of the sentence. raw: the lines of the words, without their ends; before: the
    lines, with ends, that stand before each word, and after the last one: comments and blank lines.
    """

    line: int
    words: list[str] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=lambda: [""])

    def add(self, word: str, raw: str) -> None:
        """One more word."""
        self.words.append(word)
        self.raw.append(raw)
        self.before.append("")


class Columns:
    """Sentences of a file of columns, each once a blank line ends it, as `read_sentences` reads them without tags.

    column: of the word. left_out: takes bad rows. between: what parts the columns.
    """

    def __init__(self, lines: Lines, file: str, left_out: LeftOut, column: str = "first") -> None:
        if not is_position(column):
            raise UsageError(f"`text_column={column}`: columns of words have no header; give first, last or a number")
        self._file, self._left_out, self._column = file, left_out, column
        head: list[tuple[int, str] | None] = []
        for each in lines:
            head.append(each)
            if (each is None and any(map(_has_words, head))) or len(head) == LOOKED_AT:
                break
        self._tabs = any(each is not None and "\t" in each[1] for each in head)
        self._lines = chain(head, lines)
        self.between = "\t"

    def sentences(self) -> Iterator[Sentence | None]:
        """Each sentence with all lines since the one before; None: no more has come yet. Raises BadRow."""
        sentence = Sentence(0)
        width = place = 0
        for each in self._lines:
            if each is None:
                yield None
                continue
            number, line = each
            cells = cells_of(line, self._tabs)
            if not cells:
                sentence.before[-1] += without_end(line) + "\n"
                if cells is not None and sentence.words:
                    yield sentence
                    sentence = Sentence(0)
                continue
            if not width:
                width, place = len(cells), self._place(len(cells), number)
                self.between = "\t" if self._tabs or width == 1 else " "
            wrong = self._wrong(cells, width, place)
            if wrong:
                self._left_out.add(f"{Place(self._file, number)}: {wrong}; correct it")
                continue
            if len(sentence.words) == LONGEST_SENTENCE:
                at, most = Place(self._file, number), LONGEST_SENTENCE
                raise DataError(f"{at}: a sentence has more than {most:,} words; a blank line ends one")
            sentence.line = sentence.line or number
            raw = without_end(line)
            sentence.add(cells[place].strip(), raw if self._tabs else raw.rstrip())
        if sentence.words or sentence.before[-1]:
            yield sentence

    def _place(self, width: int, number: int) -> int:
        found = place_of(self._column, width)
        if found is None:
            told = f"it has {cells_told(width)}, so none for `text_column={self._column}`"
            raise DataError(f"{Place(self._file, number)}: {told}")
        return found

    def _wrong(self, cells: Sequence[str], width: int, place: int) -> str:
        if len(cells) != width:
            return f"{cells_told(len(cells))}, expected {width} as in the first row"
        return "" if cells[place].strip() else "the word is empty"


def _has_words(line: tuple[int, str] | None) -> bool:
    """Whether a line says how columns are parted, which a comment does not."""
    return line is not None and bool(line[1].strip()) and line[1][0] != "#"


class Spaced:
    """Sentences of plain text, one a line, whose words white space parts; they come back as columns.

    characters: whether each character is a word instead.
    """

    between = "\t"

    def __init__(self, lines: Lines, *, characters: bool = False) -> None:
        self._lines, self._characters = lines, characters

    def sentences(self) -> Iterator[Sentence | None]:
        """See `Columns`."""
        for each in self._lines:
            if each is None:
                yield None
                continue
            sentence = Sentence(each[0])
            for word in without_end(each[1]) if self._characters else each[1].split():
                sentence.add(word, word)
            sentence.before[-1] = "\n"
            yield sentence
