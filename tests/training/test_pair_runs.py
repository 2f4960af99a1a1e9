"""Runs on pairs and captions: the bits of a resume, the log, what a model keeps, which settings go together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.pairs.language import PairLanguage
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
from gpurnn.training.tasks.pairs import Pairs
from tests.corpora import Made

from .alike import check_resumes, log_without_clock, refuse_warnings

LETTERS, SOUNDS = Vocabulary("chars", list("abc")), Vocabulary("chars", list("xyz"))
VECTOR = 3


def learnable(path: Path, kind: str, target: Vocabulary = SOUNDS) -> Corpus:
    """Each letter has one sound; or the largest of three numbers says which sound there is, and once more."""
    rng = np.random.default_rng(4)
    splits: dict[str, Any] = {}
    for name, count in {"train": 80, "valid": 20}.items():
        if kind == "pairs":
            sources = [rng.integers(0, 3, rng.integers(1, 8)) for _ in range(count)]
            targets = sources
            split = side("source", "source_documents", sources)
        else:
            vectors = rng.normal(size=(count, VECTOR)).astype("<f4")
            targets = [np.repeat(each.argmax(), 2) for each in vectors]
            split = {"vectors": vectors}
        splits[name] = split | side("tokens", "documents", targets)
    counts = {"vocabulary": np.bincount(splits["train"]["tokens"], minlength=3).tolist()}
    if kind == "captions":
        made = Made(kind, splits, Tables(vocabulary=target), TextPolicy(), counts, vectors=VECTOR)
    else:
        counts["source_vocabulary"] = np.bincount(splits["train"]["source"], minlength=3).tolist()
        made = Made(kind, splits, Tables(vocabulary=target, source=LETTERS), TextPolicy(), counts)
    made.write(path)
    return Corpus.open(path)


def side(name: str, documents: str, found: list[np.ndarray]) -> dict[str, np.ndarray]:
    ends = np.cumsum([len(each) for each in found])
    return {name: np.concatenate(found).astype("u1"), documents: np.append(0, ends[:-1]).astype("<u8")}


def settings(kind: str, dtype: str = "float32", **changes: Any) -> TrainConfig:
    pairs = kind == "pairs"
    model = ModelConfig(
        4,
        cell="lstm",
        hidden=12,
        dropout=0.05,
        dtype=dtype,
        embedding=5,
        start="encoder" if pairs else "vector",
        source=3 if pairs else 0,
        source_embedding=5 if pairs else 0,
        encoder=("both_directions", "dropout") if pairs else (),
        vectors=0 if pairs else VECTOR,
    )
    config = TrainConfig(
        model,
        OptimizerConfig("adam", average=0.2),
        ScheduleConfig("constant", lr=0.02),
        lanes=3,
        bptt=16 if pairs else 10,
        target_bptt=12 if pairs else 0,
        layout="whole",
        restart=0.0,
        log_every=10,
        validate_every=20,
    )
    return replace(config, **changes)


THROUGH: dict[str, Any] = {"layout": "through", "bptt": 4, "restart": 0.1}
"""Captions of up to three steps, cut where windows end."""


@pytest.mark.parametrize(("kind", "more"), [("pairs", {}), ("captions", {}), ("captions", THROUGH)])
def test_a_resumed_run_has_the_bits_of_one_that_was_not_stopped(
    be: Backend, tmp_path: Path, kind: str, more: dict[str, Any]
) -> None:
    corpus, config = learnable(tmp_path / "a.h5", kind), settings(kind, **more)
    lines = check_resumes(be, corpus, config, tmp_path, (33, 60))
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"], "it learnt something, so bits moved"
    assert lines[-1]["valid_loss"] < lines[1]["valid_loss"] and 0 <= lines[-1]["valid_exact"] <= 1


def test_info_tells_what_is_read_and_how_much_comes_out_right(be: Backend, tmp_path: Path) -> None:
    config = settings("pairs", validate_every=2)
    config = replace(config, model=replace(config.model, attention="dot"))
    new_run(be, learnable(tmp_path / "a.h5", "pairs"), config, tmp_path / "run", refuse_warnings).run(Limits(windows=4))
    told = describe_run(tmp_path / "run", refuse_warnings)
    model = {name: told["model"][name] for name in ("symbols", "source_symbols", "attention", "both_directions")}
    assert model == {"symbols": 4, "source_symbols": 3, "attention": "dot", "both_directions": True}
    assert (told["training"]["steps"], told["training"]["target_steps"]) == (16, 12)
    assert told["loss"]["valid_exact"] == log_without_clock(tmp_path / "run")[-1]["valid_exact"]


@pytest.mark.parametrize("kind", ["pairs", "captions"])
def test_the_validation_counts_texts_that_come_out_right(be: Backend, tmp_path: Path, kind: str) -> None:
    """Against windows of one pair each."""
    corpus = learnable(tmp_path / "a.h5", kind)
    config = settings(kind, "float64", validate_windows=1000)
    trainer = new_run(be, corpus, config, tmp_path / "run", refuse_warnings)
    trainer.run(Limits(windows=60))
    line = log_without_clock(tmp_path / "run")[-1]
    alone = trainer.learner.task
    alone.config = replace(config, lanes=1, bptt=7 if kind == "pairs" else 9, target_bptt=9 if kind == "pairs" else 0)
    alone._forward = None  # type: ignore[attr-defined]
    found = alone.validate(trainer.learner.validated, lambda: False)
    assert found is not None and found.mean == pytest.approx(line["valid_loss"], rel=1e-9)
    assert found.to_json()["valid_exact"] == line["valid_exact"] > 0


def test_lanes_through_captions_are_validated_whole(be: Backend, tmp_path: Path) -> None:
    """The same parameters have the same validation in both layouts, whatever windows cut."""
    corpus = learnable(tmp_path / "a.h5", "captions")
    trainer = new_run(be, corpus, settings("captions", **THROUGH), tmp_path / "run", refuse_warnings)
    trainer.run(Limits(windows=20))
    model, through = trainer.learner.validated, trainer.learner.task
    whole = Pairs(corpus, settings("captions"))
    one, two = (task.validate(model, lambda: False) for task in (through, whole))
    assert one is not None and two is not None
    assert (one.mean, one.exact) == (pytest.approx(two.mean, rel=1e-6), two.exact)


def test_files_of_earlier_runs_on_captions_have_them_whole() -> None:
    """Which speak of no layout; new ones are the same."""
    plain = settings("captions").to_json()
    assert "layout" not in plain and TrainConfig.from_json(plain, "file").layout == "whole"
    through = settings("captions", layout="through").to_json()
    assert through["layout"] == "through" == TrainConfig.from_json(through, "file").layout


@pytest.mark.parametrize("kind", ["pairs", "captions"])
def test_a_model_keeps_both_vocabularies(be: Backend, tmp_path: Path, kind: str) -> None:
    corpus = learnable(tmp_path / "a.h5", kind)
    new_run(be, corpus, settings(kind), tmp_path / "run", refuse_warnings).run(Limits(windows=3))
    trained = load_trained(tmp_path / "run", be)
    write_model(tmp_path / "model", trained.model, trained.meaning, trained.config)
    for found in (trained, load_trained(tmp_path / "model", be)):
        mine = found.pairs
        assert mine.differs(PairLanguage.of(corpus)) == "" and mine.end == 3 and mine.symbols == 4
        assert (mine.source is None) == (kind == "captions") and mine.vectors == (VECTOR if kind == "captions" else 0)
        for other in ("language", "forecast", "labelling"):
            with pytest.raises(DataError, match=f"a model of {kind}, not of"):
                getattr(found, other)


def test_a_run_that_begins_with_another_needs_its_vocabularies(be: Backend, tmp_path: Path) -> None:
    corpus = learnable(tmp_path / "a.h5", "pairs")
    new_run(be, corpus, settings("pairs"), tmp_path / "run", refuse_warnings).run(Limits(windows=3))
    new_run(be, corpus, settings("pairs", seed=2), tmp_path / "again", refuse_warnings, tmp_path / "run")
    other = learnable(tmp_path / "b.h5", "pairs", Vocabulary("chars", list("xyw")))
    with pytest.raises(CheckpointError, match=r"its target vocabulary are not those of|its target vocabulary"):
        new_run(be, other, settings("pairs"), tmp_path / "third", refuse_warnings, tmp_path / "run")
    assert not (tmp_path / "third").exists()


def begin(corpus: Corpus, output: Path, **given: Any) -> TrainConfig:
    given = {"corpus": corpus.path, "output": output, "device": "cpu", **given}
    with trainer_of(given, refuse_warnings) as trainer:
        return trainer.learner.config


def test_the_corpus_says_what_is_not_given(tmp_path: Path) -> None:
    config = begin(learnable(tmp_path / "a.h5", "pairs"), tmp_path / "r", both_directions=True, embedding=7)
    model = config.model
    assert (model.symbols, model.source, model.embedding, model.source_embedding) == (4, 3, 7, 7)
    assert (model.encoder, model.start) == (("both_directions", "dropout"), "encoder")
    assert (config.bptt, config.target_bptt, config.lanes) == (16, 32, 64), "a target has a step more, for its end"
    captions = learnable(tmp_path / "b.h5", "captions")
    config = begin(captions, tmp_path / "q", hidden=5)
    assert (config.model.start, config.model.vectors, config.bptt, config.target_bptt) == ("vector", VECTOR, 16, 0)
    config = begin(captions, tmp_path / "s", layout="through")
    assert (config.lanes, config.bptt, config.layout) == (1, 64, "through"), "as of a text of 240 steps"
    config = begin(captions, tmp_path / "t", layout="through", bptt=8)
    assert (config.lanes, config.bptt) == (1, 8)


def test_without_validations_there_is_no_patience_that_nobody_asked_for(tmp_path: Path) -> None:
    """So nobody is warned of it; of one that was given somebody is."""
    corpus = learnable(tmp_path / "a.h5", "pairs")
    assert begin(corpus, tmp_path / "r").patience == 10
    assert begin(corpus, tmp_path / "s", validate_every=0).patience == 0
    with pytest.raises(AssertionError, match="`patience=3` never ends training"):
        begin(corpus, tmp_path / "t", validate_every=0, patience=3)


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        ("pairs", {"pool": "mean"}, "`pool` is for labels and tags"),
        ("pairs", {"layout": "through"}, "`layout` is for labels, tags and captions"),
        ("captions", {"layout": "across"}, "`layout`: expected one of"),
        ("captions", {"attention": "dot"}, "`attention` is for pairs"),
        ("captions", {"both_directions": True}, "`both_directions` is for labels, tags, pairs and frames"),
        ("pairs", {"bptt": 4}, "`bptt=16`"),
        ("pairs", {"target_bptt": 4}, "`target_bptt=16`"),
        ("pairs", {"attention": "cosine"}, "`attention`: expected one of"),
    ],
)
def test_settings_that_do_not_go_together(tmp_path: Path, kind: str, given: dict[str, Any], told: str) -> None:
    corpus = learnable(tmp_path / "a.h5", kind)
    with pytest.raises((UsageError, DataError)) as raised:
        begin(corpus, tmp_path / "r", **given)
    assert told in str(raised.value)
    assert not (tmp_path / "r").exists()
