"""Runs on labels and tags: the bits of a resume, what the log says, what a model keeps, which settings go together."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.labelled.words import SPACE
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import CheckpointError, DataError, UsageError
from gpurnn.network import ModelConfig
from gpurnn.training.begin import trainer_of
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.describe import describe_run
from gpurnn.training.load import load_trained
from gpurnn.training.model_file import write_model
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.session import new_run
from gpurnn.training.tasks.labelled import LabelLosses, weights_of
from tests.corpora import Made, columns

from .alike import check_resumes, log_without_clock, refuse_warnings

KINDS = [("tags", "symbols"), ("tags", "reals"), ("labels", "symbols"), ("labels", "reals")]
TAGS = ("O", "B-X", "I-X")


def learnable(path: Path, kind: str, of: str, labels: tuple[str, ...] = TAGS) -> Corpus:
    """Sequences whose tags follow from this and the last symbol, or whose label is that of their first one."""
    rng = np.random.default_rng(4)
    splits: dict[str, Any] = {}
    for name, count in {"train": 60, "valid": 12, "test": 12}.items():
        lengths = rng.integers(1, 15, count)
        begins = np.append(0, np.cumsum(lengths))
        marks = rng.integers(0, 3, begins[-1])
        if kind == "labels":
            targets = marks[begins[:-1]]
        else:
            before = np.append(0, marks[:-1])
            before[begins[:-1]] = 0
            targets = np.where(marks == 0, 0, np.where((before == 0) | (marks == 1), 1, 2))
        split: dict[str, Any] = {"documents": begins[:-1].astype("<u8"), "targets": targets.astype("u1")}
        if of == "symbols":
            split["tokens"] = marks.astype("u1")
        else:
            split["reals"] = (np.stack([marks + 9, rng.normal(11, 1, len(marks))], axis=1)).astype("<f4")
        splits[name] = split
    counts = {"labels": np.bincount(splits["train"]["targets"], minlength=len(labels)).tolist()}
    if of == "reals":
        tables = Tables(columns=columns("mark", "noise", interval=1, season=1), labels=labels)
        Made(kind, splits, tables, counts=counts).write(path)
    else:
        counts["vocabulary"] = np.bincount(splits["train"]["tokens"], minlength=3).tolist()
        tables = Tables(vocabulary=Vocabulary("words", ["x", "y", "z"]), labels=labels)
        Made(kind, splits, tables, TextPolicy(lower=True), counts).write(path)
    return Corpus.open(path)


def settings(kind: str, of: str, layout: str = "whole", dtype: str = "float32", **changes: Any) -> TrainConfig:
    whole = layout == "whole"
    model = ModelConfig(
        3 if of == "symbols" else 0,
        cell="gru",
        hidden=8,
        dropout=0.1,
        dtype=dtype,
        inputs=0 if of == "symbols" else 2,
        outputs=3,
        input="" if of == "symbols" else "real",
        embedding=4 if of == "symbols" else 0,
        stack=("both_directions" if whole and kind == "tags" else "recurrent", "dropout"),
        pool="last" if kind == "labels" else "",
    )
    config = TrainConfig(
        model,
        OptimizerConfig("adam", average=0.2),
        ScheduleConfig("constant", lr=0.02),
        lanes=3,
        bptt=16,
        restart=0.0,
        log_every=7,
        validate_every=20,
        layout=layout,
    )
    return replace(config, **changes)


@pytest.mark.parametrize("layout", ["whole", "through"])
@pytest.mark.parametrize(("kind", "of"), KINDS)
def test_a_resumed_run_has_the_bits_of_one_that_was_not_stopped(
    be: Backend, tmp_path: Path, kind: str, of: str, layout: str
) -> None:
    corpus, config = learnable(tmp_path / "a.h5", kind, of), settings(kind, of, layout)
    lines = check_resumes(be, corpus, config, tmp_path, (33, 80))
    assert lines[-1]["loss"] < 0.9 * lines[0]["loss"], "it learnt something, so bits moved"


@pytest.mark.parametrize("layout", ["whole", "through"])
@pytest.mark.parametrize(("kind", "of"), KINDS)
def test_a_validation_says_what_is_found_of_the_valid_split(
    be: Backend, tmp_path: Path, kind: str, of: str, layout: str
) -> None:
    """Against the model run on each sequence alone."""
    corpus = learnable(tmp_path / "a.h5", kind, of)
    config = settings(kind, of, layout, "float64", validate_windows=1000)
    new_run(be, corpus, config, tmp_path / "run", refuse_warnings).run(Limits(windows=40))
    line = log_without_clock(tmp_path / "run")[-1]
    trained = load_trained(tmp_path / "run", be, checkpoint="last")
    split = corpus.split("valid")
    begins = np.append(np.zeros(len(split.documents), np.uint64), np.uint64(len(split)))
    split.documents.read(0, begins[:-1])
    targets = np.zeros(corpus.targets("valid"), "u1")
    split.targets.read(0, targets)
    nats, right = [], []
    for number, (a, b) in enumerate(zip(begins[:-1].tolist(), begins[1:].tolist(), strict=True)):
        o = outputs(trained.model, corpus, split, a, b)
        o = o[-1:] if kind == "labels" else o
        truth = targets[number : number + 1] if kind == "labels" else targets[a:b]
        p = np.exp(o) / np.exp(o).sum(axis=1, keepdims=True)
        nats += (-np.log(p[np.arange(len(o)), truth])).tolist()
        right += (o.argmax(axis=1) == truth).tolist()
    assert line["window"] == 40 and line["valid_loss"] == pytest.approx(np.mean(nats), rel=1e-9)
    assert line["valid_accuracy"] == pytest.approx(np.mean(right)) and 0 < line["valid_macro_f1"] <= 1
    assert ("valid_span_f1" in line) == (kind == "tags") and "nats_per_token" not in line


def outputs(model: Any, corpus: Corpus, split: Any, a: int, b: int) -> np.ndarray:
    """(n, K), what the model says of the steps of a sequence."""
    from gpurnn.api.models import _window
    from gpurnn.training.feed import Feed

    name = model.parts[0].fields[0].name
    if name == "tokens":
        x: np.ndarray = np.zeros(b - a, split.dtype)
        split.read(a, x)
        x = x.astype(np.int32)[:, None]
    else:
        raw = np.zeros((b - a, 2), np.float32)
        split.read_rows(a, raw)
        x = ((raw - corpus.columns.mean) / corpus.columns.scale)[:, None].astype(np.float64)
        x = x.astype(np.float32).astype(np.float64)
    workspace = model.workspace(1, b - a, train=False)
    Feed(model.be, workspace.batch).load(_window(model.fields, name, x))
    model.forward(workspace, model.state(1))
    found: np.ndarray = model.be.to_host(workspace.o)
    return found


@pytest.mark.parametrize(("kind", "of"), KINDS)
def test_a_model_keeps_its_labels(be: Backend, tmp_path: Path, kind: str, of: str) -> None:
    corpus = learnable(tmp_path / "a.h5", kind, of)
    new_run(be, corpus, settings(kind, of), tmp_path / "run", refuse_warnings).run(Limits(windows=3))
    trained = load_trained(tmp_path / "run", be)
    write_model(tmp_path / "model", trained.model, trained.meaning, trained.config)
    for found in (trained, load_trained(tmp_path / "model", be)):
        mine = found.labelling
        assert mine.differs(Labelling.of(corpus)) == "" and mine.labels == TAGS and mine.what == kind
        assert mine.scheme == ("IOB2" if kind == "tags" else None)
        np.testing.assert_array_equal(mine.counts, corpus.label_counts)
        for other in ("language", "forecast"):
            with pytest.raises(DataError, match=f"a model of {kind}, not of"):
                getattr(found, other)


def test_a_run_that_begins_with_another_needs_its_labels(be: Backend, tmp_path: Path) -> None:
    corpus = learnable(tmp_path / "a.h5", "tags", "symbols")
    new_run(be, corpus, settings("tags", "symbols"), tmp_path / "run", refuse_warnings).run(Limits(windows=3))
    new_run(be, corpus, settings("tags", "symbols", seed=2), tmp_path / "again", refuse_warnings, tmp_path / "run")
    other = learnable(tmp_path / "b.h5", "tags", "symbols", ("O", "B-Y", "I-Y"))
    with pytest.raises(CheckpointError, match=r"its tags are not those of .*b\.h5"):
        new_run(be, other, settings("tags", "symbols"), tmp_path / "third", refuse_warnings, tmp_path / "run")
    labels = learnable(tmp_path / "c.h5", "labels", "symbols")
    with pytest.raises(CheckpointError, match=r"its model is one of tags, .*c\.h5 holds labels"):
        new_run(be, labels, settings("labels", "symbols"), tmp_path / "third", refuse_warnings, tmp_path / "run")
    assert not (tmp_path / "third").exists()


def begin(corpus: Corpus, output: Path, **given: Any) -> TrainConfig:
    given = {"corpus": corpus.path, "output": output, "device": "cpu", **given}
    with trainer_of(given, refuse_warnings) as trainer:
        return trainer.learner.config


def test_the_corpus_says_what_is_not_given(tmp_path: Path) -> None:
    tags = learnable(tmp_path / "a.h5", "tags", "symbols")
    config = begin(tags, tmp_path / "r", both_directions=True, label_smoothing=0.1)
    model = config.model
    assert (model.symbols, model.inputs, model.outputs, model.pool) == (3, 0, 3, "")
    assert (model.stack, model.head, config.layout) == (("dropout", "both_directions"), "smoothed_softmax", "whole")
    assert (config.bptt, config.lanes) == (16, 128), "the longest has 14 steps; as many in all as usually"
    assert config.schedule.decay_windows >= 400 and config.validate_every == 20, "an epoch is shorter"
    assert (model.dropout, config.schedule.lr) == (0.3, 8e-3)
    rows = learnable(tmp_path / "b.h5", "labels", "reals")
    config = begin(rows, tmp_path / "q", layout="through", bptt=8, lanes=2, class_weights="balanced")
    assert (config.model.input, config.model.inputs, config.model.outputs) == ("real", 2, 3)
    assert (config.model.pool, config.layout, config.class_weights) == ("last", "through", ("balanced",))
    assert (config.model.dropout, config.schedule.lr) == (0.5, 4e-3)
    written = json.loads((tmp_path / "q" / "config.json").read_text())["training"]
    assert written["class_weights"] == ["balanced"] and "layout" not in written


def test_of_equals_the_lower_loss_is_better() -> None:
    found = [LabelLosses(9.0, 0.9, 0.9, None), LabelLosses(2.0, 0.8, 0.8, 1.0), LabelLosses(1.0, 0.8, 0.8, 1.0)]
    judged = [each.judged("all") for each in found]
    assert judged == pytest.approx([0.1, 0, 0], abs=1e-6) and judged[1] > judged[2] > 0
    assert math.isnan(LabelLosses(math.inf, 0.9, 0.9, None).judged("all"))


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        ("tags", {"target": "x"}, "`target` is for measured series"),
        ("tags", {"pool": "mean"}, "`pool` is for labels of whole sequences"),
        ("tags", {"layout": "across"}, "`layout`: expected one of whole, through"),
        ("tags", {"layout": "through", "both_directions": True}, "`both_directions` needs whole sequences"),
        ("tags", {"layout": "through", "cut": True}, "`cut` needs whole sequences"),
        ("tags", {"context": 2}, "context: only what is cut"),
        ("labels", {"cut": True, "context": 2}, "context: only the last step of a sequence counts"),
        ("tags", {"class_weights": "B-Z=2"}, "`class_weights`: expected balanced, or LABEL=W of the labels 'O'"),
        ("tags", {"class_weights": ["O=0", "B-X=0", "I-X=0"]}, "every weight is 0"),
        ("tags", {"class_weights": ["O=-1"]}, "O=-1: expected a number, 0 or more"),
        ("tags", {"label_smoothing": 1.0}, "`label_smoothing`: expected 0 <= value < 1"),
        ("tags", {"bptt": 8}, "use `bptt=16`, or cut"),
    ],
)
def test_settings_that_do_not_go_together(tmp_path: Path, kind: str, given: dict[str, Any], told: str) -> None:
    corpus = learnable(tmp_path / "a.h5", kind, "symbols")
    with pytest.raises((UsageError, DataError)) as raised:
        begin(corpus, tmp_path / "r", **given)
    assert told in str(raised.value)
    assert not (tmp_path / "r").exists()


def test_weights_of_labels(tmp_path: Path) -> None:
    labelling = Labelling.of(learnable(tmp_path / "a.h5", "tags", "symbols"))
    n = labelling.counts
    np.testing.assert_allclose(weights_of(("balanced",), labelling), n.sum() / (3 * n), rtol=1e-6)  # type: ignore[arg-type]
    np.testing.assert_array_equal(weights_of(("O=0.25",), labelling), [0.25, 1, 1])  # type: ignore[arg-type]
    assert weights_of((), labelling) is None
    spelt = replace(labelling, labels=("O", "B-X", SPACE), vocabulary=Vocabulary("chars", ["x", "y", " "]))
    assert spelt.space == 2
    np.testing.assert_array_equal(weights_of((), spelt), [1, 1, 0])  # type: ignore[arg-type]
    found = weights_of(("balanced",), spelt)
    np.testing.assert_allclose(found, [n[:2].sum() / (2 * n[0]), n[:2].sum() / (2 * n[1]), 0], rtol=1e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", ["IOB2", "IOB1", "IOBES", None])
def test_the_scheme_of_tags_is_that_of_the_train_split(
    tmp_path: Path, scheme: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A space stands between the words of a sentence, and is no tag."""
    monkeypatch.setattr("gpurnn.data.labelled.labelling._BLOCK", 3)
    sentences = {
        "IOB2": ["B-X", "I-X", "B-X", "O", "B-Y"],
        "IOB1": ["I-X", "I-X", "B-X", "O", "I-Y"],
        "IOBES": ["B-X", "E-X", "O", "S-Y", "S-X"],
        None: ["noun", "verb", "noun", "O", "O"],
    }
    sentence = sentences[scheme]
    labels = (*sorted(set(sentence)), SPACE)
    one = [labels.index(each) for tag in sentence for each in (tag, SPACE)][:-1]
    targets = np.array(one * 3, "u1")
    begins = np.arange(3, dtype="<u8") * len(one)
    made = Made(
        "tags",
        {"train": {"tokens": np.zeros(len(targets), "u1"), "documents": begins, "targets": targets}},
        Tables(vocabulary=Vocabulary("chars", ["a", "b"]), labels=labels),
        TextPolicy(),
        {"vocabulary": [len(targets), 0], "labels": np.bincount(targets).tolist()},
    )
    made.write(tmp_path / "a.h5")
    found = Labelling.of(Corpus.open(tmp_path / "a.h5"))
    assert found.scheme == scheme and found.spelt and found.space == len(labels) - 1


def test_info_tells_how_sequences_are_read_and_what_was_found(be: Backend, tmp_path: Path) -> None:
    corpus = learnable(tmp_path / "a.h5", "tags", "symbols")
    config = settings("tags", "symbols", class_weights=("balanced",), validate_every=7)
    new_run(be, corpus, config, tmp_path / "run", refuse_warnings).run(Limits(windows=14))
    told = describe_run(tmp_path / "run", refuse_warnings)
    assert told["model"]["both_directions"] is True and "pool" not in told["model"]
    assert told["training"]["layout"] == "whole" and told["training"]["class_weights"] == ["balanced"]
    assert told["corpus"]["labelled"] == "tags"
    lines = log_without_clock(tmp_path / "run")
    best = max(line["valid_span_f1"] for line in lines)
    assert told["loss"]["best_span_f1"] == pytest.approx(best) and "best_valid" not in told["loss"]
    assert told["loss"]["valid_accuracy"] == lines[-1]["valid_accuracy"]
