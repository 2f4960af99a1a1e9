"""Log lines and checkpoints that cannot be written: reported, written later, an error only at the end."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.exceptions import CheckpointError, CorpusError, RunError
from gpurnn.runs import directory, log
from gpurnn.runs.checkpoint import read_checkpoint
from gpurnn.training.config import Limits
from gpurnn.training.learner import Learner
from gpurnn.training.session import new_run, resumed_run

from .alike import assert_same_run, log_without_clock, refuse_warnings
from .test_divergence import rollback_settings
from .test_resume import settings


class Disk:
    """Lets writes of files whose name contains a word fail while `full`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
        self.full, self._word = False, word
        self._durably, self._fully = directory.write_durably, log.write_fully
        monkeypatch.setattr(directory, "write_durably", self._checkpoint)
        monkeypatch.setattr(log, "write_fully", self._log)

    def _checkpoint(self, path, chunks) -> None:
        if self.full and self._word in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._durably(path, chunks)

    def _log(self, descriptor, data) -> None:
        if self.full and self._word == "log":
            raise OSError(errno.EIO, "Input/output error")
        self._fully(descriptor, data)


def windows(path: Path) -> list[int]:
    return sorted(int(each.stem.split("-")[1]) for each in (path / "checkpoints").iterdir())


@pytest.mark.parametrize("word", ["window-", "log"])
def test_a_full_disk_that_is_freed_again_loses_nothing(
    be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
):
    config = settings(corpus, log_every=2, validate_every=10)
    new_run(be, corpus, config, tmp_path / "whole", refuse_warnings).run(Limits(windows=20))
    disk, told = Disk(monkeypatch, word), list[str]()

    def fill(learner: Learner) -> None:
        disk.full = 5 <= learner.progress.windows < 15

    trainer = new_run(be, corpus, config, tmp_path / "parts", told.append)
    trainer.run(Limits(windows=20), checkpoint_minutes=0, on_window=fill)
    assert_same_run(tmp_path / "whole", tmp_path / "parts", 20)
    assert windows(tmp_path / "parts") == [19, 20]
    assert len([line for line in told if "cannot write checkpoint" in line]) == (10 if word == "window-" else 0)
    assert all("; training goes on, " in line and "\n" not in line for line in told)
    assert read_checkpoint(tmp_path / "parts" / "best.safetensors").header["progress"]["windows"] == 20


def test_the_best_and_the_good_one_are_written_when_the_disk_is_free_again(
    be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = rollback_settings(corpus, validate_every=6)
    disk, told = Disk(monkeypatch, "safetensors"), list[str]()

    def fill(learner: Learner) -> None:
        disk.full = learner.progress.windows < 8

    trainer = new_run(be, corpus, config, tmp_path / "run", told.append)
    trainer.run(Limits(windows=9), on_window=fill)
    assert len(told) == 2  # good after window 3, best after window 6
    assert windows(tmp_path / "run") == [3, 6, 9]
    assert read_checkpoint(tmp_path / "run" / "best.safetensors").header["progress"]["windows"] == 6


@pytest.mark.parametrize("word", ["window-", "log"])
def test_a_disk_that_stays_full_is_an_error_at_the_end(
    be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
):
    disk, told = Disk(monkeypatch, word), list[str]()
    config = settings(corpus, log_every=2, validate_every=0)

    def fill(learner: Learner) -> None:
        disk.full = learner.progress.windows >= 5

    trainer = new_run(be, corpus, config, tmp_path / "run", told.append)
    last = tmp_path / "run" / "checkpoints" / "window-0000000004.safetensors"
    error = CheckpointError if word == "window-" else RunError
    if word == "log":
        last = last.with_name("window-0000000005.safetensors")  # no line is due after window 5
    with pytest.raises(error, match=rf"cannot write .*; the last checkpoint is {last}$"):
        trainer.run(Limits(windows=8), checkpoint_minutes=0, on_window=fill)
    disk.full = False
    again = resumed_run(be, tmp_path / "run", refuse_warnings)
    assert again.learner.progress.windows == (5 if word == "log" else 4)
    again.run(Limits(windows=8))
    assert [entry["window"] for entry in log_without_clock(tmp_path / "run")] == [2, 4, 6, 8]


def test_an_unreadable_corpus_stops_with_a_checkpoint(
    be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from gpurnn.data.stream.windows import WindowMaker

    make = WindowMaker.make

    def fail(self, index):
        if index == 7:
            raise CorpusError("cannot read tokens/train: Input/output error")
        return make(self, index)

    trainer = new_run(be, corpus, settings(corpus, validate_every=0), tmp_path / "run", refuse_warnings)
    monkeypatch.setattr(WindowMaker, "make", fail)
    with pytest.raises(CorpusError, match="Input/output error"):
        trainer.run(Limits(windows=20))
    consumed = windows(tmp_path / "run")[-1]
    assert 5 <= consumed <= 7
    found = read_checkpoint(tmp_path / "run" / "checkpoints" / f"window-{consumed:010d}.safetensors")
    assert found.header["progress"]["cursor"]["window"] == consumed
    assert np.isfinite(found.tensors["output.V"]).all()
