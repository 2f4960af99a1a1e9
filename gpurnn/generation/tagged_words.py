"""A file of words with their tags: each line as it was, and its word's tag, once its sentence is whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from gpurnn.data.labelled.lines import Place
from gpurnn.exceptions import DataError
from gpurnn.generation.inorder import batches, chunks, until_failure
from gpurnn.generation.label import Found, TextModel
from gpurnn.generation.labelled_texts import DIGITS
from gpurnn.generation.leftout import LeftOut
from gpurnn.generation.words import Columns, Sentence, Spaced

_AT_ONCE = 1 << 15
"""About so many words are dealt with at once."""
_encoded = json.JSONEncoder(ensure_ascii=False).encode


class TagPredictions:
    """The lines of a file of words with their tags; comments and blank lines stay where they are.

    probabilities: whether the probability of each tag is there, too, or those of all tags in JSON. jsonl: whether there
    is a JSON object for each sentence instead.
    """

    def __init__(
        self,
        model: TextModel,
        words: Columns | Spaced,
        file: str,
        left_out: LeftOut,
        *,
        probabilities: bool = False,
        jsonl: bool = False,
    ) -> None:
        self._model, self._words, self._file, self._left_out = model, words, file, left_out
        self._probabilities, self._json = probabilities, jsonl

    def lines(self) -> Iterator[str]:
        """Whole lines with their ends, several at once. Raises BadRow, DataError, GpurnnError."""
        for batch in batches(self._words.sentences(), lambda sentence: len(sentence.words) + 1, _AT_ONCE):
            yield from chunks(self._tagged(batch))

    def _tagged(self, sentences: list[Sentence]) -> Iterator[str]:
        real = [sentence for sentence in sentences if sentence.words]
        symbols = iter(self._model.encoder.sentences([sentence.words for sentence in real]))
        given = [(each, next(symbols) if each.words else None) for each in sentences]
        failed: list[DataError] = []
        fitting = ((each, ids) for each, ids in given if ids is None or self._fits(each, len(ids)))
        kept = list(until_failure(fitting, failed))
        read = [(each.words, ids) for each, ids in kept if ids is not None]
        found = self._model.words([words for words, _ in read], (ids for _, ids in read))
        for each, ids in kept:
            tags = [] if ids is None else next(found)
            yield self._object(each, tags) if self._json else "".join(self._lines(each, tags))
        if failed:
            raise failed[0]

    def _fits(self, sentence: Sentence, symbols: int) -> bool:
        """Whether a sentence is no longer than a window; one that is not is left out. Raises BadRow."""
        most = self._model.longest
        if most is None or symbols <= most:
            return True
        self._left_out.add(
            f"{Place(self._file, sentence.line)}: the sentence has {symbols:,} symbols, the model reads at most "
            f"{most:,}; part it with a blank line, or train with `cut`"
        )
        return False

    def _lines(self, sentence: Sentence, tags: list[Found]) -> Iterator[str]:
        between = self._words.between
        for before, raw, found in zip(sentence.before, sentence.raw, tags, strict=False):
            shown = f"{between}{found.probability:.{DIGITS}f}" if self._probabilities else ""
            yield f"{before}{raw}{between}{found.label}{shown}\n"
        yield sentence.before[-1]

    def _object(self, sentence: Sentence, tags: list[Found]) -> str:
        if not tags:
            return ""
        found: dict[str, Any] = {"words": sentence.words, "tags": [each.label for each in tags]}
        if self._probabilities:
            by_label = map(self._model.by_label, tags)
            found["probabilities"] = [{tag: round(share, DIGITS) for tag, share in each.items()} for each in by_label]
        return _encoded(found) + "\n"
