"""`gpurnn predict` with a model of pairs, each line as it was and what is made of it, or of captions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from gpurnn.cli.console import warn
from gpurnn.cli.live import source_of, whole_lines, write_all
from gpurnn.cli.told import told_of_rows, told_of_symbols
from gpurnn.data.text.decoding import Losses
from gpurnn.data.told import counted
from gpurnn.exceptions import UsageError
from gpurnn.generation.captions import CaptionPredictions
from gpurnn.generation.forms import open_texts
from gpurnn.generation.incoming import incoming_lines, refuse_no_text
from gpurnn.generation.leftout import LeftOut
from gpurnn.generation.paired_texts import SOURCE, PairPredictions, Sources
from gpurnn.generation.pairs import PairModel
from gpurnn.signals import NOTHING_LOST, noticing


def predict_pairs(
    model: PairModel,
    file: str,
    *,
    columns: Sequence[str],
    plain: bool,
    probabilities: bool,
    alignment: bool,
    jsonl: bool,
    skip: bool,
) -> None:
    """Writes the file with what is made of its sources. columns: those of the source."""
    source, left_out, losses, policy = source_of(file), LeftOut(skip=skip), Losses(), model.language.policy
    with noticing(NOTHING_LOST) as notice:
        blocks = whole_lines(source, notice, partial(refuse_no_text, source.label, policy))
        lines = incoming_lines(blocks, source.label, policy, losses)
        texts = open_texts(
            lines, source.label, left_out, columns, plain=plain, usual=SOURCE, of_lines=Sources, on_warning=warn
        )
        predictions = PairPredictions(model, texts, scores=probabilities, alignment=alignment, jsonl=jsonl)
        try:
            write_all(predictions.lines(), notice)
        finally:
            for line in _told(model, left_out, losses, predictions):
                warn(line)


def predict_captions(model: PairModel, file: str, *, probabilities: bool, jsonl: bool) -> None:
    """Writes what is made of each vector of a file."""
    if file == "-":
        raise UsageError("captions are made of the vectors of a .npy file, not of standard input; give its name")
    predictions = CaptionPredictions(model, Path(file), scores=probabilities, jsonl=jsonl)
    with noticing(NOTHING_LOST) as notice:
        try:
            write_all(predictions.lines(), notice)
        finally:
            for line in _told_of_cuts(predictions):
                warn(line)


def _told(model: PairModel, left_out: LeftOut, losses: Losses, predictions: PairPredictions) -> Iterator[str]:
    """What a person is told at the end."""
    yield from told_of_rows(left_out)
    if predictions.empty:
        sources = counted(predictions.empty, "source")
        yield f"of {sources} without a symbol nothing was made; the first: {predictions.first_empty}"
    yield from _told_of_cuts(predictions)
    assert model.encoder is not None
    if model.encoder.lacking and not model.encoder.stand_in:
        symbols = counted(model.encoder.lacking, "symbol")
        yield f"{symbols} that the model has not met, such as {model.encoder.first:.60}, were read as unknown"
    yield from told_of_symbols(model.encoder, losses)


def _told_of_cuts(predictions: PairPredictions | CaptionPredictions) -> Iterator[str]:
    if predictions.cut:
        yield f"cut {counted(predictions.cut, 'text')} that came to no end; the first: {predictions.first_cut}"
