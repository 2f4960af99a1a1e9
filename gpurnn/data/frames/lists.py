"""Lists of files with a text each: JSON lines, or a table with tabs."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

from gpurnn.data.labelled.lines import Place, without_end
from gpurnn.data.labelled.texts import cells_told, form_by_name, json_object, json_text
from gpurnn.data.series.lines import find_column, shown
from gpurnn.exceptions import DataError

PATHS = ("frames", "path", "audio_filepath")
"""What the path of a file may be called; the first of these that is there counts."""
TEXT = "text"
"""What its text is called in JSON where nothing else is said."""
_SHOWN = 12


class Entry(NamedTuple):
    """A file as the list names it, its text, and where in the list it stands."""

    path: str
    text: str
    place: Place


def read_list(lines: Iterable[str], file: str, text: str | None) -> Iterator[Entry]:
    """The entries of a list, from its lines, which have their ends; blank lines are passed over.

    A name that ends with .jsonl or .ndjson (and .gz behind that), or a brace at the beginning, means JSON lines.
    Otherwise it is a table with tabs: a path and a text without a header, or, where `text` names the column of the
    text, with one. text: what the text is called. Raises DataError, which names file and line.
    """
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    first = next(numbered, None)
    if first is None:
        raise DataError(f"{file}: it is empty; expected a file and its text a line")
    rest = chain((first,), numbered)
    objects = has_objects(file, first[1])
    yield from _json_lines(rest, file, text or TEXT) if objects else _table(rest, file, text)


def has_objects(file: str, first: str) -> bool:
    """Whether a list has JSON lines. file: its name. first: its first line that is not blank."""
    form = form_by_name(file)
    return form == "jsonl" or (form is None and first.lstrip()[:1] == "{")


def _json_lines(lines: Iterable[tuple[int, str]], file: str, text: str) -> Iterator[Entry]:
    for number, line in lines:
        place = Place(file, number)
        fields = json_object(line, place)
        yield Entry(path_in(fields, place), json_text(fields, text, "text", place), place)


def path_in(fields: dict[str, Any], place: Place) -> str:
    """The path of a file that an object of JSON has. Raises DataError."""
    name = next((name for name in PATHS if name in fields), None)
    if name is None:
        there = ", ".join(shown(each) for each in list(fields)[:_SHOWN])
        raise DataError(f"{place}: it names no file as {_paths_told()}; it has {there or 'nothing'}")
    return expected_path(json_text(fields, name, "frames", place), place)


def expected_path(path: str, place: Place) -> str:
    """The path of a file as a list has it. Raises DataError for what can be none."""
    if not path.strip():
        raise DataError(f"{place}: the path is empty; give it one, or leave the line out")
    if len(f"{path}.".splitlines()) > 1 or "\0" in path:
        raise DataError(f"{place}: the path {path!r:.60} has a line end or a zero byte; correct it")
    return path


def _table(lines: Iterator[tuple[int, str]], file: str, text: str | None) -> Iterator[Entry]:
    number, line = next(lines)
    cells = without_end(line).split("\t")
    width, path_at, text_at = 2, 0, 1
    if text is not None:
        width, header = len(cells), [cell.strip() for cell in cells]
        name = next((name for name in PATHS if name in header), None)
        if name is None:
            raise DataError(f"{Place(file, number)}: the first row names no column {_paths_told()}; add its header")
        path_at, text_at = header.index(name), find_column(header, text, file, "text")
    else:
        lines = chain(((number, line),), lines)
    expected = "as in the first row" if text is not None else "a path, a tab and a text, or a header and `text`"
    for number, line in lines:
        cells, place = without_end(line).split("\t"), Place(file, number)
        if len(cells) != width:
            raise DataError(f"{place}: {cells_told(len(cells))}, expected {width}: {expected}; correct it")
        yield Entry(expected_path(cells[path_at], place), cells[text_at], place)


def _paths_told() -> str:
    return f"{', '.join(PATHS[:-1])} or {PATHS[-1]}"
