"""What is heard in files: where in a sound, and no more of a list at a time than has to be."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.data.frames.form import FrameForm
from gpurnn.exceptions import DataError
from gpurnn.generation.filelists import open_list
from gpurnn.generation.leftout import LeftOut
from gpurnn.generation.transcripts import FilePredictions, TranscriptModel
from gpurnn.training.alignments import first_frames
from gpurnn.training.config import TrainConfig
from gpurnn.training.hearing import Hearing
from gpurnn.training.load import Trained
from gpurnn.training.transcriber import Transcriber
from tests.framemodels import LETTERS, PLAIN, WIDTH, frames_of, heard_by

SOUND = FrameForm("sound", WIDTH, rate=8000, window=0.025, step=0.01, skip=3)


def trained_on(be: Backend, form: FrameForm = PLAIN, **settings: Any) -> Trained:
    model, transcription = heard_by(be, form=form, **settings)
    nowhere: Any = None
    return Trained(model, transcription, TrainConfig(model.config, bptt=50), nowhere)


@pytest.mark.parametrize(("form", "unit"), [(PLAIN, 1), (SOUND, 0.03)])
def test_where_symbols_begin(be: Backend, form: FrameForm, unit: float) -> None:
    trained, sequences = trained_on(be, form), frames_of(25)
    scaled = [np.empty_like(frames) for frames in sequences]
    for frames, out in zip(sequences, scaled, strict=True):
        trained.transcription.columns.scaled(frames, out)
    logs = Transcriber(trained.model, trained.config).log_probabilities(scaled)
    found = TranscriptModel(trained, Hearing(len(LETTERS)), times=True).transcripts(sequences)
    longest = 0
    for each, (transcript,) in zip(logs, found, strict=True):
        runs = [
            (label, [at for at, _ in run]) for label, run in groupby(enumerate(each.argmax(axis=1)), lambda x: x[1])
        ]
        heard = [(LETTERS.symbols[label], run[0] * unit) for label, run in runs if label != len(LETTERS)]
        assert transcript.text == "".join(str(symbol) for symbol, _ in heard)
        assert transcript.times == pytest.approx([time for _, time in heard])
        longest = max(longest, len(heard))
    assert longest > 3


def test_symbols_of_a_text_that_is_not_the_likeliest_begin_in_its_best_alignment() -> None:
    trained, sequences = trained_on(backend.get("cpu")), frames_of(12)
    scaled = [np.empty_like(frames) for frames in sequences]
    for frames, out in zip(sequences, scaled, strict=True):
        trained.transcription.columns.scaled(frames, out)
    logs = Transcriber(trained.model, trained.config).log_probabilities(scaled)
    model = TranscriptModel(trained, Hearing(len(LETTERS), beam=6, n_best=3), times=True)
    for each, found in zip(logs, model.transcripts(sequences), strict=True):
        for transcript in found:
            assert transcript.times == first_frames(each, LETTERS.encode(transcript.text)).tolist()


def test_a_list_without_end_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpurnn.generation.transcripts._AT_ONCE", 1000)
    np.save(tmp_path / "some.npy", frames_of(20)[-1])
    taken = 0

    def endless() -> Iterator[tuple[int, str] | None]:
        nonlocal taken
        while True:
            taken += 1
            yield taken, "some.npy\n"

    texts = open_list(endless(), "list", LeftOut(skip=False))
    model = TranscriptModel(trained_on(backend.get("cpu")), Hearing(len(LETTERS), beam=2))
    lines = FilePredictions(model, texts, tmp_path).lines()
    first, second = next(lines), next(lines)
    assert first == second and first.count("\n") == taken / 2 < 40


def test_what_came_before_a_line_that_is_wrong_is_answered(tmp_path: Path) -> None:
    np.save(tmp_path / "some.npy", frames_of(20)[-1])
    lines = iter([(1, '{"frames": "some.npy"}\n'), (2, '{"file": "some.npy"}\n')])
    texts = open_list(lines, "list", LeftOut(skip=False))
    model = TranscriptModel(trained_on(backend.get("cpu")), Hearing(len(LETTERS)))
    predictions = FilePredictions(model, texts, tmp_path).lines()
    assert next(predictions).startswith('{"frames": "some.npy", "text": ')
    with pytest.raises(DataError, match="line 2: it names no file as frames, path or audio_filepath; it has file"):
        next(predictions)


def test_a_file_that_is_too_long_for_a_model_is_a_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpurnn.training.labeller.LONGEST", 100)
    for name, frames in (("long", 101), ("short", 100)):
        np.save(tmp_path / f"{name}.npy", np.zeros((frames, WIDTH)))
    left_out = LeftOut(skip=True)
    texts = open_list(iter([(1, "long.npy\n"), (2, "short.npy\n")]), "list", left_out)
    trained = trained_on(backend.get("cpu"), stack=("both_directions",), start="zero")
    lines = list(FilePredictions(TranscriptModel(trained, Hearing(len(LETTERS))), texts, tmp_path).lines())
    assert [line.split("\t")[0] for line in lines] == ["short.npy"]
    told = f"{tmp_path}/long.npy: it has 101 frames, the model reads at most 100; cut it into parts"
    assert left_out.first == f"list, line 1: {told}"


def test_what_a_model_says_of_a_sequence_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpurnn.generation.transcripts._OUTPUTS", 50 * (len(LETTERS) + 1))
    model = TranscriptModel(trained_on(backend.get("cpu")), Hearing(len(LETTERS)))
    assert len(model.fitting(np.zeros((50, WIDTH), np.float32), "some.npy")) == 50
    with pytest.raises(DataError, match=r"some\.npy: it has 51 frames, the model reads at most 50; cut it into parts"):
        model.fitting(np.zeros((51, WIDTH), np.float32), "some.npy")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"frames": "a\\nb.npy"}\n', "the path 'a\\nb.npy' has a line end or a zero byte; correct it"),
        ('{"frames": " "}\n', "the path is empty; give it one, or leave the line out"),
    ],
)
def test_a_path_that_can_be_none_is_one_line(line: str, told: str) -> None:
    left_out = LeftOut(skip=True)
    assert not list(open_list(iter([(1, line)]), "list.jsonl", left_out).rows())
    assert left_out.first == f"list.jsonl, line 1: {told}"


def test_a_table_whose_name_says_so_has_no_objects() -> None:
    rows = open_list(iter([(1, "{a}.npy\ttext\n")]), "list.tsv", LeftOut(skip=False)).rows()
    assert [row.text for row in rows if row] == ["{a}.npy"]
