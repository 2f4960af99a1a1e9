"""What a run writes while it trains, and what happens where it cannot be written.

A log line or a checkpoint that fails is reported and training goes on: the run is whole in memory, and the disk may be
free again before it ends. Lines wait for the next line or checkpoint. A checkpoint that failed is not repeated: the
next one, when it is due, is a new file; but a best or good one that failed is written before that. At the end of the
training a failure is an error. No checkpoint is written before the log lines of its windows.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpurnn.exceptions import CheckpointError, GpurnnError, RunError, TrainingError
from gpurnn.runs.directory import RunDirectory
from gpurnn.runs.log import RunLog
from gpurnn.training.learner import Learner


@dataclass
class _Pending:
    """A checkpoint to be written: what it holds, as host arrays, and whether it is the best one or a good one."""

    window: int
    tensors: dict[str, np.ndarray]
    header: dict[str, Any]
    best: bool
    good: bool


class Saver:
    """The log and the checkpoints of one call of `Trainer.run`.

    path: of the last checkpoint of the run, "" before the first. window: of the one that this call wrote last; -1
    before the first. since: when that was, in monotonic seconds.
    """

    def __init__(self, learner: Learner, run: RunDirectory, log: RunLog) -> None:
        self._learner, self._run, self._log = learner, run, log
        self._lines: list[dict[str, Any]] = []
        self._failed: list[_Pending] = []
        self._best = self._good = False
        self.path, self.window = self._newest(), -1
        self.since = time.monotonic()

    @property
    def wanted(self) -> bool:
        """Whether a checkpoint of now is to be the best one or a good one, and is not yet written."""
        return self._best or self._good

    def line(self, entry: dict[str, Any], *, best: bool, good: bool) -> None:
        """Add a line to the log. best: the next checkpoint is the best so far; good: the run may go back to it."""
        self._lines.append(entry)
        self._best, self._good = best, good
        try:
            self._write_lines()
        except RunError as error:
            self._run.warn(f"{error}; training goes on, the line is written later")

    def save(self) -> None:
        """Write a checkpoint of now."""
        self.since = time.monotonic()
        pending = self._pending()
        try:
            self._write(pending)
        except (RunError, CheckpointError) as error:
            self._run.warn(f"{error}; training goes on, {self.last_checkpoint()}")

    def finish(self) -> None:
        """Write the checkpoints that failed, and one of now unless it is there already.

        Raises GpurnnError with the last checkpoint that there is: it cannot be written, the device is gone, or a window
        was left half-way.
        """
        try:
            if not self._learner.whole:
                raise TrainingError("the window at work is lost")
            if self.window != self._learner.progress.windows or self.wanted:
                self._write(self._pending())
            else:
                self._write(self._failed)
        except GpurnnError as error:
            raise type(error)(f"{error}; {self.last_checkpoint()}") from None

    def reset(self) -> None:
        """Forget what was to be written: the run is back at an earlier window, whose checkpoint is there."""
        self._lines, self._failed, self.path, self.window = [], [], self._newest(), -1
        self._best = self._good = False

    def write_failed(self) -> None:
        """Write the checkpoints that failed before. Raises RunError, CheckpointError."""
        self._write(self._failed)

    def _newest(self) -> str:
        return next(map(str, self._run.generations()), "")

    def last_checkpoint(self) -> str:
        """Which checkpoint a resume would go on from, in words."""
        return f"the last checkpoint is {self.path}" if self.path else "there is no checkpoint yet"

    def _pending(self) -> list[_Pending]:
        """The checkpoints that failed and one of now, which takes the place of an older best or good one."""
        now = _Pending(self._learner.progress.windows, *self._learner.pack(), self._best, self._good)
        self._best = self._good = False
        for old in self._failed:
            old.best, old.good = old.best and not now.best, old.good and not now.good
        return [*(old for old in self._failed if old.best or old.good), now]

    def _write_lines(self) -> None:
        while self._lines:
            self._log.append(self._lines[0])
            del self._lines[0]

    def _write(self, pending: list[_Pending]) -> None:
        """Lines first, then the checkpoints in their order. Raises RunError, CheckpointError."""
        self._failed = [each for each in pending if each.best or each.good]
        self._write_lines()
        self._log.sync()
        divergence = self._learner.progress.divergence
        for each in pending:
            path = self._run.save(
                each.window, each.tensors, each.header, best=each.best, keep=(divergence.good, divergence.good_before)
            )
            self._failed = [other for other in self._failed if other is not each]
            self.path, self.window = str(path), each.window
