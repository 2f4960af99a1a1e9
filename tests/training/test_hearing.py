"""What is asked of the texts of frames: a beam, a language model, a list of words."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gpurnn import backend
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import DataError, GpurnnError, UsageError
from gpurnn.training.alignments import log_probability
from gpurnn.training.hearing import BEAM, WEIGHT, Hearing
from gpurnn.training.load import load_trained
from gpurnn.training.nextlabels import TextLabels
from gpurnn.training.prefixbeam import PrefixBeam
from gpurnn.training.wordlist import WordList
from tests.trained import documents, make_corpus, make_run, refuse

LETTERS = Vocabulary("chars", "tide so")


def logs_of(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    outputs = [rng.normal(size=(int(frames), len(LETTERS) + 1)) * 2 for frames in rng.integers(1, 12, count)]
    return [each - np.log(np.exp(each).sum(axis=1, keepdims=True)) for each in outputs]


def hearing(**settings: Any) -> Hearing:
    """That of a model of frames with these labels, of which no more is looked at."""
    model = SimpleNamespace(be=backend.get("cpu"))
    transcription = SimpleNamespace(vocabulary=LETTERS, policy=TextPolicy(lower=True))
    given: Any = SimpleNamespace(model=model, transcription=transcription)
    return Hearing.of(given, **{"on_warning": refuse, **settings})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lm")
    return make_run(backend.get("cpu"), make_corpus(folder / "made.h5", documents(40)), folder / "run")


def same(found: list[Any], expected: list[Any]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert [each.labels.tolist() for each in one] == [each.labels.tolist() for each in other]
        assert [each.score for each in one] == [each.score for each in other]


def test_the_likeliest_label_of_each_frame() -> None:
    for logs, (found,) in zip(logs_of(20), hearing().texts(logs_of(20)), strict=True):
        alignment = [len(LETTERS), *logs.argmax(axis=1).tolist()]
        text = [b for a, b in pairwise(alignment) if b not in (a, len(LETTERS))]
        assert found.labels.tolist() == text
        assert found.score == log_probability(logs, found.labels)
    for (found,) in hearing(scores=False).texts(logs_of(3)):
        assert found.score == 0


def test_a_beam_a_language_model_and_words(run: Path, tmp_path: Path) -> None:
    file, logs = tmp_path / "words.txt", logs_of(20)
    file.write_text("TIDE so\r\n\n it\tdo\n")
    language = TextLabels.of(load_trained(run, backend.get("cpu")), LETTERS)
    words = WordList(["tide", "so", "it", "do"], LETTERS, TextPolicy())
    for settings, beam in (
        ({"beam": 3, "n_best": 2}, PrefixBeam(7, 3)),
        ({"lm": run}, PrefixBeam(7, BEAM, language=language, weight=WEIGHT)),
        ({"lm": run, "lm_weight": 2.0, "beam": 1}, PrefixBeam(7, 1, language=language, weight=2)),
        ({"words": file}, PrefixBeam(7, BEAM, words=words)),
        ({"words": ["So", "do", "it", "tide"], "beam": 1}, PrefixBeam(7, 1, words=words)),
    ):
        same(list(hearing(**settings).texts(logs)), list(beam.found(logs, settings.get("n_best", 1))))  # type: ignore


def test_words_that_cannot_be_heard_are_told(tmp_path: Path) -> None:
    told: list[str] = []
    hearing(words=["tide", "tée", "quote"], on_warning=told.append)
    assert told == ["2 words with symbols that the model has no labels for, such as quote, were left out of `words`"]


@pytest.mark.parametrize(
    ("settings", "kind", "error"),
    [
        ({"n_best": 2}, UsageError, "`n_best=2`: a beam of 1 has no more than 1; use `beam=2`"),
        ({"beam": 0}, UsageError, "`beam`: expected at least 1"),
        ({"beam": 4097}, UsageError, "`beam`: expected at most 4,096, found 4097"),
        ({"lm_weight": 1.0}, UsageError, "give `lm`, too"),
        ({"words": Path("missing.txt")}, DataError, "missing.txt: cannot read the text: No such file"),
        ({"words": ["ü"]}, DataError, "no labels for any word of 1, such as ü, that is listed"),
        ({"lm": Path("missing")}, GpurnnError, "missing"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], kind: type[GpurnnError], error: str) -> None:
    with pytest.raises(kind, match=error):
        hearing(**settings)


def test_a_list_of_words_that_is_none(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "words.txt"
    file.write_bytes(b"tide \xff so")
    with pytest.raises(DataError, match=r"words.txt: byte 5 \(ff\) is not utf-8"):
        hearing(words=file)
    file.write_text("tide so\n" * 5)
    monkeypatch.setattr("gpurnn.training.hearing._LONGEST", 30)
    with pytest.raises(DataError, match="more than 30 characters"):
        hearing(words=file)
    with pytest.raises(UsageError, match=r"lm_weight.*expected 0 or more"):
        hearing(lm=run, lm_weight=-1.0)


def test_a_model_that_has_diverged() -> None:
    with pytest.raises(GpurnnError, match="has diverged"):
        list(hearing().texts([np.full((2, 8), np.nan)]))
