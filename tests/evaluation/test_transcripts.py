"""How well the texts of frames are read: beside stored values of jiwer, and beside loops over single lines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import gpurnn
from gpurnn import backend
from gpurnn.cli.main import main
from gpurnn.cli.transcripts_table import table_of
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream.sequences import strings_of
from gpurnn.evaluation.transcripts import Misread, TranscriptEvaluation, evaluate_transcripts
from gpurnn.exceptions import CorpusError, DataError, GpurnnError
from gpurnn.training.alignments import log_probability
from gpurnn.training.begin import trainer_of
from gpurnn.training.collapse import collapsed
from gpurnn.training.config import Limits
from gpurnn.training.edits import TextErrors, edit_distance
from gpurnn.training.load import Trained, load_trained
from tests.corpora import tags_of_reals
from tests.frames import LETTERS, WIDTH, learnable, write_lines
from tests.training.test_labeller import alone

STORED = json.loads((Path(__file__).parents[1] / "goldens/jiwer.json").read_text("utf-8"))
"""What jiwer 4.0.0 says of each of some texts alone, and of all together."""


def test_errors_are_those_of_jiwer() -> None:
    together = TextErrors()
    for case in STORED["cases"]:
        alone_ = TextErrors()
        for errors in (alone_, together):
            edits = errors.add(case["found"], case["text"])
        assert (alone_.symbols.rate, alone_.words.rate) == (case["cer"], case["wer"]), case
        assert edits == edit_distance(case["found"].strip(), case["text"].strip())
    assert (together.symbols.rate, together.words.rate) == (STORED["cer"], STORED["wer"])
    assert together.texts == len(STORED["cases"])
    assert 0 < together.right == sum(case["cer"] == 0 for case in STORED["cases"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, and runs on it in one direction and in both that have not learnt all of it."""
    folder = tmp_path_factory.mktemp("frames")
    learnable(folder / "a.h5").close()
    for name, both in (("one", False), ("both", True)):
        given = {"corpus": folder / "a.h5", "output": folder / name, "hidden": 8, "both_directions": both}
        with trainer_of({**given, "device": "cpu", "lanes": 2, "bptt": 32, "lr": 0.03}, print) as trainer:
            trainer.run(Limits(windows=25))
    return folder


def loaded(path: Path) -> Trained:
    return load_trained(path, backend.get("cpu"), checkpoint="last")


def found_by(trained: Trained, corpus: Corpus, split: str) -> list[tuple[str, str, float, int]]:
    """Of each line what is read, what is there, the nats of that and how many labels these are."""
    lines = []
    for rows, labels in strings_of(corpus.split(split), corpus.columns):
        logs = alone(trained.model, rows)
        texts = [trained.transcription.text_of(each) for each in (collapsed(logs)[0], labels)]
        lines.append((*texts, -log_probability(logs, labels), len(labels)))
    return lines


@pytest.mark.parametrize("name", ["one", "both"])
def test_an_evaluation_is_what_single_lines_add_up_to(folder: Path, name: str) -> None:
    trained, seen = loaded(folder / name), []
    with Corpus.open(folder / "a.h5") as corpus:
        lines = found_by(trained, corpus, "test")
        result = evaluate_transcripts(
            trained.model, trained.transcription, trained.config, corpus, "test", on_progress=lambda *n: seen.append(n)
        )
    edits = [edit_distance(found, text) for found, text, *_ in lines]
    assert result.sequences == len(lines) == 12
    assert result.cer == sum(edits) / sum(len(text) for _, text, *_ in lines) > 0
    assert result.wer == pytest.approx(1 - result.exact), "each line is one word"
    assert result.exact == edits.count(0) / len(lines)
    assert result.loss == pytest.approx(sum(line[2] for line in lines) / sum(line[3] for line in lines), rel=1e-5)
    order = sorted((n for n in range(len(lines)) if edits[n]), key=lambda n: (-edits[n], n))[:10]
    expected = [Misread(f"{60 + 12 + n}.npy", edits[n], *lines[n][:2]) for n in order]
    assert list(result.worst) == expected
    assert seen == [(n + 1, 12) for n in range(12)]


def test_the_worst_lines_are_few_and_have_numbers_where_files_have_no_names(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Corpus, "key_names", property(lambda self: tuple("x" * 99)))
    trained = loaded(folder / "one")
    with Corpus.open(folder / "a.h5") as corpus:
        result = evaluate_transcripts(trained.model, trained.transcription, trained.config, corpus, "train")
        assert len(result.worst) == 10
        assert {each.file for each in result.worst} == {"x"}
        corpus.manifest = replace(corpus.manifest, keys=None)
        result = evaluate_transcripts(trained.model, trained.transcription, trained.config, corpus, "train")
        assert all(each.file.isdecimal() for each in result.worst)


