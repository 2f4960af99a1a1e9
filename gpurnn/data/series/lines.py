"""From the bytes of a table to its lines, and from lines to rows of cells."""

import csv
import difflib
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gpurnn.data.series.form import DELIMITERS
from gpurnn.data.text.decoding import Advice, decode_blocks
from gpurnn.data.text.tokens import TextPolicy
from gpurnn.exceptions import DataError

LONGEST_LINE = 1 << 24
"""Characters of the longest line."""
ADVICE = Advice(
    "give the right `encoding`",
    "give `encoding={encoding}`",
    "| gpurnn prepare - -o CORPUS",
    "",
)
_SHOWN = 12


def lines_of(blocks: Iterable[bytes], label: str, encoding: str) -> Iterator[str]:
    """The lines of a text with their ends, each as soon as it is whole: after LF, CR LF, or CR where there is no LF.

    label: what messages call the table. Raises DataError for bytes that are not in the encoding.
    """
    held = ""
    for text in decode_blocks(blocks, label, TextPolicy(encoding, newline="keep"), ADVICE):
        whole = held + text
        edge = whole.rfind("\n") + 1 or whole.rfind("\r", 0, -1) + 1
        held = whole[edge:]
        if len(held) > LONGEST_LINE:
            raise DataError(f"{label}: a line is longer than {LONGEST_LINE:,} characters; is it a table?")
        if edge:
            yield from io.StringIO(whole[:edge], newline="")
    if held:
        yield from io.StringIO(held, newline="")


def rows_of(lines: Iterable[str], delimiter: str) -> Any:
    """What parses lines into rows of cells as csv.reader does; with tabs between the cells there is no quoting."""
    if delimiter == "\t":
        return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=delimiter)


def find_delimiter(lines: Sequence[str], names: Sequence[str], label: str) -> str:
    """What divides the cells of a table that begins with these lines: one of DELIMITERS.

    names: columns that the first row has to have, where it is a header; the divider that gives them is it. Otherwise
    the one that gives all rows the same number of cells, two or more. Raises DataError where none does.
    """
    best: tuple[tuple[bool, float, int], str] | None = None
    for delimiter in DELIMITERS:
        try:
            rows = [row for row in rows_of(lines, delimiter) if row]
        except csv.Error:
            continue
        width = len(rows[0]) if rows else 0
        header = {cell.strip() for cell in rows[0]} if rows else set()
        has_names = bool(names) and header.issuperset(names)
        if width < 2 and not has_names:
            continue
        score = (has_names, sum(len(row) == width for row in rows) / len(rows), width)
        if best is None or score > best[0]:
            best = (score, delimiter)
    if best is None:
        start = lines[0].strip() if lines else ""
        raise DataError(f"{label}: no , ; tab or | divides its first line, {start!r:.60}; give a table of columns")
    return best[1]


def find_column(header: Sequence[str], name: str, label: str, setting: str) -> int:
    """Where the column of this name stands. Raises DataError, which names the nearest one, or all."""
    places = [index for index, cell in enumerate(header) if cell == name]
    if len(places) == 1:
        return places[0]
    if places:
        raise DataError(f"{label}: {len(places)} columns are called {name!r:.60}; give each a name of its own")
    near = difflib.get_close_matches(name, header, n=1)
    more = ", ..." if len(header) > _SHOWN else ""
    advice = (
        f"did you mean {shown(near[0])}?" if near else f"its columns are {', '.join(map(shown, header[:_SHOWN]))}{more}"
    )
    raise DataError(f"{label}: there is no column {name!r:.60} for `{setting}`; {advice}")


def shown(name: str) -> str:
    """The name of a column in a message, on one line."""
    return f"{' '.join(name.split())!s:.40}"
