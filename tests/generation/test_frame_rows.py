"""Frames as they come, beside a window of all frames of a text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.data.frames.files import spliced
from gpurnn.data.frames.form import FrameForm
from gpurnn.data.frames.transcription import Transcription
from gpurnn.data.series.reader import BadRow
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.exceptions import GpurnnError, UsageError
from gpurnn.generation.frame_rows import FrameRows, LiveText
from gpurnn.generation.leftout import LeftOut
from gpurnn.network import Model
from tests.framemodels import WIDTH, frames_of, heard_by


def whole(model: Model, transcription: Transcription, frames: np.ndarray) -> str:
    """What is heard in a window of all frames of a text."""
    form, be = transcription.form, model.be
    seen = spliced(frames, form, Path("frames")).copy()
    transcription.columns.scaled(seen, seen)
    ws, state = model.workspace(1, len(seen), train=False), model.state(1)
    model.begin(state)
    be.from_host(seen.astype(np.float64), out=ws.batch.reals)
    ws.batch.carry.fill(1)
    ws.batch.begin(len(seen), None)
    model.forward(ws, state)
    labels = [label for label, _ in groupby(be.to_host(ws.o).argmax(axis=1).tolist())]
    return transcription.text_of(label for label in labels if label != transcription.blank)


def lines_of(*rows: str) -> Iterator[tuple[int, str] | None]:
    for number, row in enumerate(rows, 1):
        yield number, f"{row}\n"
        yield None


def written(frames: np.ndarray, between: str = ",") -> list[str]:
    return [between.join(map(repr, frame)) for frame in frames.tolist()]


@pytest.mark.parametrize(("splice", "skip"), [(0, 1), (2, 1), (0, 3), (3, 2)])
def test_texts_are_those_of_windows_of_all_their_frames(be: Backend, splice: int, skip: int) -> None:
    model, transcription = heard_by(be, form=FrameForm("arrays", WIDTH, splice=splice, skip=skip))
    live = LiveText(model, transcription)
    found = [("".join(map(live.push, frames)) + live.end(), frames) for frames in frames_of(25)]
    assert [text for text, _ in found] == [whole(model, transcription, frames) for _, frames in found]
    assert len({text for text, _ in found}) > 5


def test_each_symbol_comes_as_soon_as_it_is_heard() -> None:
    model, transcription = heard_by(backend.get("cpu"), form=FrameForm("arrays", WIDTH, splice=1))
    live, frames = LiveText(model, transcription), frames_of(20)[-1]
    heard = ""
    for number, frame in enumerate(frames):
        heard += live.push(frame)
        assert heard == (whole(model, transcription, frames[: number + 1])[: len(heard)] if heard else "")
        assert number == 0 or len(whole(model, transcription, frames[: number + 1])) - len(heard) in (0, 1)


@pytest.mark.parametrize("between", [",", "\t", " ", "; "])
def test_lines_of_numbers_become_lines_of_text(between: str) -> None:
    model, transcription = heard_by(backend.get("cpu"))
    texts = frames_of(12)[6:]
    rows = [row for frames in texts for row in (*written(frames, between), "", "")][:-2]
    left_out = LeftOut(skip=False)
    found = FrameRows(LiveText(model, transcription), lines_of(*rows), "pipe", left_out, WIDTH).lines()
    expected = [whole(model, transcription, frames).replace("\n", " ") for frames in texts]
    assert "".join(found).split("\n") == [*expected, ""]


def test_words_have_spaces_between_them() -> None:
    model, transcription = heard_by(backend.get("cpu"), Vocabulary("words", ["yes", "no"]))
    frames = frames_of(30)[-1]
    (line,) = "".join(
        FrameRows(
            LiveText(model, transcription), lines_of(*written(frames)), "pipe", LeftOut(skip=False), WIDTH
        ).lines()
    ).splitlines()
    assert line == whole(model, transcription, frames)
    assert " " in line


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("1,2", "expected 3 numbers, found 2"),
        ("1,2,x", "expected numbers; could not convert string to float: 'x'"),
        ("1,2," + "x" * 99, "expected numbers; could not convert string to float: '" + "x" * 44),
        ("1,nan,3", "number 2 is nan, expected a finite one"),
        ("1,2,1e99", "number 3 is 1e99, expected a finite one"),
    ],
)
def test_rows_that_are_none(row: str, error: str) -> None:
    model, transcription = heard_by(backend.get("cpu"))
    live, frames = LiveText(model, transcription), frames_of(20)[-1]
    rows = written(frames)
    rows.insert(2, row)
    with pytest.raises(BadRow, match=f"^pipe, line 3: {error}; `bad_rows=skip` leaves such rows out$"):
        list(FrameRows(live, lines_of(*rows), "pipe", LeftOut(skip=False), WIDTH).lines())
    live.end()
    left_out = LeftOut(skip=True)
    found = "".join(FrameRows(live, lines_of(*rows), "pipe", left_out, WIDTH).lines())
    assert found == whole(model, transcription, frames).replace("\n", " ") + "\n"
    assert (left_out.count, left_out.first) == (1, f"pipe, line 3: {error}")


def test_a_model_of_both_directions_is_refused() -> None:
    model, transcription = heard_by(backend.get("cpu"), stack=("both_directions",), start="zero")
    with pytest.raises(UsageError, match="`rows`: the model reads in both directions"):
        LiveText(model, transcription)


def test_a_model_that_has_diverged() -> None:
    model, transcription = heard_by(backend.get("cpu"))
    model.params.value["output.c"][...] = np.nan
    with pytest.raises(GpurnnError, match="has diverged"):
        LiveText(model, transcription).push(np.zeros(WIDTH, np.float32))
