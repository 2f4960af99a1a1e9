"""Runs on measured series: the bits of a resume, what the log says, what a model keeps of its columns."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.series.columns import Columns
from gpurnn.data.stream.stretches import StretchStream
from gpurnn.exceptions import CheckpointError, DataError, GpurnnError, UsageError
from gpurnn.network import ModelConfig
from gpurnn.training.begin import trainer_of
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.describe import describe_run
from gpurnn.training.load import load_trained
from gpurnn.training.model_file import write_model
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.session import new_run
from gpurnn.training.tasks.series import LOSSES
from gpurnn.training.validation import ForwardPass
from tests.corpora import HOUR, Made, columns

from .alike import check_resumes, log_without_clock, refuse_warnings

QUANTILES = (0.2, 0.5, 0.9)


def waves(path: Path, columns: Columns) -> Corpus:
    """Two stations whose temperature is a daily wave with noise; what is missing is missing at random."""
    generator, begin = np.random.default_rng(1), 1_357_000_000 // HOUR * HOUR
    splits, time = {}, begin
    for name, count in {"train": 400, "valid": 60, "test": 60}.items():
        hours = np.arange(count)[:, None] + (time - begin) // HOUR
        stations = []
        for phase in (0.0, 1.0):
            wave = 10 + 5 * np.sin(2 * np.pi * hours / 24 + phase) + generator.normal(0, 0.3, (count, 1))
            stations.append(np.concatenate((wave, generator.normal(3, 1, (count, 1))), axis=1))
        reals = np.concatenate(stations).astype("<f4")
        reals[generator.random(reals.shape) < 0.03] = np.nan
        splits[name] = {
            "reals": reals,
            "documents": np.array([0, count], "<u8"),
            "keys": np.array([0, 1], "u1"),
            "starts": np.array([time, time], "<i8"),
        }
        time += count * HOUR
    Made("series", splits, Tables(columns=columns, keys=("A", "B"))).write(path)
    return Corpus.open(path)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return waves(tmp_path / "waves.h5", columns("temp", "wind", key="place", time=("time",)))


def settings(loss: str = "absolute", dtype: str = "float32", **changes: Any) -> TrainConfig:
    quantiles = QUANTILES if loss == "quantile" else ()
    model = ModelConfig(
        0,
        cell="gru",
        hidden=9,
        layers=2,
        dropout=0.1,
        dtype=dtype,
        inputs=2,
        outputs=2 * max(1, len(quantiles)),
        input="real",
        head=loss,
        quantiles=quantiles,
    )
    config = TrainConfig(
        model,
        OptimizerConfig("adam", average=0.2),
        ScheduleConfig("constant", lr=0.01),
        lanes=4,
        bptt=12,
        restart=0.1,
        log_every=7,
        validate_every=20,
        target=("temp",),
        ahead=("3h", "6h"),
        burn_in=3,
    )
    return replace(config, **changes)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_resumed_run_has_the_bits_of_one_that_was_not_stopped(
    be: Backend, corpus: Corpus, tmp_path: Path, loss: str
) -> None:
    config = settings(loss)
    lines = check_resumes(be, corpus, config, tmp_path, (33, 80))
    assert lines[-1]["loss"] < 0.7 * lines[0]["loss"], "it learnt something, so bits moved"


@pytest.mark.parametrize("loss", LOSSES)
def test_the_log_says_the_error_in_the_unit_of_the_column(
    be: Backend, corpus: Corpus, tmp_path: Path, loss: str
) -> None:
    """Against a pass over the valid split with the model that was saved."""
    config = settings(loss, "float64", validate_windows=1000)
    new_run(be, corpus, config, tmp_path / "run", refuse_warnings).run(Limits(windows=40))
    line = log_without_clock(tmp_path / "run")[-1]
    trained = load_trained(tmp_path / "run", be, checkpoint="last")
    stream = StretchStream(corpus, "valid", trained.forecast, steps=32)
    forward, errors = ForwardPass(trained.model, stream.lanes, stream.steps), []
    middle = QUANTILES.index(0.5)
    for window, o, _ in forward.outputs(stream.recycled()):
        forecasts = o[..., middle :: len(QUANTILES)] if loss == "quantile" else o
        errors += list((np.abs(forecasts - window.targets) * corpus.columns.scale[0])[~np.isnan(window.targets)])
    assert len(errors) > 200
    assert line["window"] == 40 and line["valid_mae"] == pytest.approx(np.mean(errors), rel=1e-9)
    scale = corpus.columns.scale[0]
    if loss == "absolute":
        assert line["mae"] == line["loss"] * scale
    assert line.get("rmse") == (pytest.approx(np.sqrt(line["loss"]) * scale) if loss == "squared" else None)
    assert ("mae" in line) == (loss == "absolute") and "nats_per_token" not in line


def test_two_columns_have_no_unit_in_common(be: Backend, corpus: Corpus, tmp_path: Path) -> None:
    model = replace(settings().model, outputs=4)
    config = settings(model=model, target=("temp", "wind"), validate_every=7)
    new_run(be, corpus, config, tmp_path / "run", refuse_warnings).run(Limits(windows=7))
    line = log_without_clock(tmp_path / "run")[-1]
    assert {"loss", "valid_loss"} < set(line) and not {"mae", "valid_mae"} & set(line)


def test_a_model_keeps_its_columns_and_its_forecast(be: Backend, corpus: Corpus, tmp_path: Path) -> None:
    new_run(be, corpus, settings(), tmp_path / "run", refuse_warnings).run(Limits(windows=3))
    trained = load_trained(tmp_path / "run", be)
    write_model(tmp_path / "model", trained.model, trained.meaning, trained.config)
    for found in (trained, load_trained(tmp_path / "model", be)):
        mine, theirs = found.forecast.columns, corpus.columns
        assert mine.same_inputs(theirs) and (mine.key, mine.time, mine.form) == (theirs.key, theirs.time, theirs.form)
        assert found.forecast.names == ("temp+3h", "temp+6h") and found.forecast.steps == (3, 6)
        with pytest.raises(DataError, match="a model of measured series, not of text"):
            _ = found.language


def test_a_run_that_begins_with_another_needs_its_columns(be: Backend, corpus: Corpus, tmp_path: Path) -> None:
    new_run(be, corpus, settings(), tmp_path / "run", refuse_warnings).run(Limits(windows=3))
    again = new_run(be, corpus, settings(seed=2), tmp_path / "again", refuse_warnings, tmp_path / "run")
    first = load_trained(tmp_path / "run", be, checkpoint="last").model.params.value
    for name, array in again.learner.model.params.value.items():
        np.testing.assert_array_equal(be.to_host(array), be.to_host(first[name]))
    other = waves(tmp_path / "other.h5", replace(corpus.columns, mean=corpus.columns.mean + 1))
    with pytest.raises(CheckpointError, match=r"its columns, or their scaling, are not those of .*other\.h5"):
        new_run(be, other, settings(), tmp_path / "third", refuse_warnings, tmp_path / "run")
    assert not (tmp_path / "third").exists()


def begin(corpus: Corpus, output: Path, **given: Any) -> TrainConfig:
    given = {"corpus": corpus.path, "output": output, "device": "cpu", **given}
    with trainer_of(given, refuse_warnings) as trainer:
        return trainer.learner.config


def test_the_corpus_says_what_is_not_given(corpus: Corpus, tmp_path: Path) -> None:
    config = begin(corpus, tmp_path / "r", target="temp", ahead=["3h"])
    model = config.model
    assert (model.cell, model.head, model.input, model.inputs, model.outputs) == ("gru", "huber", "real", 2, 1)
    assert (config.target, config.ahead, config.burn_in) == (("temp",), ("3h",), 12)
    written = json.loads((tmp_path / "r" / "config.json").read_text())["training"]
    assert (written["target"], written["ahead"], written["burn_in"]) == (["temp"], ["3h"], 12)
    config = begin(corpus, tmp_path / "q", target="temp", ahead="3h", loss="quantile", quantiles=(0.1, 0.9), hidden=5)
    assert (config.model.quantiles, config.model.outputs, config.model.hidden) == ((0.1, 0.9), 2, 5)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "holds series; say what to forecast with `target=COLUMN` (temp, wind)"),
        ({"target": "temp"}, "holds series; say what to forecast with `ahead=24h` (temp, wind)"),
        ({"target": "temp", "ahead": "3h", "embedding": 4}, "`embedding` is for symbols; rows of numbers have none"),
        ({"target": "temp", "ahead": "3h", "loss": "l2"}, "`loss`: expected one of absolute, squared, huber, quantile"),
        ({"target": "temp", "ahead": "3h", "quantiles": (0.1,)}, "`quantiles` goes with `loss=quantile`"),
        ({"target": "temp", "ahead": "30min"}, "`ahead=30min`: expected a multiple of the interval between rows, 1 h"),
    ],
)
def test_settings_that_do_not_go_with_series(corpus: Corpus, tmp_path: Path, given: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as error:
        begin(corpus, tmp_path / "r", **given)
    assert told in str(error.value)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("name", ["target", "ahead", "loss", "quantiles"])
def test_settings_that_do_not_go_with_text(small_corpus: Path, tmp_path: Path, name: str) -> None:
    values: dict[str, Any] = {"target": "temp", "ahead": "1h", "loss": "huber", "quantiles": (0.5,)}
    with Corpus.open(small_corpus) as corpus, pytest.raises(GpurnnError) as error:
        begin(corpus, tmp_path / "r", **{name: values[name]})
    assert f"`{name}` is for measured series" in str(error.value)


def test_the_rate_falls_in_as_many_windows_as_suit_the_corpus(corpus: Corpus, tmp_path: Path) -> None:
    given = {"target": "temp", "ahead": "3h", "bptt": 1, "lanes": 1}
    assert begin(corpus, tmp_path / "r", **given).schedule == ScheduleConfig("cosine", lr=2e-3, decay_windows=2400)
    given |= {"bptt": 20, "lanes": 2}
    assert begin(corpus, tmp_path / "q", **given).schedule.decay_windows == 400
    assert begin(corpus, tmp_path / "p", **given, decay_epochs=2).schedule.decay_windows == 40
    assert begin(corpus, tmp_path / "o", **given, schedule="constant").schedule.decay_windows == 0


def test_info_tells_of_the_forecast_and_its_losses(be: Backend, corpus: Corpus, tmp_path: Path) -> None:
    new_run(be, corpus, settings(), tmp_path / "run", refuse_warnings).run(Limits(windows=40))
    found, lines = describe_run(tmp_path / "run", refuse_warnings), log_without_clock(tmp_path / "run")
    forecast = {name: found["training"][name] for name in ("target", "ahead", "loss")}
    assert forecast == {"target": ["temp"], "ahead": ["3h", "6h"], "loss": "absolute"}
    assert found["loss"]["train"] == lines[-1]["loss"] and found["loss"]["valid"] == lines[-1]["valid_loss"]
    assert found["loss"]["best_valid"] == min(line["valid_loss"] for line in lines if "valid_loss" in line)
