"""Tables of texts without labels, and the rows in which the texts come back with them."""

from __future__ import annotations

import csv
import io
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from gpurnn.data.labelled.lines import Place, without_end
from gpurnn.data.labelled.options import is_position, place_of
from gpurnn.data.labelled.texts import cells_told
from gpurnn.data.series.lines import find_column
from gpurnn.exceptions import DataError
from gpurnn.generation.leftout import LeftOut
from gpurnn.generation.texts import Lines, Row, Texts


class Table(Texts):
    """Rows of cells. columns: those of the text, names of a header, or places where there is none."""

    def __init__(self, lines: Lines, file: str, left_out: LeftOut, columns: Sequence[str]) -> None:
        super().__init__(lines, file, left_out)
        self._columns = columns
        self._rows = self._cells()
        self._first: list[Row] = []

    @abstractmethod
    def _cells(self) -> Iterator[Row | None]:
        """Rows with their cells, without their texts."""

    def header(self) -> str | None:
        """See `Texts`."""
        first = next((row for row in self._rows if row is not None), None)
        if first is None:
            raise DataError(f"{self.file}: it has no text")
        self._width = len(first.cells)
        by_place = is_position(self._columns[0])
        if by_place:
            self._first = [first]
            self._names = [str(number + 1) for number in range(self._width)]
            self._at = [self._place(column, Place(self.file, first.line)) for column in self._columns]
        else:
            self._names = [cell.strip() for cell in first.cells]
            self._at = [find_column(self._names, name, self.file, "text_column") for name in self._columns]
        self._taken = set(self._names)
        return None if by_place else first.raw

    def _place(self, column: str, place: Place) -> int:
        found = place_of(column, self._width)
        if found is None:
            raise DataError(f"{place}: it has {cells_told(self._width)}, so none for `text_column={column}`")
        return found

    def rows(self) -> Iterator[Row | None]:
        """See `Texts`."""
        for row in chain(self._first, self._rows):
            if row is not None:
                if len(row.cells) != self._width:
                    found = f"{cells_told(len(row.cells))}, expected {self._width} as in the first row"
                    self.left_out.add(f"{Place(self.file, row.line)}: {found}; correct it")
                    continue
                row.text = "\n".join([row.cells[index] for index in self._at])
            yield row

    def fields(self, row: Row) -> dict[str, Any]:
        """See `Texts`."""
        return dict(zip(self._names, row.cells, strict=True))


class Tabs(Table):
    """Tabs part the cells, and there is no quoting."""

    def _cells(self) -> Iterator[Row | None]:
        for each in self._lines:
            if each is None:
                yield None
            elif each[1].strip():
                raw = without_end(each[1])
                yield Row(each[0], raw, cells=raw.split("\t"))

    def joined(self, raw: str, added: Sequence[str]) -> str:
        """See `Texts`."""
        return "\t".join((raw, *added))


class Commas(Table):
    """Commas part the cells, quoted as RFC 4180 says; a row may have several lines."""

    def _cells(self) -> Iterator[Row | None]:
        taken: list[str] = []
        ahead: list[str] = []

        def lines() -> Iterator[str]:
            while True:
                line = ahead.pop() if ahead else next((each[1] for each in self._lines if each is not None), None)
                if line is None:
                    return
                taken.append(line)
                yield line

        reader = csv.reader(lines(), strict=True)
        for each in self._lines:
            if each is None:
                yield None
                continue
            taken.clear()
            ahead.append(each[1])
            try:
                cells = next(reader)
            except csv.Error as error:
                place = Place(self.file, each[0])
                self.left_out.add(f"{place}: {error}; is a quotation mark wrong or left open?")
                continue
            if cells:
                yield Row(each[0], without_end("".join(taken)), cells=cells)

    def joined(self, raw: str, added: Sequence[str]) -> str:
        """See `Texts`."""
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(added)
        return f"{raw},{line.getvalue()}"
