"""A table of series with labels or tags: each row as it was, and the label of its series or the tag of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gpurnn.data.series.columns import Columns
from gpurnn.data.series.durations import in_words
from gpurnn.data.series.reader import BadRow, Record, TableReader
from gpurnn.exceptions import DataError
from gpurnn.generation.inorder import batches, chunks
from gpurnn.generation.label import Found, LabelModel
from gpurnn.generation.labelled_texts import DIGITS
from gpurnn.generation.predict import REMEDY, form_of, known, numbers_of, object_writer, row_writer
from gpurnn.generation.rowsteps import RepeatedRow, RowSteps
from gpurnn.generation.stretches import Stretches

_AT_ONCE = 1 << 16
"""About so many rows are dealt with at once, and at least those of one series."""


class RowTagger(RowSteps):
    """Tags rows as they come, of any number of series, with a model whose windows go through them."""

    def __init__(self, model: LabelModel, columns: Columns) -> None:
        super().__init__(model.model, columns)
        self._labels = model

    def tag(self, record: Record) -> Found:
        """Raises DataError, and changes nothing, as `Forecaster.step`; GpurnnError for what is not finite."""
        _, outputs = self._outputs(record.values, record.time if self.columns.time else None, record.key)
        shares = np.exp(outputs[0].astype(np.float64) - outputs.max())
        return self._labels.found(shares / shares.sum())


class RowPredictions:
    """The lines of a table with labels or tags: those of the header, if it has one, and of each row.

    Of a model of tags that goes through series each row is answered when it has come. Otherwise the rows of a series
    have to be together, and are answered with it; a label of several stretches is the one that is likeliest on average.
    probabilities, jsonl: as of texts. skip: as of forecasts; so are left_out and first.
    """

    def __init__(
        self,
        model: LabelModel,
        table: TableReader,
        *,
        probabilities: bool = False,
        jsonl: bool = False,
        skip: bool = False,
    ) -> None:
        columns = model.labelling.columns
        assert columns is not None
        self._model, self._table, self._columns = model, table, columns
        self._probabilities, self._json, self._skip = probabilities, jsonl, skip
        self._phase = form_of(columns).phase
        self._late, self._first_late = 0, ""
        second = ["probabilities" if jsonl else "probability"] if probabilities else []
        self._names = [*table.header, *map(self._free, [model.labelling.what.removesuffix("s"), *second])]

    def _free(self, name: str) -> str:
        while name in self._table.header:
            name = f"predicted_{name}"
        return name

    @property
    def left_out(self) -> int:
        """How many rows were left out."""
        return self._late + self._table.skipped

    @property
    def first(self) -> str:
        """What was wrong with a first one of them."""
        return self._table.first_skipped or self._first_late

    def lines(self) -> Iterator[str]:
        """Whole lines with their ends. Raises BadRow, DataError, GpurnnError."""
        write = object_writer(self._names) if self._json else row_writer(self._table.form.delimiter)
        if self._table.has_header and not self._json:
            yield write(self._names)
        numbers = numbers_of(self._table, self._columns) if self._json else {}
        if self._model.through and self._model.labelling.what == "tags":
            yield from (write(self._row(record, found, numbers)) for record, found in self._at_once())
            return
        for batch in batches(self._series(), lambda each: each.steps, _AT_ONCE):
            yield from chunks(write(self._row(record, found, numbers)) for record, found in self._together(batch))

    def _at_once(self) -> Iterator[tuple[Record, Found]]:
        tagger = RowTagger(self._model, self._columns)
        for record in self._records():
            try:
                yield record, tagger.tag(record)
            except DataError as error:
                self._late_row(record, error)

    def _records(self) -> Iterator[Record]:
        """The rows that the model reads; where it was made with those of a coarser grid, those on it."""
        for record in self._table.records():
            if self._phase is None or record.time % self._columns.interval == self._phase:
                yield record
            else:
                self._leave_out(record, f"it lies between the rows every {in_words(self._columns.interval)}")

    def _series(self) -> Iterator[Stretches]:
        """The rows of each series, once they are all there."""
        now: Stretches | None = None
        before: set[str] = set()
        for record in self._records():
            if now is None or record.key != now.key:
                if record.key in before:
                    raise DataError(f"{self._told(record, f'rows of {record.key!r:.40} stood before others')}; {_SORT}")
                if now is not None:
                    yield now
                before.add(record.key)
                now = Stretches(self._columns, record.key)
            try:
                now.add(record)
            except DataError as error:
                self._late_row(record, error)
        if now is not None:
            yield now

    def _together(self, batch: list[Stretches]) -> Iterator[tuple[Record, Found]]:
        sequences = [each.sequences() for each in batch]
        self._expect_fit(batch)
        flat = (rows for each in sequences for rows in each)
        if self._model.labelling.what == "tags":
            tags = self._model.steps(flat)
            for series, own in zip(batch, sequences, strict=True):
                of_each = [next(tags) for _ in own]
                yield from ((r, of_each[n][step]) for r, (n, step) in zip(series.records, series.places, strict=True))
            return
        labels = self._model.labels(flat)
        for series, own in zip(batch, sequences, strict=True):
            if own:
                found = self._model.found(np.mean([next(labels).probabilities for _ in own], axis=0))
                yield from ((record, found) for record in series.records)

    def _expect_fit(self, batch: list[Stretches]) -> None:
        most = self._model.longest
        for series in batch:
            if most is not None and series.longest > most:
                place = self._told(series.records[0], f"{series.longest:,} rows follow each other")
                raise DataError(f"{place}, the model reads at most {most:,}; train with `cut`, or `layout=through`")

    def _late_row(self, record: Record, error: DataError) -> None:
        if not self._skip and not isinstance(error, RepeatedRow):
            raise BadRow(f"{self._told(record, str(error))}; {REMEDY}") from None
        self._leave_out(record, str(error))

    def _leave_out(self, record: Record, why: str) -> None:
        self._late += 1
        self._first_late = self._first_late or self._told(record, why)

    def _told(self, record: Record, why: str) -> str:
        return f"{self._table.label}, line {record.line:,}: {why}"

    def _row(self, record: Record, found: Found, numbers: dict[int, int]) -> list[Any]:
        cells: list[Any] = record.cells[: len(self._table.header)]
        for place, column in numbers.items():
            cells[place] = known(record.values[column].item())
        if not self._probabilities:
            return [*cells, found.label]
        if self._json:
            return [*cells, found.label, {k: round(p, DIGITS) for k, p in self._model.by_label(found).items()}]
        return [*cells, found.label, f"{found.probability:.{DIGITS}f}"]


_SORT = "sort the table, so that rows of a series are together"
