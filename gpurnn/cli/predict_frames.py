"""`gpurnn predict` with a model of frames: what is heard in a file, in each file of a list, or as frames come."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

from gpurnn.cli.console import warn
from gpurnn.cli.live import source_of, whole_lines, write_all
from gpurnn.cli.told import told_of_rows
from gpurnn.data.frames.files import is_frames
from gpurnn.data.text.decoding import Losses
from gpurnn.data.text.tokens import TextPolicy
from gpurnn.generation.filelists import Files, open_list
from gpurnn.generation.frame_rows import FrameRows, LiveText
from gpurnn.generation.incoming import incoming_lines, refuse_no_text
from gpurnn.generation.leftout import LeftOut
from gpurnn.generation.texts import Texts
from gpurnn.generation.transcripts import FilePredictions, TranscriptModel
from gpurnn.signals import NOTHING_LOST, Notice, noticing
from gpurnn.training.hearing import Hearing
from gpurnn.training.load import Trained

_T = TypeVar("_T")
_POLICY = TextPolicy()


def predict_frames(
    trained: Trained,
    file: str,
    hearing: Hearing,
    *,
    probabilities: bool,
    times: bool,
    jsonl: bool,
    skip: bool,
) -> None:
    """Writes what is heard. file: it has frames, or is a list of such files."""
    model = TranscriptModel(trained, hearing, times=times)
    source, left_out = source_of(file), LeftOut(skip=skip)
    with noticing(NOTHING_LOST) as notice:
        if source.path is not None and is_frames(source.path):
            texts: Texts = Files(iter([(0, file)]), file, left_out)
            folder = Path()
        else:
            blocks = whole_lines(source, notice, partial(refuse_no_text, source.label, _POLICY))
            lines = _until_stopped(incoming_lines(blocks, source.label, _POLICY, Losses()), notice)
            texts = open_list(lines, source.label, left_out)
            folder = Path() if source.path is None else source.path.parent
        predictions = FilePredictions(model, texts, folder, scores=probabilities, times=times, jsonl=jsonl)
        try:
            write_all(_until_stopped(predictions.lines(), notice), notice)
        finally:
            for line in told_of_rows(left_out):
                warn(line)


def predict_rows(trained: Trained, file: str, *, skip: bool) -> None:
    """Writes what is heard as frames come, a line of numbers each."""
    source, left_out = source_of(file), LeftOut(skip=skip)
    text = LiveText(trained.model, trained.transcription)
    with noticing(NOTHING_LOST) as notice:
        lines = incoming_lines(whole_lines(source, notice), source.label, _POLICY, Losses())
        rows = FrameRows(text, lines, source.label, left_out, trained.transcription.form.width)
        try:
            write_all(rows.lines(), notice)
        finally:
            for line in told_of_rows(left_out):
                warn(line)


def _until_stopped(items: Iterator[_T], notice: Notice) -> Iterator[_T]:
    """No more of them after a signal: a list may name hours of sound."""
    return takewhile(lambda item: notice.came is None, items)
