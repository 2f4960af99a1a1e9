"""From files to pairs of texts: two columns and a tab, JSON lines, or a file for each side; and to captions."""

from collections.abc import Iterable, Iterator
from itertools import chain, zip_longest
from pathlib import Path
from typing import NamedTuple

from gpurnn.data.labelled.lines import Opener, Place, without_end
from gpurnn.data.labelled.texts import cells_told, form_by_name, json_object, json_text
from gpurnn.data.text.inputs import Source
from gpurnn.exceptions import DataError, UsageError

Pair = tuple[str, str]
"""Source and target."""


class PairFile(NamedTuple):
    """What holds pairs: a file with both sides, or one with the targets beside one with the sources."""

    target: Source
    source: Source | None = None

    @property
    def sources(self) -> list[Source]:
        """The one file, or both."""
        return [self.target] if self.source is None else [self.source, self.target]


def side_files(sources: list[Source], targets: list[Source]) -> list[PairFile]:
    """Files of sources with those of targets, in their order. Raises UsageError where they do not belong together."""
    if len(sources) != len(targets):
        raise UsageError(
            f"`source` has {len(sources)} files and `target` {len(targets)}; give as many of both, in the same order"
        )
    for one, two in zip(sources, targets, strict=True):
        if one.path is not None and two.path is not None and _same(one.path, two.path):
            raise UsageError(f"{one.label}: it is given for `source` and for `target`; give the files of both sides")
    return [PairFile(target, source) for source, target in zip(sources, targets, strict=True)]


def _same(one: Path, two: Path) -> bool:
    return one.samefile(two)


def read_pairs(file: PairFile, opener: Opener) -> Iterator[Pair]:
    """The pairs of a file, or of two beside each other. The texts stand as they are, without line ends.

    A name that ends with .jsonl or .ndjson (and .gz behind that), or a brace at the beginning, means JSON lines.
    Raises DataError, which names file and line, for a row without two columns, a side that is empty or of several
    lines, and for two files of different numbers of lines.
    """
    lines = opener.lines(file.target)
    if file.source is not None:
        return _both(opener.lines(file.source), lines, file.source.label, file.target.label)
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    first = next(numbered, None)
    label = file.target.label
    if first is None:
        raise DataError(f"{label}: it has no pairs")
    form = form_by_name(label)
    json = form == "jsonl" or (form is None and first[1].lstrip()[:1] == "{")
    return (_json_lines if json else _columns)(chain((first,), numbered), label)


def read_captions(source: Source, opener: Opener) -> Iterator[str]:
    """The lines of a file, none of which may be empty. Raises DataError, which names file and line."""
    number = 0
    for number, line in enumerate(opener.lines(source), 1):
        yield _side(without_end(line), "text", Place(source.label, number))
    if not number:
        raise DataError(f"{source.label}: it has no text")


def _columns(lines: Iterable[tuple[int, str]], file: str) -> Iterator[Pair]:
    for number, line in lines:
        cells, place = without_end(line).split("\t"), Place(file, number)
        if len(cells) != 2:
            raise DataError(f"{place}: {cells_told(len(cells))}, expected a source, a tab and a target; correct it")
        yield _side(cells[0], "source", place), _side(cells[1], "target", place)


def _json_lines(lines: Iterable[tuple[int, str]], file: str) -> Iterator[Pair]:
    for number, line in lines:
        place = Place(file, number)
        fields = json_object(line, place)
        source, target = (_side(json_text(fields, name, "pairs", place), name, place) for name in ("source", "target"))
        yield source, target


def _both(sources: Iterator[str], targets: Iterator[str], first: str, second: str) -> Iterator[Pair]:
    number = 0
    for number, (source, target) in enumerate(zip_longest(sources, targets), 1):
        if source is None or target is None:
            more = sum(1 for _ in (targets if source is None else sources))
            counts = (number - 1, number + more) if source is None else (number + more, number - 1)
            raise DataError(
                f"{first} has {counts[0]:,} lines, {second} {counts[1]:,}; line by line they have to be pairs"
            )
        yield (
            _side(without_end(source), "source", Place(first, number)),
            _side(without_end(target), "target", Place(second, number)),
        )
    if not number:
        raise DataError(f"{first}: it has no pairs")


def _side(text: str, what: str, place: Place) -> str:
    if not text.strip():
        raise DataError(f"{place}: the {what} is empty; give it one, or leave the pair out")
    if any(character in text for character in "\t\n\r"):
        raise DataError(f"{place}: the {what} has a tab or a line end; put a space there")
    return text
