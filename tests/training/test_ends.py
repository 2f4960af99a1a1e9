"""Every end of a run tries to save, from memory alone; where it is an error, its notes say how that went."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream.windows import WindowMaker
from gpurnn.exceptions import BackendError, CorpusError, TrainingError, UsageError
from gpurnn.runs.checkpoint import read_checkpoint
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.learner import Learner
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.session import new_run, resumed_run
from gpurnn.training.trainer import Trainer

from .alike import assert_same_run, refuse_warnings
from .test_resume import settings
from .test_saving import Disk, windows
from .test_trainer import Poison

END, AT = 12, 6  # windows; after AT a log line and a validation are due
ERRORS = [RuntimeError("odd"), BackendError("device lost"), OSError(5, "Input/output error"), SystemExit(3)]
PLACES = [*zip(("on_window", "on_line", "validate", "on_window"), ERRORS, strict=True)]
PLACES += [("on_line", ERRORS[3]), ("validate", ERRORS[0])]
"""Each error once, each place with two of them."""


def ends(corpus: Corpus, **changes: object) -> TrainConfig:
    return settings(corpus, **{"log_every": 2, "validate_every": 3, "validate_windows": 2, **changes})


@pytest.fixture(scope="module")
def undisturbed(be: Backend, small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ends") / "whole"
    with Corpus.open(small_corpus) as corpus:
        new_run(be, corpus, ends(corpus), path, refuse_warnings).run(Limits(windows=END))
    return path


def resumes_to(be: Backend, run: Path, undisturbed: Path) -> None:
    """The run goes on to the bits of one that nothing happened to."""
    resumed_run(be, run, refuse_warnings).run(Limits(windows=END))
    assert_same_run(undisturbed, run, END)
    assert (run / "best.safetensors").read_bytes()[-64:] == (undisturbed / "best.safetensors").read_bytes()[-64:]


def notes(error: BaseException) -> str:
    return "; ".join(error.__notes__)


class Raising:
    """A function that does its work, but raises `error` at the window AT: before it, or after it."""

    def __init__(self, trainer: Trainer, work: Callable, error: BaseException, *, after: bool = False) -> None:
        self._trainer, self._work, self._error, self._after = trainer, work, error, after

    def __call__(self, *arguments: object, **options: object) -> object:
        now = self._trainer.learner.progress.windows == AT and self._error is not None
        if now and not self._after:
            raise self._error
        result = self._work(*arguments, **options)
        if now:
            raise self._error
        return result


def ignore(*arguments: object) -> None:
    """What a callback of no interest does."""


@pytest.mark.parametrize(("place", "error"), PLACES)
def test_an_error_between_windows_loses_nothing(
    be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Path, place: str, error
):
    run = tmp_path / "run"
    trainer = new_run(be, corpus, ends(corpus), run, refuse_warnings)
    callbacks = {}
    if place == "validate":
        monkeypatch.setattr(trainer.learner, "validate", Raising(trainer, trainer.learner.validate, error))
    else:
        callbacks[place] = Raising(trainer, ignore, error)
    with pytest.raises(type(error)) as caught:
        trainer.run(Limits(windows=END), **callbacks)
    assert caught.value is error
    last = run / "checkpoints" / f"window-{AT:010d}.safetensors"
    assert caught.value.__notes__[-1] == f"the last checkpoint is {last}"
    assert windows(run)[-1] == AT
    resumes_to(be, run, undisturbed)
    del caught.value.__notes__


def test_a_warning_that_cannot_be_told_loses_nothing(
    be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Path
):
    disk = Disk(monkeypatch, "safetensors")

    def warn(text: str) -> None:
        disk.full = False
        raise RuntimeError(text)

    def fill(learner: Learner) -> None:
        disk.full = learner.progress.windows == AT

    trainer = new_run(be, corpus, ends(corpus), tmp_path / "run", warn)
    with pytest.raises(RuntimeError, match="cannot write checkpoint"):
        trainer.run(Limits(windows=END), on_window=fill, checkpoint_minutes=0)
    assert windows(tmp_path / "run")[-1] == AT
    resumes_to(be, tmp_path / "run", undisturbed)


@pytest.mark.parametrize("error", [MemoryError("no room"), BackendError("no room")], ids=["memory", "backend"])
def test_an_error_before_the_update_loses_nothing(
    eager: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Path, error
):
    trainer = new_run(eager, corpus, ends(corpus), tmp_path / "run", refuse_warnings)
    monkeypatch.setattr(trainer.learner.model, "backward", Raising(trainer, trainer.learner.model.backward, error))
    with pytest.raises(type(error), match="no room"):
        trainer.run(Limits(windows=END))
    assert windows(tmp_path / "run")[-1] == AT
    resumes_to(eager, tmp_path / "run", undisturbed)


def test_a_window_that_was_left_half_way_is_not_saved(
    eager: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Path
):
    trainer, run = new_run(eager, corpus, ends(corpus), tmp_path / "run", refuse_warnings), tmp_path / "run"
    step = Raising(trainer, trainer.learner.optimizer.step, BackendError("device lost"), after=True)
    monkeypatch.setattr(trainer.learner.optimizer, "step", step)
    with pytest.raises(BackendError, match="device lost") as caught:
        trainer.run(Limits(windows=END))
    last = run / "checkpoints" / "window-0000000006.safetensors"
    assert notes(caught.value) == f"the window at work is lost; the last checkpoint is {last}"  # a validation's
    resumes_to(eager, run, undisturbed)


def test_where_there_is_no_checkpoint_the_notes_say_how_to_begin(
    eager: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = tmp_path / "a run"
    trainer = new_run(eager, corpus, ends(corpus, validate_every=0), run, refuse_warnings)
    step = Raising(trainer, trainer.learner.optimizer.step, BackendError("device lost"), after=True)
    monkeypatch.setattr(trainer.learner.optimizer, "step", step)
    with pytest.raises(BackendError) as caught:
        trainer.run(Limits(windows=END))
    assert notes(caught.value) == (
        f"the window at work is lost; there is no checkpoint yet; gpurnn train `resume='{run}'` begins at the first "
        "window"
    )


def test_a_save_that_fails_too_is_told_with_the_error(
    be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    disk, run = Disk(monkeypatch, "window-"), tmp_path / "run"
    trainer = new_run(be, corpus, ends(corpus), run, refuse_warnings)

    def fail(learner: Learner) -> None:
        if learner.progress.windows == AT + 1:
            disk.full = True
            raise RuntimeError("odd")

    with pytest.raises(RuntimeError, match=r"^odd\n") as caught:
        trainer.run(Limits(windows=END), on_window=fail)
    (told,) = caught.value.__notes__
    assert told.startswith(f"cannot write checkpoint {run}/checkpoints/window-0000000007.safetensors: No space")
    assert told.endswith(f"; the last checkpoint is {run}/checkpoints/window-0000000006.safetensors")


def test_who_stops_at_once_gets_no_save(be: Backend, corpus: Corpus, tmp_path: Path):
    trainer = new_run(be, corpus, ends(corpus, validate_every=0), tmp_path / "run", refuse_warnings)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(Limits(windows=END), on_window=Raising(trainer, ignore, KeyboardInterrupt()))
    assert windows(tmp_path / "run") == []


@pytest.mark.parametrize("how", ["limit", "error"])
def test_a_save_needs_nothing_but_the_run_directory(
    be: Backend, small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Path, how: str
):
    """The corpus is gone, and so is the current folder: what is saved is what would have been saved."""
    copy, gone = tmp_path / "copy.h5", tmp_path / "gone"
    shutil.copy(small_corpus, copy)
    gone.mkdir()
    monkeypatch.chdir(gone)
    run = tmp_path / "run"
    with Corpus.open(copy) as corpus:
        trainer = new_run(be, corpus, ends(corpus), run, refuse_warnings)

        def lose(learner: Learner) -> None:
            if learner.progress.windows == AT:
                os.truncate(copy, 0)
                copy.unlink()
                gone.rmdir()
                if how == "error":
                    raise RuntimeError("odd")

        if how == "limit":
            monkeypatch.setattr(trainer.learner, "validate", lambda *stopping: None)
            trainer.run(Limits(windows=AT), on_window=lose)
        else:
            with pytest.raises((RuntimeError, CorpusError)):
                trainer.run(Limits(windows=END), on_window=lose)
    monkeypatch.chdir(tmp_path)
    saved = read_checkpoint(run / "checkpoints" / f"window-{AT:010d}.safetensors")
    assert saved.header["corpus"]["path"] == str(copy)
    with Corpus.open(small_corpus) as corpus:
        again = resumed_run(be, run, refuse_warnings, corpus)
        if how == "error":
            again.run(Limits(windows=END))
            assert_same_run(undisturbed, run, END)


def test_a_corpus_that_cannot_be_read_any_more(
    be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Path
):
    make = WindowMaker.make

    def fail(self, index):
        if index == AT:
            raise CorpusError("cannot read tokens/train")
        return make(self, index)

    trainer = new_run(be, corpus, ends(corpus), tmp_path / "run", refuse_warnings)
    monkeypatch.setattr(WindowMaker, "make", fail)
    with pytest.raises(CorpusError):
        trainer.run(Limits(windows=END))
    monkeypatch.undo()
    resumes_to(be, tmp_path / "run", undisturbed)


def test_too_many_skipped_windows_are_saved_and_the_best_stays(
    eager: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = tmp_path / "run"
    trainer = new_run(eager, corpus, ends(corpus, skip_limit=4, validate_every=5), run, refuse_warnings)
    monkeypatch.setattr(trainer.learner.model, "backward", Poison(trainer, set(range(5, 99))))
    with pytest.raises(TrainingError, match=rf"^window 10: 5 windows in a row were skipped; .* `init_from={run}`") as e:
        trainer.run(Limits(windows=50))
    assert e.value.__notes__ == [
        f"the last checkpoint is {run}/checkpoints/window-0000000010.safetensors",
        "5 windows were skipped because their loss or gradient was not finite",
    ]
    assert read_checkpoint(run / "best.safetensors").header["progress"]["windows"] == 5
    monkeypatch.undo()
    assert resumed_run(eager, run, refuse_warnings).run(Limits(windows=16)).skipped == 5


def test_a_divergence_that_ends_training_is_saved(be: Backend, corpus: Corpus, tmp_path: Path):
    run, told = tmp_path / "run", list[str]()
    wild = ends(corpus, divergence_nats=0.01, log_every=1, validate_every=0, schedule=ScheduleConfig("constant", 5.0))
    wild = replace(wild, optimizer=OptimizerConfig("adam", average=0.0))
    with pytest.raises(TrainingError, match=r"the 5th time; start again with a lower `lr` or `clip`\n") as caught:
        new_run(be, corpus, wild, run, told.append).run(Limits(windows=60))
    assert len(told) == 4
    last = windows(run)[-1]
    assert notes(caught.value) == f"the last checkpoint is {run}/checkpoints/window-{last:010d}.safetensors"
    found = read_checkpoint(run / "checkpoints" / f"window-{last:010d}.safetensors").header["progress"]
    assert (found["divergence"]["count"], found["best"]) == (5, None)
    with pytest.raises(TrainingError, match="the 5th time"):
        resumed_run(be, run, ignore).run(Limits(windows=last + 20))


@pytest.mark.parametrize("minutes", [math.nan, math.inf, -1, "5", True])
def test_a_cadence_of_checkpoints_that_is_no_time_is_refused(be: Backend, corpus: Corpus, tmp_path: Path, minutes):
    trainer = new_run(be, corpus, ends(corpus), tmp_path / "run", refuse_warnings)
    with pytest.raises(UsageError, match=r"^checkpoint_minutes: expected"):
        trainer.run(Limits(windows=1), checkpoint_minutes=minutes)
