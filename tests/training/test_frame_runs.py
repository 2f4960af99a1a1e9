"""Runs on frames: the bits of a resume, captured windows, the log, what a model keeps, which settings go together."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import gpurnn
from gpurnn.backend import Backend
from gpurnn.backend.cpu import CpuBackend
from gpurnn.cli.main import main
from gpurnn.data.corpus import Corpus
from gpurnn.data.frames.transcription import Transcription
from gpurnn.data.stream import StringStream
from gpurnn.data.stream.sequences import strings_of
from gpurnn.evaluation.transcripts import evaluate_transcripts
from gpurnn.exceptions import CheckpointError, CorpusError, DataError, UsageError
from gpurnn.network import Model, ModelConfig
from gpurnn.training.alignments import log_probability
from gpurnn.training.begin import trainer_of
from gpurnn.training.beside import beside
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.describe import describe_run
from gpurnn.training.edits import TextErrors
from gpurnn.training.feed import Feed
from gpurnn.training.load import load_trained
from gpurnn.training.model_file import write_model
from gpurnn.training.optimizer import Optimizer, OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.session import new_run
from gpurnn.training.step import TrainingStep
from gpurnn.training.tasks.frames import TranscriptLosses
from gpurnn.training.transcriber import Transcriber
from tests.frames import WIDTH, Line, learnable, write_lines

from .alike import check_captured, check_resumes, log_without_clock, refuse_warnings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from network.allocation import LIMIT, check_no_allocation

BOTH, ONE = ("dropout", "both_directions"), ("dropout", "recurrent")
WAYS: dict[str, dict[str, Any]] = {
    "both": {"stack": BOTH},
    "one": {"stack": ONE, "cell": "lstm"},
    "two layers of both": {"stack": BOTH, "layers": 2},
}
WINDOWS = 24


def settings(name: str = "both", dtype: str = "float32", **changes: Any) -> TrainConfig:
    given = {"cell": "gru", "hidden": 8, "dropout": 0.1, "dtype": dtype, **WAYS[name]}
    model = ModelConfig(0, inputs=WIDTH, outputs=5, input="real", head="ctc", **given)
    config = TrainConfig(
        model,
        OptimizerConfig("adam", average=0.2),
        ScheduleConfig("constant", lr=0.02),
        lanes=3,
        bptt=32,
        restart=0.0,
        log_every=7,
        validate_every=20,
    )
    return replace(config, **changes)


@pytest.mark.parametrize("name", WAYS)
def test_a_run_in_parts_has_the_bits_of_a_whole_one(be: Backend, tmp_path: Path, name: str) -> None:
    lines = check_resumes(be, learnable(tmp_path / "a.h5"), settings(name), tmp_path, (1, 13, WINDOWS))
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]


@pytest.mark.parametrize("name", WAYS)
def test_captured_windows_have_the_bits_of_eager_ones(cuda: Backend, tmp_path: Path, name: str) -> None:
    check_captured(cuda, learnable(tmp_path / "a.h5"), settings(name), tmp_path, WINDOWS)


@pytest.mark.parametrize(("name", "compiled"), [("both", True), ("one", True), ("both", False)])
def test_a_training_window_allocates_nothing(tmp_path: Path, name: str, compiled: bool) -> None:
    config = settings(name)
    be, lanes, steps = CpuBackend(compiled=compiled), 320, 16
    corpus = learnable(tmp_path / "a.h5", 400)
    model = Model(be, replace(config.model, hidden=16))
    model.params.initialise(be, 1)
    with StringStream(corpus, lanes=lanes, steps=steps, prefetch=False) as stream:
        ws = model.workspace(lanes, steps, labels=stream.geometry.labels)
        step = TrainingStep(model, ws, model.state(lanes), Optimizer(be, model.params, config.optimizer))
        before = be.to_host(model.params.values)
        Feed(be, ws.batch).load(next(stream))
        limit = LIMIT if compiled else 8 * lanes * stream.geometry.labels  # views of each step are many
        check_no_allocation({"step": lambda: step(1e-3)}, limit=limit)
    assert np.isfinite(model.params.values).all() and np.any(model.params.values != before)


@pytest.mark.parametrize("name", ["both", "one"])
def test_a_validation_says_what_is_read_of_the_valid_split(be: Backend, tmp_path: Path, name: str) -> None:
    """Against what the model says of the sequences in their order, and the likelihood of their texts in that."""
    corpus = learnable(tmp_path / "a.h5")
    dtype, rel = ("float64", 1e-6) if be.device == "cpu" else ("float32", 1e-4)  # kernels for both take their time
    config = settings(name, dtype, validate_every=10, validate_windows=1000)
    new_run(be, corpus, config, tmp_path / "run", refuse_warnings).run(Limits(windows=10))
    line = log_without_clock(tmp_path / "run")[-1]
    trained = load_trained(tmp_path / "run", be, checkpoint="last")
    nats, count, errors = 0.0, 0, TextErrors()
    sequences = strings_of(corpus.split("valid"), corpus.columns)
    for logs, string in beside(Transcriber(trained.model, config).log_probabilities, sequences):
        nats, count = nats - log_probability(logs, string), count + len(string)
        said = [a for a, b in zip(logs.argmax(axis=1), [-1, *logs.argmax(axis=1)], strict=False) if a != b and a != 4]
        errors.add(trained.transcription.text_of(said), trained.transcription.text_of(string))
    assert (line["window"], line["valid_loss"]) == (10, pytest.approx(nats / count, rel=rel))
    assert line["valid_cer"] == errors.symbols.rate > 0
    assert "loss" in line
    assert "nats_per_token" not in line


def test_a_validation_reads_lines_that_are_longer_than_the_windows_of_training(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)

    def line(frames: int) -> Line:
        return draw.normal(size=(frames, WIDTH)), "ab"

    write_lines(tmp_path / "a.h5", {"train": [line(5), line(7)], "valid": [line(90), line(3)]})
    config = begin(tmp_path / "a.h5", tmp_path / "run", bptt=8, lanes=30, windows=1)
    assert config.bptt == 8
    with trainer_of({"resume": tmp_path / "run", "device": "cpu"}, refuse_warnings) as trainer:
        task, model = trainer.learner.task, trainer.learner.validated
        found = task.validate(model, lambda: False)
        assert found is not None
        assert task._forward._ws.batch.sizes[:2] == (2, 90), "as many steps in all as windows of training"  # type: ignore[attr-defined]
        alike = evaluate_transcripts(model, task.transcription, config, trainer.learner.corpus)  # type: ignore[attr-defined]
    assert (found.mean, found.cer) == (pytest.approx(alike.loss, rel=1e-6), alike.cer)  # type: ignore[attr-defined]


def test_of_equals_the_lower_loss_is_better() -> None:
    judged = [TranscriptLosses(loss, cer).judged("all") for loss, cer in ((9.0, 0.1), (2.0, 0.2), (1.0, 0.2))]
    assert judged == pytest.approx([0.1, 0.2, 0.2], abs=1e-6)
    assert judged[1] > judged[2]
    assert math.isnan(TranscriptLosses(math.inf, 0.1).judged("all"))
    assert TranscriptLosses(0.1, 0.04123).in_words() == "CER 0.0412, loss 0.1000"
    assert TranscriptLosses(math.inf, 0.5).to_json() == {"valid_loss": None, "valid_cer": 0.5}


def test_a_model_keeps_what_its_labels_are(be: Backend, tmp_path: Path) -> None:
    corpus = learnable(tmp_path / "a.h5")
    new_run(be, corpus, settings(), tmp_path / "run", refuse_warnings).run(Limits(windows=3))
    trained = load_trained(tmp_path / "run", be)
    write_model(tmp_path / "model", trained.model, trained.meaning, trained.config)
    for found in (trained, load_trained(tmp_path / "model", be)):
        mine = found.transcription
        assert mine.differs(Transcription.of(corpus)) == ""
        assert mine.text_of(mine.vocabulary.encode("abcd")) == "abcd"
        with pytest.raises(DataError, match="a model of frames, not of labels or tags"):
            found.labelling  # noqa: B018


def test_a_run_that_begins_with_another_needs_its_labels(be: Backend, tmp_path: Path) -> None:
    corpus = learnable(tmp_path / "a.h5")
    new_run(be, corpus, settings(), tmp_path / "run", refuse_warnings).run(Limits(windows=3))
    new_run(be, corpus, settings(seed=2), tmp_path / "again", refuse_warnings, tmp_path / "run")
    frames = np.random.default_rng(0).normal(size=(40, WIDTH))
    write_lines(tmp_path / "b.h5", {"train": [(frames, "abcx")]})
    with Corpus.open(tmp_path / "b.h5") as other, pytest.raises(CheckpointError, match=r"its labels are not those of"):
        new_run(be, other, settings(), tmp_path / "third", refuse_warnings, tmp_path / "run")
    assert not (tmp_path / "third").exists()


def begin(corpus: Path, output: Path, windows: int | None = None, **given: Any) -> TrainConfig:
    with trainer_of({"corpus": corpus, "output": output, "device": "cpu", **given}, refuse_warnings) as trainer:
        if windows is not None:
            trainer.run(Limits(windows=windows))
        return trainer.learner.config


def test_the_corpus_says_what_is_not_given(tmp_path: Path) -> None:
    learnable(tmp_path / "a.h5")
    config = begin(tmp_path / "a.h5", tmp_path / "r", both_directions=True)
    model = config.model
    assert (model.symbols, model.inputs, model.outputs, model.input, model.head) == (0, WIDTH, 5, "real", "ctc")
    assert (model.stack, config.restart) == (BOTH, 0.0)
    assert config.schedule.decay_windows >= 400 and config.validate_every == 20, "an epoch is shorter"
    written = json.loads((tmp_path / "r" / "config.json").read_text())["training"]
    assert "layout" not in written
    frames = np.random.default_rng(0).normal(size=(700, WIDTH))
    write_lines(tmp_path / "b.h5", {"train": [(frames, "ab")], "valid": [(frames[:9], "b")]})
    long = begin(tmp_path / "b.h5", tmp_path / "q")
    assert (long.model.stack, long.bptt) == (ONE, 704), "the longest has 700 steps"
    assert (config.lanes, config.bptt, long.lanes) == (16, 160, 8), (
        "as many in all as usually, but eight lanes at least"
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"target": "x"}, "`target` is for measured series"),
        ({"pool": "mean"}, "`pool` is for labels and tags"),
        ({"layout": "whole"}, "`layout` is for labels, tags and captions"),
        ({"cut": True}, "`cut` is for labels and tags"),
        ({"attention": "dot"}, "`attention` is for pairs"),
        ({"embedding": 8}, "`embedding` is for symbols; rows of numbers have none"),
        ({"bptt": 8}, "use `bptt=16`, or leave longer ones out"),
    ],
)
def test_settings_that_do_not_go_together(tmp_path: Path, given: dict[str, Any], told: str) -> None:
    learnable(tmp_path / "a.h5")
    with pytest.raises((UsageError, DataError)) as raised:
        begin(tmp_path / "a.h5", tmp_path / "r", **given)
    assert told in str(raised.value)
    assert not (tmp_path / "r").exists()


def test_a_text_that_does_not_fit_its_frames_is_refused_before_a_run_is_written(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).normal(size=(3, WIDTH))
    write_lines(tmp_path / "a.h5", {"train": [(frames, "abb")]})
    with pytest.raises(CorpusError, match=r"3 labels, which need 4 frames, and 3 frames; prepare the corpus again"):
        begin(tmp_path / "a.h5", tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_info_tells_what_was_read(be: Backend, tmp_path: Path) -> None:
    new_run(be, learnable(tmp_path / "a.h5"), settings(validate_every=7), tmp_path / "run", refuse_warnings).run(
        Limits(windows=14)
    )
    told, lines = describe_run(tmp_path / "run", refuse_warnings), log_without_clock(tmp_path / "run")
    assert told["model"]["both_directions"] is True
    assert told["corpus"] | {"path": "", "fingerprint": ""} == {
        "path": "",
        "frames": "arrays",
        "tokens": "chars",
        "fingerprint": "",
    }
    assert told["loss"]["best_cer"] == pytest.approx(min(line["valid_cer"] for line in lines), abs=1e-6)
    assert "best_valid" not in told["loss"]
    assert told["loss"]["valid_cer"] == lines[-1]["valid_cer"]


def test_a_person_is_told_what_is_read_and_how_well(tmp_path: Path) -> None:
    learnable(tmp_path / "a.h5").close()
    words = f"train {tmp_path}/a.h5 -o {tmp_path}/run --device cpu --both-directions --hidden 8 --windows 20"
    done = CliRunner().invoke(main, words.split())
    assert done.exit_code == 0, done.stderr
    lines = done.stderr.splitlines()
    assert "both directions, 3 columns to strings of 4 labels, 16 lanes x 160 steps, 1 windows an epoch" in lines[0]
    found = describe_run(tmp_path / "run", refuse_warnings)["loss"]
    assert found["valid_cer"] is not None
    assert any(re.search(r"^window 20 .* nats  valid CER [0-9.]+", line) for line in lines)
    (now,) = (line for line in lines if line.startswith("validation now: "))
    assert re.fullmatch(r"validation now: CER \d\.\d{4}, loss \d+\.\d{4}; best: CER \d\.\d{4} after window 20", now)
    assert lines[-1] == f"read:     gpurnn predict {tmp_path}/run FILE"
    shown = CliRunner().invoke(main, ["info", f"{tmp_path}/run"]).stdout
    assert "\n  inputs          3\n" in shown and "symbols" not in shown


def test_a_run_on_frames_says_what_it_is_and_has_no_columns_for_series(tmp_path: Path) -> None:
    begin(learnable(tmp_path / "a.h5").path, tmp_path / "run", windows=1, hidden=8)
    assert repr(gpurnn.load(tmp_path / "run", "cpu")).startswith("gru of 3 columns that reads 4 chars, float32, on cpu")
    (tmp_path / "rows.csv").write_text("time,1\n2020-01-01,2\n")
    for source, told in (
        ("run", "a model of frames; give a run on"),
        ("a.h5", "it holds frames with strings of labels"),
    ):
        with pytest.raises(DataError, match=told):
            gpurnn.prepare(
                tmp_path / "rows.csv", tmp_path / "b.h5", series=True, time="time", columns_from=tmp_path / source
            )
