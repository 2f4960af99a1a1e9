"""The loop: what it logs, when it validates and stops, and what a window that is not finite leaves."""

from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import WindowStream
from gpurnn.exceptions import TrainingError
from gpurnn.network.cells import CELLS
from gpurnn.runs.checkpoint import read_checkpoint
from gpurnn.training.config import Limits
from gpurnn.training.learner import Learner
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.session import new_run, resumed_run
from gpurnn.training.snapshot import load_model
from gpurnn.training.trainer import Trainer

from .alike import log_without_clock, refuse_warnings
from .test_resume import settings

LINE = ["window", "epoch", "nats_per_token", "bits_per_char", "learning_rate", "gradient_norm", "tokens_per_second"]


def trainer_on(be: Backend, corpus: Corpus, path: Path, **changes: object) -> Trainer:
    return new_run(be, corpus, settings(corpus, **changes), path, refuse_warnings)


def test_the_log_says_what_happened(be: Backend, corpus: Corpus, tmp_path: Path):
    seen: list[dict] = []
    trainer = trainer_on(be, corpus, tmp_path / "run", log_every=5, validate_every=10)
    trainer.run(Limits(windows=20), on_line=seen.append)
    entries = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert entries == seen
    assert [entry["window"] for entry in entries] == [5, 10, 15, 20]
    assert [list(entry)[:7] for entry in entries] == [LINE] * 4
    assert ["valid_nats_per_token" in entry for entry in entries] == [False, True, False, True]
    first = entries[0]
    assert first["nats_per_token"] == pytest.approx(math.log(len(corpus.vocabulary)), rel=0.1)
    assert first["bits_per_char"] == pytest.approx(first["nats_per_token"] / math.log(2), rel=1e-12)
    assert first["learning_rate"] == pytest.approx(0.01 * 5 / 20)
    assert first["epoch"] == pytest.approx(5 / trainer.learner.windows_per_epoch, abs=1e-4)


def test_the_log_says_what_clipping_and_updates_did(be: Backend, corpus: Corpus, tmp_path: Path):
    """Of every window since the last line, as a log with a line for each window has them."""
    clip = OptimizerConfig("adam", clip=0.2)
    lines = []
    for every in (1, 5):
        run = trainer_on(be, corpus, tmp_path / f"every{every}", log_every=every, validate_every=10, optimizer=clip)
        run.run(Limits(windows=20))
        lines.append([json.loads(line) for line in (tmp_path / f"every{every}" / "log.jsonl").read_text().splitlines()])
    single, sums = lines
    norms = np.array([line["gradient_norm"] for line in single]).reshape(4, 5)
    assert [line["gradient_norm_max"] for line in sums] == norms.max(axis=1).tolist()
    assert [line["clipped_windows"] for line in sums] == (norms > 0.2).sum(axis=1).tolist()
    assert 0 < (norms > 0.2).sum() < 20
    assert [line["update_ratio"] for line in sums] == [line["update_ratio"] for line in single[4::5]]
    assert all(0 < line["update_ratio"] < 1 for line in single)


def test_logged_loss_is_the_weighted_mean_of_the_windows(be: Backend, corpus: Corpus, tmp_path: Path):
    """With a rate of 0 and no dropout the model stands still, and the log can be worked out afterwards."""
    config = settings(corpus, schedule=ScheduleConfig(lr=0.0), log_every=40, validate_every=40, restart=0.0)
    config = replace(config, model=replace(config.model, dropout=0.0))
    trainer = new_run(be, corpus, config, tmp_path / "run", refuse_warnings)
    trainer.run(Limits(windows=40))
    from gpurnn.training.validation import ForwardPass, lane_losses

    with WindowStream(corpus, "train", lanes=config.lanes, steps=config.bptt, plan=False) as stream:
        passes = ForwardPass(trainer.learner.model, config.lanes, config.bptt).losses(islice(stream, 40))
        expected = lane_losses(passes, trainer.learner.model.head).mean
    (entry,) = log_without_clock(tmp_path / "run")
    assert entry["nats_per_token"] == pytest.approx(expected, rel=1e-6)


def test_limits_count_from_the_beginning_of_the_run(be: Backend, corpus: Corpus, tmp_path: Path):
    trainer = trainer_on(be, corpus, tmp_path / "run", validate_every=0)
    epoch = trainer.learner.windows_per_epoch
    assert trainer.run(Limits(windows=3)).windows == 3
    trainer = resumed_run(be, tmp_path / "run", refuse_warnings)
    outcome = trainer.run(Limits(epochs=1, windows=10**6))
    assert (outcome.windows, outcome.reason, outcome.exit_code) == (epoch, "1 epochs are done", 0)
    assert resumed_run(be, tmp_path / "run", refuse_warnings).run(Limits(epochs=1)).windows == epoch
    assert resumed_run(be, tmp_path / "run", refuse_warnings).run(Limits(minutes=1e-9)).windows == epoch


def test_early_stopping_and_the_best_checkpoint(be: Backend, corpus: Corpus, tmp_path: Path):
    """At a rate of 0 the first validation stays the best, and patience runs out."""
    schedule = ScheduleConfig(lr=0.0)
    trainer = trainer_on(be, corpus, tmp_path / "run", schedule=schedule, validate_every=4, patience=3)
    outcome = trainer.run(Limits(windows=1000))
    assert outcome.windows == 16
    assert trainer.learner.progress.best_window == 4
    assert outcome.valid == trainer.learner.progress.best
    assert (tmp_path / "run" / "best.safetensors").exists()


