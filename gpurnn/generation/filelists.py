"""Lists of files, and the lines in which the files come back with what is heard in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gpurnn.data.frames.lists import PATHS, has_objects, path_in
from gpurnn.data.labelled.lines import Place, without_end
from gpurnn.generation.forms import looked_at
from gpurnn.generation.leftout import LeftOut
from gpurnn.generation.paired_texts import Sources
from gpurnn.generation.tables import Tabs
from gpurnn.generation.texts import Lines, Objects, Row, Texts


def open_list(lines: Lines, file: str, left_out: LeftOut) -> Texts:
    """The names of the files in a list, from its lines, as `prepare` reads it; its texts need not be there.

    JSON lines or a table, see `read_list`; a table has a header where its first line names the column of the files,
    otherwise the file stands before the first tab of a line. left_out: takes bad rows.
    """
    first, lines = looked_at(lines)
    if has_objects(file, first):
        return _Objects(lines, file, left_out, PATHS)
    header = [cell.strip() for cell in first.split("\t")]
    name = next((name for name in PATHS if name in header), None)
    return Files(lines, file, left_out) if name is None else Tabs(lines, file, left_out, [name])


class Files(Sources):
    """Lines that name a file each, before the first tab; blank ones are passed over."""

    def rows(self) -> Iterator[Row | None]:
        """See `Texts`."""
        for each in self._lines:
            if each is None:
                yield None
            elif each[1].strip():
                raw = without_end(each[1])
                yield Row(each[0], raw, raw.split("\t")[0])

    def fields(self, row: Row) -> dict[str, Any]:
        """See `Texts`."""
        return {PATHS[0]: row.text}


class _Objects(Objects):
    """A JSON object a line, with the name of a file under one of several names."""

    def _text(self, fields: dict[str, Any], place: Place) -> str:
        return path_in(fields, place)
