"""`gpurnn predict` with a model of labels or tags: each line as it was, and its label or tag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from gpurnn.cli.console import warn
from gpurnn.cli.live import source_of, whole_lines, write_all
from gpurnn.cli.told import told_of_rows, told_of_symbols
from gpurnn.data.text.decoding import Losses
from gpurnn.data.told import counted
from gpurnn.exceptions import UsageError
from gpurnn.generation.forms import open_texts
from gpurnn.generation.incoming import incoming_lines, refuse_no_text
from gpurnn.generation.label import LabelModel, TextModel
from gpurnn.generation.labelled_rows import RowPredictions
from gpurnn.generation.labelled_texts import TextPredictions
from gpurnn.generation.leftout import LeftOut
from gpurnn.generation.predict import open_table
from gpurnn.generation.tagged_words import TagPredictions
from gpurnn.generation.texts import Lines
from gpurnn.generation.words import Columns, Spaced
from gpurnn.signals import NOTHING_LOST, noticing
from gpurnn.training.load import Trained


def predict_labels(
    trained: Trained,
    file: str,
    *,
    columns: Sequence[str],
    plain: bool,
    probabilities: bool,
    jsonl: bool,
    skip: bool,
) -> None:
    """Writes the file with its labels or tags. columns: those of the text, or the one of the word."""
    if trained.labelling.columns is not None:
        if plain or columns:
            raise UsageError(f"`{'plain' if plain else 'text_column'}` is for models of texts; this one reads numbers")
        _predict_rows(trained, file, probabilities=probabilities, jsonl=jsonl, skip=skip)
        return
    model, source, left_out, losses = TextModel.of(trained), source_of(file), LeftOut(skip=skip), Losses()
    policy = model.policy
    predictions: TextPredictions | TagPredictions
    with noticing(NOTHING_LOST) as notice:
        blocks = whole_lines(source, notice, partial(refuse_no_text, source.label, policy))
        lines = incoming_lines(blocks, source.label, policy, losses)
        if trained.labelling.what == "labels":
            texts = open_texts(lines, source.label, left_out, columns, plain=plain, on_warning=warn)
            predictions = TextPredictions(model, texts, probabilities=probabilities, jsonl=jsonl)
        else:
            words = _words(lines, source.label, left_out, columns, plain=plain, characters=model.characters)
            predictions = TagPredictions(model, words, source.label, left_out, probabilities=probabilities, jsonl=jsonl)
        try:
            write_all(predictions.lines(), notice)
        finally:
            for line in _told(model, left_out, losses, predictions):
                warn(line)


def _predict_rows(trained: Trained, file: str, *, probabilities: bool, jsonl: bool, skip: bool) -> None:
    """The same of a table of series."""
    source, columns = source_of(file), trained.labelling.columns
    assert columns is not None
    with noticing(NOTHING_LOST) as notice:
        table = open_table(whole_lines(source, notice), source.label, columns, skip=skip)
        predictions = RowPredictions(LabelModel.of(trained), table, probabilities=probabilities, jsonl=jsonl, skip=skip)
        try:
            write_all(predictions.lines(), notice)
        finally:
            if predictions.left_out:
                warn(f"left out {counted(predictions.left_out, 'row')}; the first: {predictions.first}")


def _words(
    lines: Lines, file: str, left_out: LeftOut, columns: Sequence[str], *, plain: bool, characters: bool
) -> Columns | Spaced:
    if plain and columns:
        raise UsageError("`plain` contradicts `text_column`: lines of plain text have no columns")
    if len(columns) > 1:
        raise UsageError("`text_column`: a word stands in one column; give one")
    return Spaced(lines, characters=characters) if plain else Columns(lines, file, left_out, *columns)


def _told(
    model: TextModel, left_out: LeftOut, losses: Losses, predictions: TextPredictions | TagPredictions
) -> Iterator[str]:
    """What a person is told at the end."""
    yield from told_of_rows(left_out)
    if isinstance(predictions, TextPredictions) and predictions.empty:
        texts = counted(predictions.empty, "text")
        yield f"{texts} without a symbol got no label; the first: {predictions.first_empty}"
    yield from told_of_symbols(model.encoder, losses)