def test_what_cannot_be_measured_is_refused(folder: Path, tmp_path: Path) -> None:
    trained = loaded(folder / "one")

    def refused(error: type[Exception], split: str = "train") -> str:
        with Corpus.open(tmp_path / "b.h5") as corpus, pytest.raises(error) as raised:
            evaluate_transcripts(trained.model, trained.transcription, trained.config, corpus, split)
        return str(raised.value)

    tags_of_reals().write(tmp_path / "b.h5")
    assert "it holds sequences with a tag a step, the model was trained on frames" in refused(DataError)
    frames = np.ones((9, WIDTH))
    write_lines(tmp_path / "b.h5", {"train": [(frames, "xyz")]})
    assert "its labels are not those that the model was trained with; prepare it with `vocab_from`" in refused(
        DataError
    )
    write_lines(tmp_path / "b.h5", {"train": [(np.ones((9, 2)), "ad")]}, letters=LETTERS[:4])
    assert "its frames are not those" in refused(DataError)
    write_lines(tmp_path / "b.h5", {"train": [(frames, "ad")]}, letters=LETTERS[:4])
    assert "its columns are not those" in refused(DataError)
    trained.model.params.value["output.c"][:] = np.nan
    with (
        Corpus.open(folder / "a.h5") as corpus,
        pytest.raises(GpurnnError, match="split test is not finite, the model"),
    ):
        evaluate_transcripts(trained.model, trained.transcription, trained.config, corpus, "test")


def test_a_split_that_is_empty_and_a_text_that_does_not_fit_are_refused(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).normal(size=(9, WIDTH))
    write_lines(tmp_path / "a.h5", {"train": [(frames, "ab")], "valid": [(frames, "a")], "test": [(frames[:2], "aa")]})
    given = {"corpus": tmp_path / "a.h5", "output": tmp_path / "run", "device": "cpu", "hidden": 4}
    with trainer_of(given, print) as trainer:
        trainer.run(Limits(windows=1))
    trained = loaded(tmp_path / "run")
    with Corpus.open(tmp_path / "a.h5") as corpus:
        with pytest.raises(CorpusError, match="2 labels, which need 3 frames, and 2 frames"):
            evaluate_transcripts(trained.model, trained.transcription, trained.config, corpus, "test")
        corpus.splits["test"] = 0
        with pytest.raises(DataError, match="split test is empty; it has these frames: train 9, valid 9"):
            evaluate_transcripts(trained.model, trained.transcription, trained.config, corpus, "test")


def run(*arguments: Any) -> str:
    found = CliRunner().invoke(main, ["evaluate", *map(str, arguments), "--device", "cpu"])
    assert found.exit_code == 0, found.output
    return found.stdout


def test_evaluate_prints_what_the_library_finds(folder: Path) -> None:
    result = gpurnn.evaluate(folder / "both", split="test", device="cpu")
    assert isinstance(result, TranscriptEvaluation)
    told = json.loads(run(folder / "both", "--split", "test", "--json"))
    assert told == json.loads(json.dumps(result.to_json()))
    assert list(told) == ["sequences", "cer", "wer", "exact", "loss", "worst"]
    first, *lines = run(folder / "both", "--split", "test").splitlines()
    assert first.endswith(f"on split test of {folder / 'a.h5'}")
    assert lines == list(table_of(result))


def test_the_table() -> None:
    worst = (Misread("a" * 40 + "/b.wav", 12, "", "three\tfour"), Misread("7", 1, "漢", "漢字" * 30))
    table = list(table_of(TranscriptEvaluation(1234, 0.04126, 0.2, 0.75, 0.31257, worst)))
    assert table == [
        "  sequences 1,234, loss 0.3126 nats a label",
        "  CER 0.0413, WER 0.2000, exact 0.7500",
        "",
        "  worst                         edits  text" + " " * 37 + "read as",
        "  …aaaaaaaaaaaaaaaaaaaaa/b.wav     12  'three\\tfour'",
        "  7                                 1  " + "漢字" * 9 + "漢…" + "  漢",
    ]
    assert list(table_of(TranscriptEvaluation(1, 0.0, 0.0, 1.0, 0.1, ())))[1:] == [
        "  CER 0.0000, WER 0.0000, exact 1.0000"
    ]


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--plot=x.svg", "nothing to draw of a model of frames"),
        ("--lanes=2", "frames are read side by side as they are"),
    ],
)
def test_options_of_other_models_are_refused(folder: Path, option: str, told: str) -> None:
    found = CliRunner().invoke(main, ["evaluate", str(folder / "one"), option, "--device", "cpu"])
    assert found.exit_code == 2
    assert told in found.output
