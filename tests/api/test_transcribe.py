"""`gpurnn.load(run).transcribe`: texts of frames out of files and arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpurnn
from gpurnn import backend
from gpurnn.data.frames.form import FrameForm
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.exceptions import DataError, GpurnnError, UsageError
from gpurnn.generation.transcripts import TranscriptModel
from gpurnn.training.config import TrainConfig
from gpurnn.training.hearing import Hearing
from gpurnn.training.load import load_trained
from gpurnn.training.model_file import write_model
from tests.framemodels import WIDTH, frames_of, heard_by
from tests.trained import documents, make_corpus, make_run, refuse

LABELS = Vocabulary("chars", "tide so")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, heard, of frames that are spliced and skipped, files with frames, and a run of text, lm."""
    made = tmp_path_factory.mktemp("frames")
    be = backend.get("cpu")
    model, transcription = heard_by(be, LABELS, FrameForm("arrays", WIDTH, splice=1, skip=2))
    write_model(made / "heard", model, transcription, TrainConfig(model.config))
    for number, frames in enumerate(frames_of(20)):
        np.save(made / f"{number}.npy", frames)
    make_run(be, make_corpus(made / "lm.h5", documents(40)), made / "lm")
    return made


def expected(folder: Path, *, times: bool = False, **settings: Any) -> list[list[tuple[Any, ...]]]:
    trained = load_trained(folder / "heard", backend.get("cpu"))
    model = TranscriptModel(trained, Hearing.of(trained, on_warning=refuse, **settings), times=times)
    sequences = [model.read(folder / f"{number}.npy") for number in range(20)]
    return [[tuple(each) for each in found] for found in model.transcripts(sequences)]


def test_files_and_arrays_become_texts(folder: Path) -> None:
    model = gpurnn.load(folder / "heard", device="cpu")
    texts = [found[0][0] for found in expected(folder)]
    assert len(set(texts)) > 5
    assert model.transcribe([folder / f"{number}.npy" for number in range(20)]) == texts
    assert model.transcribe(np.load(folder / f"{number}.npy").tolist() for number in range(20)) == texts


@pytest.mark.parametrize(
    "settings",
    [
        {"beam": 3, "n_best": 2},
        {"lm": "lm", "lm_weight": 2.0, "n_best": 3},
        {"lm": "lm", "words": ["tide", "so", "it", "do"]},
        {"times": True},
        {"times": True, "beam": 4, "n_best": 2},
    ],
)
def test_what_is_asked_for(folder: Path, settings: dict[str, Any]) -> None:
    settings = settings | ({"lm": folder / settings["lm"]} if "lm" in settings else {})
    wanted = expected(folder, **settings)
    found = gpurnn.load(folder / "heard", device="cpu").transcribe(frames_of(20), **settings)
    if "n_best" not in settings:
        wanted_alone = [(text, times) if "times" in settings else text for ((text, _, times),) in wanted]
        assert found == wanted_alone
    else:
        count = 3 if "times" in settings else 2
        assert found == [[each[:count] for each in several] for several in wanted]


@pytest.mark.parametrize(
    ("inputs", "settings", "kind", "error"),
    [
        ("some.npy", {}, UsageError, "inputs: expected a list, an array or a path for each text, found 'some.npy'"),
        (["no.npy"], {}, DataError, "no.npy: cannot read the frames"),
        ([np.zeros((2, 9))], {}, UsageError, r"inputs: number 0 .*expected frames, \(n, 3\), found \(2, 9\)"),
        ([np.zeros((2, 3)), [[1, "x", 2]]], {}, UsageError, "inputs: number 1 .*expected a path, or frames of 3"),
        ([np.full((2, 3), np.inf)], {}, DataError, "inputs: number 0 .*has a number that is none"),
        (np.zeros((4, 3)), {}, UsageError, r"inputs: number 0 .*expected frames, \(n, 3\), found \(3,\)"),
        ([np.zeros((0, 3))], {}, DataError, "inputs: number 0 .*has no frames"),
        ([], {"words": [1]}, UsageError, "words: expected a path, or a list of words, found 1"),
        ([], {"words": 1}, UsageError, "words: expected a path, or a list of words, found 1"),
        ([], {"lm": 1}, UsageError, "lm: expected a path, found int"),
        ([], {"n_best": "2"}, UsageError, "n_best: expected a whole number"),
        ([], {"beam": 1.5}, UsageError, "`beam`: expected a whole number"),
    ],
)
def test_what_is_refused(
    folder: Path, inputs: Any, settings: dict[str, Any], kind: type[GpurnnError], error: str
) -> None:
    with pytest.raises(kind, match=error):
        gpurnn.load(folder / "heard", device="cpu").transcribe(inputs, **settings)


def test_a_model_of_other_things(folder: Path) -> None:
    with pytest.raises(DataError, match="a model of text, which transcribe is not for; use generate"):
        gpurnn.load(folder / "lm", device="cpu").transcribe([])
