"""A signal during training: the window is finished, the run is saved, and goes on to the same bits."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from signalled import send

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.exceptions import CheckpointError
from gpurnn.runs.checkpoint import read_checkpoint
from gpurnn.runs.log import read_log
from gpurnn.signals import SAVE, STOPS
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.learner import Learner
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.session import new_run, resumed_run
from gpurnn.training.snapshot import Progress
from gpurnn.training.trainer import Trainer
from gpurnn.training.validation import ForwardPass

from .alike import refuse_warnings, tensors
from .test_resume import settings

pytestmark = pytest.mark.usefixtures("default_signals")

CLOCK = ("seconds", "tokens_per_second")


def log(run: Path) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in entry.items() if name not in CLOCK} for entry in read_log(run / "log.jsonl")
    ]


def plateaus(corpus: Corpus) -> TrainConfig:
    """Settings with which a validation decides about the parameters that follow, and never finds a better loss."""
    schedule = ScheduleConfig("plateau", lr=0.05, decay_factor=0.5, decay_patience=1)
    return settings(corpus, schedule=schedule, validate_every=4, log_every=3)


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_finishes_the_window_and_saves(be: Backend, corpus: Corpus, tmp_path: Path, number: signal.Signals):
    trainer = new_run(be, corpus, settings(corpus), tmp_path / "run", refuse_warnings)
    outcome = trainer.run(Limits(), on_window=lambda learner: send(number) if learner.progress.windows == 5 else None)
    assert (outcome.windows, outcome.exit_code, outcome.valid) == (5, 128 + number, None)
    assert outcome.reason == f"stopped by {number.name}"
    assert Path(outcome.checkpoint).name == "window-0000000005.safetensors"
    assert resumed_run(be, tmp_path / "run", refuse_warnings).learner.progress.windows == 5


def during_validation(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> list[int]:
    """Call `act` with the number of each window of a validation once it is read; returns the list of all of them."""
    losses, seen = ForwardPass.losses, list[int]()

    def watched(self: ForwardPass, windows: Any) -> Iterator[Any]:
        for number, each in enumerate(losses(self, windows)):
            seen.append(number)
            act(number)
            yield each

    monkeypatch.setattr(ForwardPass, "losses", watched)
    return seen


@pytest.mark.parametrize("at", [0, 4])
def test_a_validation_that_is_cut_is_made_by_the_resume(
    be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
):
    """at: the window of the validation in which the signal comes; 4 is the last one."""
    config = plateaus(corpus)
    new_run(be, corpus, config, tmp_path / "whole", refuse_warnings).run(Limits(windows=12))
    trainer = new_run(be, corpus, config, tmp_path / "parts", refuse_warnings)
    with monkeypatch.context() as patched:
        seen = during_validation(
            patched,
            lambda number: send(signal.SIGHUP) if (number, trainer.learner.progress.windows) == (at, 8) else None,
        )
        outcome = trainer.run(Limits(windows=12))
        assert seen == [*range(5), *range(at + 1)]
    assert (outcome.windows, outcome.exit_code, outcome.reason) == (8, 129, "stopped by SIGHUP")
    assert [entry["window"] for entry in log(tmp_path / "parts")] == [3, 4, 6]
    assert read_checkpoint(Path(outcome.checkpoint)).header["progress"]["line_due"] is True
    for limit in (8, 12):  # what is due is made even where nothing else is left to do
        resumed_run(be, tmp_path / "parts", refuse_warnings).run(Limits(windows=limit))
    assert log(tmp_path / "parts") == log(tmp_path / "whole")
    for windows in (8, 12):
        mine, theirs = tensors(tmp_path / "parts", windows), tensors(tmp_path / "whole", windows)
        assert all(array.tobytes() == theirs[name].tobytes() for name, array in mine.items())


def test_a_validation_that_follows_a_signal_is_cut_after_its_first_window(
    be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trainer = new_run(be, corpus, plateaus(corpus), tmp_path / "run", refuse_warnings)
    seen = during_validation(monkeypatch, lambda number: None)

    def stop(learner: Learner) -> None:
        if learner.progress.windows == 4:
            send(signal.SIGXCPU)

    outcome = trainer.run(Limits(), on_window=stop)
    assert (outcome.windows, outcome.exit_code, seen) == (4, 128 + signal.SIGXCPU, [0])


def test_the_validation_at_the_end_can_be_stopped(
    be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trainer = new_run(be, corpus, settings(corpus), tmp_path / "run", refuse_warnings)
    seen = during_validation(monkeypatch, lambda number: send(signal.SIGUSR2) if number == 1 else send(SAVE))
    outcome = trainer.run(Limits(windows=3))
    assert (outcome.windows, outcome.exit_code, outcome.valid) == (3, 128 + signal.SIGUSR2, None)
    assert outcome.reason == "3 windows are done; stopped by SIGUSR2"
    assert seen == [0, 1]
    assert resumed_run(be, tmp_path / "run", refuse_warnings).learner.progress.windows == 3


@pytest.mark.parametrize("number", STOPS)
def test_a_second_signal_saves_nothing(be: Backend, corpus: Corpus, tmp_path: Path, number: signal.Signals):
    class AtOnceError(BaseException):
        pass

    def at_once(number: int, frame: object) -> None:
        raise AtOnceError

    def twice(learner: Learner) -> None:
        if learner.progress.windows == 5:
            send(signal.SIGHUP)
            send(number)

    signal.signal(number, at_once)
    trainer: Trainer = new_run(be, corpus, settings(corpus), tmp_path / "run", refuse_warnings)
    with pytest.raises(AtOnceError):
        trainer.run(Limits(), on_window=twice)
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []


def test_only_true_says_that_a_line_is_due():
    data = Progress(line_missing=True).to_json()
    assert data["line_due"] is True and Progress.from_json(data, "x").line_missing
    assert "line_due" not in Progress().to_json()
    for other in (False, None, 1, "true"):
        with pytest.raises(CheckpointError, match="x: progress: line_due: expected true"):
            Progress.from_json(data | {"line_due": other}, "x")
