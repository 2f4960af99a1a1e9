"""A table with its forecasts: each row as it was, and after it what is forecast from it, as soon as it has come."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from gpurnn.data.series.columns import Columns
from gpurnn.data.series.durations import in_words, seconds_of
from gpurnn.data.series.form import Form
from gpurnn.data.series.reader import BadRow, Record, TableReader, Wanted
from gpurnn.exceptions import DataError
from gpurnn.generation.forecaster import Forecaster
from gpurnn.generation.later import later_text
from gpurnn.generation.rowsteps import RepeatedRow

REMEDY = "correct the row or leave it out, or give `bad_rows=skip`"
_DIGITS = {4: 6, 8: 11}
"""So many digits below its scale a forecast is written with, by the bytes of a number of the model."""


def open_table(blocks: Iterable[bytes], label: str, columns: Columns, *, skip: bool = False) -> TableReader:
    """What reads rows with the columns that a model was trained on, written in the form they had, or a like one.

    blocks, label, skip: see `TableReader`. Raises DataError where a column is not there.
    """
    wanted = Wanted(columns.time, columns.key, columns.names[: columns.measured])
    return TableReader(blocks, label, wanted, form_of(columns), skip=skip)


def form_of(columns: Columns) -> Form:
    """How the tables were written that columns come from."""
    return Form.from_json(dict(columns.form)) if columns.form else Form()


class Predictions:
    """The lines of a table with forecasts: those of the header, if it has one, and of each row, when it has come.

    Every row comes back with all its cells, then what is forecast, then for each time ahead the time that is meant.
    jsonl: each is a JSON object instead, with the numbers that the model reads as numbers.
    A row with the time of the last one of its series is left out, as `prepare` does, and where that kept only the rows
    on a coarser grid, so are those between.
    skip: whether rows that are none, and other rows that are not after the last one of their series at a multiple of
    the interval, are left out, too; otherwise they raise BadRow.
    left_out: how many were. first: what was wrong with the first of them.
    """

    def __init__(self, forecaster: Forecaster, table: TableReader, *, jsonl: bool = False, skip: bool = False) -> None:
        self._forecaster, self._table, self._jsonl, self._skip = forecaster, table, jsonl, skip
        self._late, self._first_late = 0, ""
        columns = forecaster.forecast.columns
        self._interval, self._phase = columns.interval, form_of(columns).phase
        forecast, config = forecaster.forecast, forecaster.model.config
        marks = [f":{quantile:g}" for quantile in config.quantiles] or [""]
        self._ahead = [(f"+{each}", seconds_of(each, "ahead")) for each in forecast.ahead]
        called, self._time_at = " ".join(forecast.columns.time), [table.header.index(t) for t in forecast.columns.time]
        self.added = [f"{name}{mark}" for name, mark in product(forecast.names, marks)]
        self.times = [f"{called}{ahead}" for ahead, _ in self._ahead]
        digits = _DIGITS[config.real.itemsize]
        places = [max(0, digits - math.floor(math.log10(scale))) for scale in forecast.scale.tolist()]
        self._places = [place for place in places for _ in marks]
        self._width = len(table.header)

    @property
    def left_out(self) -> int:
        """How many rows were left out."""
        return self._late + self._table.skipped

    @property
    def first(self) -> str:
        """What was wrong with a first one of them."""
        return self._table.first_skipped or self._first_late

    def lines(self) -> Iterator[str]:
        """The lines with their ends. Raises BadRow, DataError; GpurnnError: a forecast that is not finite."""
        write = object_writer(self._names()) if self._jsonl else row_writer(self._table.form.delimiter)
        if self._table.has_header and not self._jsonl:
            yield write(self._names())
        numbers = numbers_of(self._table, self._forecaster.forecast.columns) if self._jsonl else {}
        form: Form | None = None
        for record in self._table.records():
            found = self._step(record)
            if found is not None:
                form = form or self._table.form  # which the first row has shown
                yield write(self._row(record, found, numbers, form))

    def _names(self) -> list[str]:
        return [*self._table.header, *self.added, *self.times]

    def _step(self, record: Record) -> np.ndarray | None:
        """What is forecast from a row; None where it is left out."""
        if self._phase is not None and record.time % self._interval != self._phase:
            self._leave_out(record, f"it lies between the rows every {in_words(self._interval)}")
            return None
        try:
            return self._forecaster.step(record.values, record.time, record.key)
        except DataError as error:
            if not self._skip and not isinstance(error, RepeatedRow):
                raise BadRow(f"{self._told(record, str(error))}; {REMEDY}") from None
            self._leave_out(record, str(error))
            return None

    def _leave_out(self, record: Record, why: str) -> None:
        self._late += 1
        self._first_late = self._first_late or self._told(record, why)

    def _told(self, record: Record, why: str) -> str:
        return f"{self._table.label}, line {record.line:,}: {why}"

    def _row(self, record: Record, found: np.ndarray, numbers: dict[int, int], form: Form) -> list[Any]:
        cells: list[Any] = record.cells[: self._width]
        values = found.reshape(-1).tolist()
        rounded = [round(value, place) for value, place in zip(values, self._places, strict=True)]
        if self._jsonl:
            for place, column in numbers.items():
                cells[place] = known(record.values[column].item())
            forecasts: list[Any] = [known(value) for value in rounded]
        else:
            forecasts = [_text(value, form) for value in rounded]
        at = [record.cells[place] for place in self._time_at]
        meant = [later_text(at, record.time + seconds, form) for _, seconds in self._ahead]
        return [*cells, *forecasts, *meant]


def numbers_of(table: TableReader, columns: Columns) -> dict[int, int]:
    """Which of the cells of a table are numbers that the model reads, and of which of its columns."""
    return {table.header.index(name): n for n, name in enumerate(columns.names[: columns.measured])}


def _text(value: float, form: Form) -> str:
    """A number as the table writes numbers; nothing where there is none yet."""
    if value != value:
        return ""
    text = repr(value)
    return text.replace(".", ",") if form.decimal == "comma" else text


def known(value: float) -> float | None:
    """A number for JSON, which has no NaN."""
    return None if value != value else value


def row_writer(delimiter: str) -> Callable[[Sequence[str]], str]:
    """What makes a line of cells; with tabs between them there is no quoting."""
    if delimiter == "\t":
        return lambda cells: "\t".join(cells) + "\n"
    line = io.StringIO()
    writer = csv.writer(line, delimiter=delimiter, lineterminator="\n")

    def write(cells: Sequence[str]) -> str:
        line.seek(0)
        line.truncate()
        writer.writerow(cells)
        return line.getvalue()

    return write


def object_writer(names: Sequence[str]) -> Callable[[Sequence[Any]], str]:
    """What makes a line with a JSON object."""
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode

    def write(cells: Sequence[Any]) -> str:
        return encode(dict(zip(names, cells, strict=True))) + "\n"

    return write
