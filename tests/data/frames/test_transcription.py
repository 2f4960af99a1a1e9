"""What a model of frames has to know: it comes back from a corpus and from a checkpoint, and nothing else is taken."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from faults.hostile import forge
from faults.hostilefields import merged

from gpurnn.data.corpus import Corpus
from gpurnn.data.frames.form import FrameForm
from gpurnn.data.frames.transcription import Transcription
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import CorpusError, DataError
from tests.corpora import EVERY, columns
from tests.frames import framed, write_lines

SOUND = FrameForm("sound", 40, 8000, 0.025, 0.01, splice=2, skip=3)


def transcription(vocabulary: Vocabulary, policy: TextPolicy | None = None) -> Transcription:
    return Transcription(columns("a", form=FrameForm("arrays", 1).to_json()), vocabulary, policy or TextPolicy())


def test_a_form_says_how_many_numbers_a_frame_has_and_how_long_it_lasts() -> None:
    assert (SOUND.inputs, SOUND.unit) == (200, 0.03)
    assert FrameForm("pictures", 8, splice=1).inputs == 24
    assert FrameForm("arrays", 8).unit is None
    assert FrameForm.from_json(json.loads(json.dumps(SOUND.to_json()))) == SOUND


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"kind": "films"}, "they are of 'films', expected arrays, sound, pictures"),
        ({"kind": "arrays"}, "rate is 8000, expected a whole number from 0 to 0"),
        ({"width": 0}, "width is 0"),
        ({"width": True}, "width is True"),
        ({"width": 65_000}, "325,000 numbers a frame, expected up to 65,536; splice fewer"),
        ({"rate": 1}, "rate is 1, expected a whole number from 4000 to 384000"),
        ({"step": 0.0}, "step and window are 0.0 and 0.025 seconds"),
        ({"step": float("nan")}, "step and window are nan"),
        ({"window": 1}, "step and window are 0.01 and 1 seconds"),
        ({"window": 1e9}, "step and window are"),
        ({"splice": -1}, "splice is -1"),
        ({"splice": 2**70}, "splice is 1180591620717411303424"),
        ({"skip": 0}, "skip is 0, expected a whole number from 1 to 1000"),
    ],
)
def test_a_form_that_is_none_is_one_line(changed: dict, told: str) -> None:
    with pytest.raises(DataError, match=told):
        FrameForm.from_json(SOUND.to_json() | changed)
    with pytest.raises(DataError, match="expected of their form kind, width"):
        FrameForm.from_json({"kind": "arrays"})


def test_a_string_of_labels_is_a_text() -> None:
    chars = transcription(Vocabulary("chars", [" ", "a", "b", "é"]), TextPolicy(normalise="NFC", lower=True))
    assert chars.text_of([2, 0, 3, 1]) == "b éa"
    assert (chars.blank, chars.outputs, chars.inputs) == (4, 5, 1)
    words = transcription(Vocabulary("words", ["don't", "go"]))
    assert words.text_of([1, 0]) == "go don't"


def test_what_a_corpus_says_comes_back_from_a_checkpoint(tmp_path: Path) -> None:
    made = framed(tmp_path / "x.h5", [(6, 3), (9, 4), (5, 5)])
    found = Transcription.of(made.corpus)
    assert (found.inputs, found.outputs, found.form) == (3, 6, FrameForm("arrays", 3))
    known = json.loads(json.dumps(found.to_json()))
    assert "frames" in known
    back = Transcription.from_json(known, found.to_arrays(), "corpus")
    assert found.differs(back) == back.differs(found) == ""
    assert (back.policy, back.form, back.vocabulary.symbols) == (found.policy, found.form, list("abcde"))
    other = dataclasses.replace(found, vocabulary=Vocabulary("words", list("abcde")))
    assert found.differs(other) == "labels"
    form = FrameForm("pictures", 3).to_json()
    assert found.differs(dataclasses.replace(found, columns=dataclasses.replace(found.columns, form=form))) == "frames"
    scaled = dataclasses.replace(found.columns, mean=found.columns.mean + 1)
    assert found.differs(dataclasses.replace(found, columns=scaled)) == "columns"
    for name, value in (("tokens", None), ("tokens", "bytes"), ("policy", []), ("frames", {}), ("frames", None)):
        with pytest.raises(DataError):
            Transcription.from_json(known | {name: value}, found.to_arrays(), "corpus")
    with pytest.raises(DataError, match="corpus: 'tokens' is missing"):
        Transcription.from_json({}, found.to_arrays(), "corpus")
    with pytest.raises(DataError, match=r"corpus: 'labels\.data' is missing"):
        Transcription.from_json(known, {}, "corpus")


def test_a_form_has_to_fit_the_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="they have 2 numbers, their form has 1"):
        Transcription(columns("a", "b", form=FrameForm("arrays", 1).to_json()), Vocabulary("chars", "a"), TextPolicy())
    with pytest.raises(DataError, match="expected labels that are chars or words, all known"):
        transcription(Vocabulary("words", ["a", ""], 1))
    EVERY["pairs"]().write(tmp_path / "pairs.h5")
    with (
        Corpus.open(tmp_path / "pairs.h5") as corpus,
        pytest.raises(DataError, match="it holds pairs of texts, no frames with texts"),
    ):
        Transcription.of(corpus)


def test_a_corpus_holds_frames_and_strings(tmp_path: Path) -> None:
    lines = [(np.arange(8, dtype=np.float32).reshape(4, 2), "ba"), (np.ones((3, 2), np.float32), "b")]
    made = write_lines(tmp_path / "x.h5", {"train": lines, "test": lines[1:]})
    corpus = made["train"].corpus
    corpus.verify()
    split = corpus.split("train")
    assert (len(split), len(split.documents), split.inputs, corpus.targets("train")) == (7, 2, 2, 3)
    assert split.target_strings(0, 2).tolist() == [0, 2, 3]
    labels = np.empty(3, split.targets.dtype)
    split.targets.read(0, labels)
    assert labels.tolist() == [1, 0, 1]
    assert [corpus.key_names[key] for key in split.keys().tolist()] == ["0.npy", "1.npy"]
    assert corpus.label_counts.tolist() == [1, 2]
    rows = np.empty((4, 2), np.float32)
    split.read_rows(0, rows)
    assert np.array_equal(rows, lines[0][0])


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"policy": None}, "its manifest has no text policy, which is not so of frames with strings of labels"),
        (
            {"labels": {"tokens": "bytes"}},
            "its manifest says labels that are bytes or unknown, expected chars",
        ),
        ({"labels": {"unknown": 0}}, "its manifest says labels that are bytes or unknown"),
        ({"labels": {"tokens": "letters"}}, "its manifest says tokens of labels letters, expected one of"),
        ({"labels": {"tokens": ["chars"]}}, "its manifest says tokens of labels"),
        ({"vocabulary": {"count": 1, "bytes": 1, "tokens": "chars", "unknown": None}}, "its manifest has a vocabulary"),
        ({"splits": {"train": {"strings": 2**50}}}, "bytes of data, the file has only"),
        ({"keys": None}, "its manifest has not one SHA-256 for each dataset"),
    ],
)
def test_manifests_that_are_none_are_one_line(said: dict, told: str, tmp_path: Path) -> None:
    good = tmp_path / "good.h5"
    fields = json.loads(EVERY["frames"]().write(good).to_json())
    changed = {name: merged(fields[name], value) for name, value in said.items()}
    with pytest.raises(CorpusError, match=told):
        Corpus.open(forge(good, tmp_path / "bad.h5", manifest=changed))


def test_labels_of_strings_are_a_vocabulary(tmp_path: Path) -> None:
    good = tmp_path / "good.h5"
    fields = json.loads(EVERY["frames"]().write(good).to_json())
    names = {name: fields["labels"][name] for name in ("count", "bytes")}
    with pytest.raises(CorpusError, match="its manifest has no vocabulary of labels, which is not so of frames"):
        Corpus.open(forge(good, tmp_path / "bad.h5", manifest={"labels": names}))
    tags = json.loads(EVERY["tags of symbols"]().write(good).to_json())
    labels = tags["labels"] | {"tokens": "words", "unknown": None}
    with pytest.raises(CorpusError, match="its manifest has a vocabulary of labels, which is not so of sequences with"):
        Corpus.open(forge(good, tmp_path / "bad.h5", manifest={"labels": labels}))


def test_a_corpus_without_a_form_tells_nothing_of_its_frames(tmp_path: Path) -> None:
    good = tmp_path / "good.h5"
    columns = json.loads(EVERY["frames"]().write(good).to_json())["columns"]
    for form, told in (({}, "expected of their form kind, width"), ({"kind": "arrays"}, "expected of their form")):
        changed = {"columns": columns | {"about": columns["about"] | {"form": form}}}
        with (
            Corpus.open(forge(good, tmp_path / "bad.h5", manifest=changed)) as corpus,
            pytest.raises(DataError, match=rf"bad\.h5: its frames: {told}"),
        ):
            Transcription.of(corpus)
