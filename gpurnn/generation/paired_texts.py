"""A file of sources with what a model makes of them: each line as it was, and its text, as soon as no more waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gpurnn.data.labelled.lines import Place, without_end
from gpurnn.exceptions import DataError
from gpurnn.generation.inorder import batches, chunks, until_failure
from gpurnn.generation.pairs import LONGEST, Made, PairModel
from gpurnn.generation.texts import Plain, Row, Texts

SOURCE, TARGET, SCORE, ALIGNMENT = "source", "target", "log_probability", "alignment"
_AT_ONCE = 1 << 16
"""About so many characters are dealt with at once."""
_DIGITS = 6
"""Of scores."""
BREAKS = str.maketrans("\t\n\r", "   ")
"""Of a text in a line: what would end its cell or the line becomes a space."""


class Sources(Plain):
    """Lines that are a source each."""

    def rows(self) -> Iterator[Row | None]:
        """See `Texts`."""
        for each in self._lines:
            yield None if each is None else Row(each[0], raw := without_end(each[1]), raw)

    def joined(self, raw: str, added: Sequence[str]) -> str:
        """What is added stands behind the source."""
        return "\t".join((raw, *added))

    def fields(self, row: Row) -> dict[str, Any]:
        """See `Texts`."""
        return {SOURCE: row.text}


class PairPredictions:
    """The lines of a file of sources with what is made of them.

    scores: whether the logarithm of the probability of each is there, too. alignment: whether it is said from which
    symbol of the source each symbol comes: pairs of numbers from 0, source-target; in JSON those of the source. jsonl:
    whether each line is a JSON object whatever the file is. Of a source without a symbol nothing is made.
    Where several texts of a source are handed on, its line comes so often. A break of a line in a text becomes a space,
    but not in JSON.
    empty, cut: how many sources had no symbol, and how many texts came to no end; first_empty, first_cut: where the
    first of them is.
    """

    def __init__(
        self, model: PairModel, texts: Texts, *, scores: bool = False, alignment: bool = False, jsonl: bool = False
    ) -> None:
        self._model, self._texts = model, texts
        self._names = [TARGET, *([SCORE] if scores else ()), *([ALIGNMENT] if alignment else ())]
        self._json = jsonl or texts.json
        self.empty, self.first_empty = 0, ""
        self.cut, self.first_cut = 0, ""

    def lines(self) -> Iterator[str]:
        """Whole lines with their ends, several at once. Raises BadRow, DataError, GpurnnError."""
        texts = self._texts
        header = texts.header()
        if header is not None and not self._json:
            yield texts.joined(header, [texts.free(name) for name in self._names]) + "\n"
        for batch in batches(texts.rows(), lambda row: len(row.text) + 1, _AT_ONCE):
            yield from chunks(self._paired(batch))

    def _paired(self, rows: list[Row]) -> Iterator[str]:
        assert self._model.encoder is not None
        given = zip(
            rows, self._model.encoder.texts([row.text if row.text.strip() else "" for row in rows]), strict=True
        )
        failed: list[DataError] = []
        kept = list(until_failure(((row, each) for row, each in given if self._fits(row, len(each))), failed))
        found = self._model.made(each for _, each in kept if len(each))
        for row, each in kept:
            place = str(Place(self._texts.file, row.line))
            if not len(each):
                self.empty += 1
                self.first_empty = self.first_empty or place
            made: list[Made | None] = [*next(found)] if len(each) else [None]
            for one in made:
                if one is not None and not one.ended:
                    self.cut += 1
                    self.first_cut = self.first_cut or place
                yield self._line(row, one) + "\n"
        if failed:
            raise failed[0]

    def _fits(self, row: Row, symbols: int) -> bool:
        """Whether a source is not too long; one that is is left out. Raises BadRow."""
        if symbols <= LONGEST:
            return True
        self._texts.left_out.add(
            f"{Place(self._texts.file, row.line)}: the source has {symbols:,} symbols, at most {LONGEST:,} are read; "
            "shorten it"
        )
        return False

    def _line(self, row: Row, made: Made | None) -> str:
        if self._json:
            return self._texts.object(
                row, {name: None if made is None else value_of(made, name) for name in self._names}
            )
        return self._texts.joined(row.raw, ["" if made is None else shown(made, name) for name in self._names])


def value_of(made: Made, name: str) -> Any:
    """What JSON says of a text under one of the names."""
    if name == TARGET:
        return made.text
    return round(made.score, _DIGITS) if name == SCORE else made.attended


def shown(made: Made, name: str) -> str:
    """The same in a cell."""
    if name == TARGET:
        return made.text.translate(BREAKS)
    if name == SCORE:
        return f"{made.score:.{_DIGITS}f}"
    return " ".join(f"{place}-{number}" for number, place in enumerate(made.attended or ()))
