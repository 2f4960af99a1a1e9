"""Files with a label a text: tables, JSON lines, lines of fastText; which of them a file is, and its texts."""

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import PurePath
from typing import Any, NamedTuple

from gpurnn.data.labelled.lines import Place, without_end
from gpurnn.data.labelled.names import expect_one_line
from gpurnn.data.labelled.options import LabelledOptions, is_position, place_of
from gpurnn.data.series.lines import find_column, shown
from gpurnn.exceptions import DataError

PREFIX = "__label__"
"""What the label of a line of fastText begins with."""
LABEL, TEXT = "label", "text"
"""The columns where no others are given."""
_SUFFIXES = {".tsv": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_SHOWN = 12
Row = tuple[int, list[str]]


class Text(NamedTuple):
    """A text with its label, and where it stands."""

    label: str
    text: str
    place: Place


def read_texts(lines: Iterable[str], file: str, options: LabelledOptions) -> Iterator[Text]:
    """The texts of a file, from its lines, which have their ends.

    Its name says what it is, .tsv, .csv, .jsonl or .ndjson (and .gz behind that), or else its first line: of fastText
    where that begins with __label__, JSON where it begins with a brace, a table with tabs or with commas where it has
    one. With tabs there is no quoting; with commas RFC 4180 holds. Several columns of text are joined by a newline.
    Raises DataError, which names file and line, for what is none of them, a row with other columns, a label or a text
    that is empty.
    """
    numbered = ((number, line) for number, line in enumerate(lines, 1))
    first = next((each for each in numbered if each[1].strip()), None)
    if first is None:
        raise DataError(f"{file}: it has no text")
    rest = chain((first,), numbered)
    form = _form(file, first[1])
    if form == "fasttext":
        found = _fasttext(rest, file, options)
    elif form == "jsonl":
        found = _jsonl(rest, file, options)
    elif form == "tsv":
        found = _table(((n, without_end(line).split("\t")) for n, line in rest if line.strip()), file, options)
    else:
        found = _table(_csv_rows(rest, first[0], file), file, options)
    for text in found:
        if not text.text.strip():
            raise DataError(f"{text.place}: the text is empty; leave the line out")
        yield text


def form_by_name(file: str) -> str | None:
    """What the name of a file says that it is: "tsv", "csv" or "jsonl"; None where it says nothing."""
    name = PurePath(file)
    return _SUFFIXES.get((PurePath(name.stem) if name.suffix == ".gz" else name).suffix.lower())


def _form(file: str, first: str) -> str:
    known = form_by_name(file)
    if known is not None:
        return known
    if first.lstrip().startswith(PREFIX):
        return "fasttext"
    for form, sign in (("jsonl", first.lstrip()[:1] == "{"), ("tsv", "\t" in first), ("csv", "," in first)):
        if sign:
            return form
    raise DataError(
        f"{file}: its first line, {first.strip()!r:.60}, has no label: expected a tab or a comma between label and "
        f"text, JSON, or {PREFIX}"
    )


def _fasttext(lines: Iterable[tuple[int, str]], file: str, options: LabelledOptions) -> Iterator[Text]:
    if options.target is not None or options.texts:
        raise DataError(f"{file}: lines of fastText have no columns; leave `label_column` and `text_column` out")
    for number, line in lines:
        if not line.strip():
            continue
        word, text = fasttext_parts(line)
        place = Place(file, number)
        if not word.startswith(PREFIX):
            raise DataError(f"{place}: {word!r:.40} is no label; expected {PREFIX} at the beginning of each line")
        if text.startswith(PREFIX):
            raise DataError(f"{place}: it has two labels or more; give each text one")
        yield Text(_label(word.removeprefix(PREFIX), place), text, place)


def fasttext_parts(line: str) -> tuple[str, str]:
    """The first word of a line, which is the label of fastText where it begins with PREFIX, and the text behind it."""
    rest = without_end(line).lstrip()
    word, _, text = rest.partition(" ")
    if "\t" in word:
        word, _, text = rest.partition("\t")
    return word, text.strip()


def _jsonl(lines: Iterable[tuple[int, str]], file: str, options: LabelledOptions) -> Iterator[Text]:
    names = options.texts or (TEXT,)
    target = options.target or LABEL
    if options.by_position:
        raise DataError(f"{file}: JSON has names, no places; give those for `label_column` and `text_column`")
    for number, line in lines:
        if not line.strip():
            continue
        place = Place(file, number)
        fields = json_object(line, place)
        texts = [json_text(fields, name, "text_column", place) for name in names]
        yield Text(_label(json_text(fields, target, "label_column", place), place), "\n".join(texts), place)


def json_object(line: str, place: Place) -> dict[str, Any]:
    """The fields of a JSON object in a line. Raises DataError for other lines."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: no JSON: {str(error).splitlines()[0]:.80}; correct the line") from None
    if not isinstance(fields, dict):
        raise DataError(f"{place}: expected an object in braces, found {line.strip()!r:.40}")
    return fields


def json_text(fields: dict[str, Any], name: str, setting: str, place: Place) -> str:
    """The text of a field; of a label also a whole number or a truth value. Raises DataError."""
    if name not in fields:
        there = ", ".join(shown(each) for each in list(fields)[:_SHOWN])
        raise DataError(f"{place}: there is no {name!r:.60} for `{setting}`; it has {there or 'nothing'}")
    value = fields[name]
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise DataError(f"{place}: {name!r:.40} has half of a surrogate pair; correct it")
        return value
    if setting == "label_column" and isinstance(value, bool | int):
        return json.dumps(value)
    raise DataError(f"{place}: {name!r:.40} is {json.dumps(value):.40}, expected a text")


def _csv_rows(lines: Iterable[tuple[int, str]], first: int, file: str) -> Iterator[Row]:
    reader = csv.reader((line for _, line in lines), strict=True)
    while True:
        line = first + reader.line_num
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise DataError(f"{Place(file, line)}: {error}; is a quotation mark wrong or left open?") from None
        if row is None:
            return
        if row:
            yield line, row


def _table(rows: Iterator[Row], file: str, options: LabelledOptions) -> Iterator[Text]:
    line, first = next(rows)
    width = len(first)
    if options.by_position:
        target, texts = _places(options, width, Place(file, line))
        rows = chain(((line, first),), rows)
    else:
        target, texts = _named(options, [cell.strip() for cell in first], file)
    for line, row in rows:
        place = Place(file, line)
        if len(row) != width:
            raise DataError(f"{place}: {cells_told(len(row))}, expected {width} as in the first row; correct it")
        parts = [row[index] for index in texts]
        yield Text(_label(row[target], place), "\n".join(parts), place)


def _named(options: LabelledOptions, header: list[str], file: str) -> tuple[int, list[int]]:
    """Where the label and the texts stand, by the names of the columns."""
    if options.target is None and LABEL not in header:
        columns = ", ".join(map(shown, header[:_SHOWN]))
        raise DataError(
            f"{file}: its first row names no column {LABEL}, but {columns}; give `label_column`: a name, or first, "
            "last or a number where there is no header"
        )
    target = find_column(header, options.target or LABEL, file, "label_column")
    texts = [find_column(header, name, file, "text_column") for name in options.texts or (TEXT,)]
    return target, texts


def _places(options: LabelledOptions, width: int, place: Place) -> tuple[int, list[int]]:
    """The same of columns that are given by their places; without one of text it is the other one of two."""
    found = []
    for setting, column in (("label_column", options.target), *(("text_column", name) for name in options.texts)):
        assert column is not None
        assert is_position(column)
        index = place_of(column, width)
        if index is None:
            raise DataError(f"{place}: it has {cells_told(width)}, so none for `{setting}={column}`")
        found.append(index)
    target, *texts = found
    if not texts:
        texts = [index for index in range(width) if index != target]
        if len(texts) != 1:
            raise DataError(f"{place}: it has {cells_told(width)}; give `text_column`, too")
    return target, texts


def _label(given: str, place: Place) -> str:
    label = given.strip()
    if not label:
        raise DataError(f"{place}: the label is empty; give it one, or leave the line out")
    expect_one_line(label, place, "label_column")
    return label


def cells_told(count: int) -> str:
    """In words."""
    return f"{count} column{'' if count == 1 else 's'}"