def test_what_is_validated_is_what_others_load(be: Backend, corpus: Corpus, tmp_path: Path):
    """The averaged parameters: their loss is the one of the log, and another one than that of the last update's."""
    trainer = trainer_on(be, corpus, tmp_path / "run", validate_every=12)
    outcome = trainer.run(Limits(windows=12))
    loaded = load_model(be, read_checkpoint(tmp_path / "run" / "best.safetensors"))
    assert be.to_host(loaded.params.values).tobytes() == be.to_host(trainer.learner.validated.params.values).tobytes()
    entry = log_without_clock(tmp_path / "run")[-1]
    assert outcome.valid == entry["valid_nats_per_token"] == trainer.learner.progress.best
    trainer.learner.model.params.values[...] = trainer.learner.validated.params.values
    trainer.learner.optimizer.average.fill(0)
    guessing = math.log(len(corpus.vocabulary))  # of the average: all symbols are alike
    assert trainer.learner.validate().mean == pytest.approx(guessing)
    trainer.learner.optimizer.average[...] = trainer.learner.model.params.values
    assert trainer.learner.validate().mean == outcome.valid


def test_plateaus_lower_the_logged_rate(be: Backend, corpus: Corpus, tmp_path: Path):
    schedule = ScheduleConfig("plateau", lr=1e-30, decay_factor=0.5, decay_patience=2, lr_floor=0.0)
    trainer = trainer_on(be, corpus, tmp_path / "run", schedule=schedule, validate_every=1, log_every=1)
    trainer.run(Limits(windows=8))
    rates = [entry["learning_rate"] for entry in log_without_clock(tmp_path / "run")]
    assert rates == pytest.approx([1e-30] * 3 + [5e-31] * 2 + [2.5e-31] * 2 + [1.25e-31])


def test_a_checkpoint_that_is_asked_for_is_written_once(
    be: Backend, corpus: Corpus, tmp_path: Path, default_signals: None
):
    def ask(learner: Learner) -> None:
        windows = learner.progress.windows
        if windows in (3, 10):  # the first validation, after window 10, saves anyway
            os.kill(os.getpid(), signal.SIGUSR1)
        if windows == 4:
            assert [path.name for path in saved.iterdir()] == ["window-0000000003.safetensors"]

    trainer, saved = trainer_on(be, corpus, tmp_path / "run", validate_every=10), tmp_path / "run" / "checkpoints"
    trainer.run(Limits(windows=13), on_window=ask)
    assert sorted(int(path.stem[7:]) for path in saved.iterdir()) == [10, 13]


class Poison:
    """Makes chosen windows of a trainer not finite: its gradient, or the states of one lane."""

    def __init__(self, trainer: Trainer, windows: set[int], lane: int | None = None) -> None:
        self._learner, self._windows, self._lane = trainer.learner, windows, lane
        self._backward = trainer.learner.model.backward

    def __call__(self, ws, d_last=None) -> None:
        self._backward(ws, d_last)
        if self._learner.progress.windows in self._windows:
            self._learner.model.params.gradient["output.c"][0] = math.nan
            if self._lane is not None:
                ws.layers[1].states["h"][ws.batch.steps, self._lane, 2] = math.inf


@pytest.mark.parametrize("cell", list(CELLS))
def test_a_window_that_is_not_finite_is_skipped(
    eager: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cell: str
):
    trainer = new_run(eager, corpus, settings(corpus, cell, log_every=1), tmp_path / "run", refuse_warnings)
    monkeypatch.setattr(trainer.learner.model, "backward", Poison(trainer, {3}, lane=4))
    kept: list[list[np.ndarray]] = []

    def keep(learner: Learner) -> None:
        arrays = [learner.model.params.values, *learner.optimizer.flats.values(), *learner.state.named().values()]
        kept.append([eager.to_host(array) for array in arrays])

    trainer.run(Limits(windows=6), on_window=keep)
    moments = 1 + len(trainer.learner.optimizer.flats)
    before, after = kept[2], kept[3]
    for one, other in zip(before[:moments], after[:moments], strict=True):
        assert one.tobytes() == other.tobytes()
    for one, other in zip(before[moments:], after[moments:], strict=True):
        assert np.all(other[4] == 0) and np.any(one[4] != 0)
        assert np.delete(one, 4, axis=0).tobytes() == np.delete(other, 4, axis=0).tobytes()
    assert all(np.isfinite(array).all() for arrays in kept for array in arrays)
    assert kept[4][0].tobytes() != after[0].tobytes()
    entries = log_without_clock(tmp_path / "run")
    assert [entry.get("skipped_windows", 0) for entry in entries] == [0, 0, 0, 1, 1, 1]
    assert entries[3]["gradient_norm"] is None and entries[3]["nats_per_token"] is None


def test_too_many_skipped_windows_stop_training(
    eager: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trainer = trainer_on(eager, corpus, tmp_path / "run", skip_limit=4, log_every=10)
    monkeypatch.setattr(trainer.learner.model, "backward", Poison(trainer, set(range(12, 17))))
    with pytest.raises(TrainingError, match=r"5 windows in a row were skipped.*`lr`"):
        trainer.run(Limits(windows=100))
    assert trainer.learner.progress.windows == 20
