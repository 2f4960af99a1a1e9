"""A file of texts with their labels: each line as it was, and its label, as soon as no more waits to be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gpurnn.data.labelled.lines import Place
from gpurnn.exceptions import DataError
from gpurnn.generation.inorder import batches, chunks, until_failure
from gpurnn.generation.label import Found, TextModel
from gpurnn.generation.texts import Row, Texts

AT_ONCE = {"chars": 1 << 17, "bytes": 1 << 17, "words": 1 << 19}
"""About so many characters are dealt with at once, by what a symbol is."""
DIGITS = 6
"""Of probabilities."""


class TextPredictions:
    """The lines of a file of texts with their labels.

    probabilities: whether that of the label is there, too, or those of all labels in JSON. jsonl: whether each line is
    a JSON object whatever the file is. A text that is empty has no label: nothing stands there, null in JSON.
    empty: how many were. first_empty: where the first of them is.
    """

    def __init__(self, model: TextModel, texts: Texts, *, probabilities: bool = False, jsonl: bool = False) -> None:
        self._model, self._texts, self._probabilities = model, texts, probabilities
        self._json = jsonl or texts.json
        self.empty, self.first_empty = 0, ""

    def lines(self) -> Iterator[str]:
        """Whole lines with their ends, several at once. Raises BadRow, DataError, GpurnnError."""
        texts = self._texts
        header = texts.header()
        if header is not None and not self._json:
            names = ["label", "probability"] if self._probabilities else ["label"]
            yield texts.joined(header, [texts.free(name) for name in names]) + "\n"
        vocabulary = self._model.labelling.vocabulary
        assert vocabulary is not None
        for batch in batches(texts.rows(), lambda row: len(row.text) + 1, AT_ONCE[vocabulary.kind]):
            yield from chunks(self._labelled(batch))

    def _labelled(self, rows: list[Row]) -> Iterator[str]:
        symbols = self._model.encoder.texts([row.text if row.text.strip() else "" for row in rows])
        given = zip(rows, symbols, strict=True)
        failed: list[DataError] = []
        kept = list(until_failure(((row, each) for row, each in given if self._fits(row, len(each))), failed))
        found = self._model.labels(each for _, each in kept if len(each))
        for row, each in kept:
            if not len(each):
                self.empty += 1
                self.first_empty = self.first_empty or str(Place(self._texts.file, row.line))
            yield self._line(row, next(found) if len(each) else None) + "\n"
        if failed:
            raise failed[0]

    def _fits(self, row: Row, symbols: int) -> bool:
        """Whether a text is no longer than a window; one that is not is left out. Raises BadRow."""
        most = self._model.longest
        if most is None or symbols <= most:
            return True
        self._texts.left_out.add(
            f"{Place(self._texts.file, row.line)}: the text has {symbols:,} symbols, the model reads at most {most:,}; "
            "shorten it, or train with `cut`"
        )
        return False

    def _line(self, row: Row, found: Found | None) -> str:
        if self._json:
            return self._object(row, found)
        added = ["" if found is None else found.label]
        if self._probabilities:
            added.append("" if found is None else f"{found.probability:.{DIGITS}f}")
        return self._texts.joined(row.raw, added)

    def _object(self, row: Row, found: Found | None) -> str:
        more: dict[str, Any] = {"label": None if found is None else found.label}
        if self._probabilities:
            shares = None if found is None else self._model.by_label(found)
            more["probabilities"] = shares and {label: round(share, DIGITS) for label, share in shares.items()}
        return self._texts.object(row, more)
