"""Files of texts without labels, and the lines in which the texts come back with them: plain lines and JSON lines."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpurnn.data.labelled.lines import Place, without_end
from gpurnn.data.labelled.options import is_position
from gpurnn.data.labelled.texts import PREFIX, TEXT, fasttext_parts, json_object, json_text
from gpurnn.exceptions import DataError
from gpurnn.generation.leftout import LeftOut

Lines = Iterator[tuple[int, str] | None]
"""Lines with their ends and their numbers; None: no more has come yet."""
encoded = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(slots=True)
class Row:
    """A text. raw: as it stands in the file, without its end. cells: of a table. fields: of JSON."""

    line: int
    raw: str
    text: str = ""
    cells: Sequence[str] = ()
    fields: dict[str, Any] | None = None


class Texts(ABC):
    """The texts of a file. left_out: takes bad rows. json: whether each is a JSON object."""

    json = False

    def __init__(self, lines: Lines, file: str, left_out: LeftOut) -> None:
        self._lines, self.file, self.left_out = lines, file, left_out
        self._free: dict[str, str] = {}
        self._taken: set[str] = set()

    def header(self) -> str | None:
        """Reads what stands before the texts: a line without its end; None where there is none. Raises DataError."""
        return None

    @abstractmethod
    def rows(self) -> Iterator[Row | None]:
        """Each text as soon as it has come; None: no more has come yet. Raises BadRow."""

    @abstractmethod
    def joined(self, raw: str, added: Sequence[str]) -> str:
        """A line with what is added to it."""

    @abstractmethod
    def fields(self, row: Row) -> dict[str, Any]:
        """What a JSON object says of a row."""

    def object(self, row: Row, more: Mapping[str, Any]) -> str:
        """A JSON object of a row, with more fields."""
        named = {self.free(name): value for name, value in more.items()}
        if self.json:
            return self.joined(row.raw, [f"{encoded(name)}: {encoded(value)}" for name, value in named.items()])
        return encoded(self.fields(row) | named)

    def free(self, name: str) -> str:
        """This name, or one like it that no column of the file has."""
        if name not in self._free:
            self._free[name] = name
            while self._free[name] in self._taken:
                self._free[name] = f"predicted_{self._free[name]}"
        return self._free[name]


class Plain(Texts):
    """Lines that are a text each; a label of fastText at the beginning is none of it."""

    def rows(self) -> Iterator[Row | None]:
        """See `Texts`."""
        for each in self._lines:
            if each is None:
                yield None
                continue
            raw = without_end(each[1])
            word, text = fasttext_parts(raw)
            yield Row(each[0], raw, text if word.startswith(PREFIX) else raw)

    def joined(self, raw: str, added: Sequence[str]) -> str:
        """What is added stands before the text, which may be long."""
        return "\t".join((*added, raw))

    def fields(self, row: Row) -> dict[str, Any]:
        """See `Texts`."""
        return {TEXT: row.text}


class Objects(Texts):
    """A JSON object a line. names: the fields that are the text."""

    json = True

    def __init__(self, lines: Lines, file: str, left_out: LeftOut, names: Sequence[str]) -> None:
        super().__init__(lines, file, left_out)
        if any(map(is_position, names)):
            raise DataError(f"{file}: JSON has names, no places; give those for `text_column`")
        self._names = names

    def rows(self) -> Iterator[Row | None]:
        """See `Texts`."""
        for each in self._lines:
            if each is None:
                yield None
                continue
            number, line = each
            if not line.strip():
                continue
            place = Place(self.file, number)
            try:
                fields = json_object(line, place)
                text = self._text(fields, place)
            except DataError as error:
                self.left_out.add(str(error))
                continue
            if not self._taken:
                self._taken = set(fields)
            yield Row(number, line.strip(), text, fields=fields)

    def _text(self, fields: dict[str, Any], place: Place) -> str:
        return "\n".join([json_text(fields, name, "text_column", place) for name in self._names])

    def joined(self, raw: str, added: Sequence[str]) -> str:
        """added: each a field, as JSON has it."""
        return f"{raw[:-1].rstrip()}, {', '.join(added)}}}"

    def fields(self, row: Row) -> dict[str, Any]:
        """See `Texts`."""
        assert row.fields is not None
        return row.fields
