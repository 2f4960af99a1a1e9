"""Which form a file of texts without labels has."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from itertools import chain

from gpurnn.data.labelled.options import is_position
from gpurnn.data.labelled.texts import PREFIX, TEXT, form_by_name
from gpurnn.exceptions import DataError, UsageError
from gpurnn.generation.leftout import LeftOut
from gpurnn.generation.tables import Commas, Tabs
from gpurnn.generation.texts import Lines, Objects, Plain, Texts

_TABLES = {"tsv": Tabs, "csv": Commas}


def open_texts(
    lines: Lines,
    file: str,
    left_out: LeftOut,
    columns: Sequence[str] = (),
    *,
    plain: bool = False,
    usual: str = TEXT,
    of_lines: type[Plain] = Plain,
    on_warning: Callable[[str], None],
) -> Texts:
    """The texts of a file, from its lines.

    Its name says what it is, .tsv, .csv, .jsonl or .ndjson (and .gz behind that), or else its first line: JSON where
    that begins with a brace, a table where it is a header that has the columns; other lines are plain texts. columns:
    those of the text, `usual` where there are none; first, last and numbers mean that there is no header. plain: lines
    are plain texts in any case. of_lines: what reads those. left_out: takes bad rows. on_warning: is told where that
    may not be what is meant.
    Raises DataError, UsageError.
    """
    if plain and columns:
        raise UsageError("`plain` contradicts `text_column`: lines of plain text have no columns")
    if len(set(map(is_position, columns))) > 1:
        raise UsageError("`text_column`: names mean that there is a header, first, last and numbers that there is none")
    first, lines = looked_at(lines)
    form = "plain" if plain else _form(file, first, columns, usual)
    if form == "plain" and "\t" in first and not plain and not first.lstrip().startswith(PREFIX):
        on_warning(f"{file}: each line is read as a text, tabs among it; `text_column` says in which column texts are")
    if form == "plain":
        return of_lines(lines, file, left_out)
    return _TABLES.get(form, Objects)(lines, file, left_out, columns or (usual,))


def looked_at(lines: Lines) -> tuple[str, Lines]:
    """The first line that is not blank, with its end, "" where there is none; and all lines."""
    before: list[tuple[int, str] | None] = []
    for each in lines:
        before.append(each)
        if each is not None and each[1].strip():
            return each[1], chain(before, lines)
    return "", iter(before)


def _form(file: str, first: str, columns: Sequence[str], usual: str) -> str:
    """columns: those that were given."""
    known = form_by_name(file)
    if known is not None:
        return known
    if first.lstrip().startswith(PREFIX):
        if columns:
            raise DataError(f"{file}: lines of fastText have no columns; leave `text_column` out")
        return "plain"
    if first.lstrip()[:1] == "{":
        return "jsonl"
    form = "csv" if "," in first and "\t" not in first else "tsv"
    return form if columns or usual in _header(first, form) else "plain"


def _header(first: str, form: str) -> list[str]:
    try:
        cells = next(csv.reader([first]), []) if form == "csv" else first.split("\t")
    except csv.Error:
        return []
    return [cell.strip() for cell in cells]
