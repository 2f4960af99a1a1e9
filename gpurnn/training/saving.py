"""What a run writes while it trains, and what happens where it cannot be written.

A log line or a checkpoint that fails is reported and training goes on: the run is whole in memory, and the disk may be
free again before it ends. Lines wait for the next line or checkpoint; a checkpoint is tried anew when the next one is
due, in a new file, and a best or good one that failed is written before it. At the end of the training a failure is an
error. No checkpoint is written before the lines that it counts on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpurnn.exceptions import CheckpointError, RunError
from gpurnn.training.learner import Learner
from gpurnn.training.runlog import RunLog


@dataclass
class _Due:
    """A checkpoint to be written: what it holds, as host arrays, and whether it is the best one or a good one."""

    window: int
    tensors: dict[str, np.ndarray]
    header: dict[str, Any]
    best: bool
    good: bool


class Saver:
    """The log and the checkpoints of one call of `Trainer.run`.

    path: of the last checkpoint written, "" before the first; window: that it is of. since: when, in monotonic seconds.
    """

    def __init__(self, learner: Learner, log: RunLog) -> None:
        self._learner, self._log = learner, log
        self._lines: list[dict[str, Any]] = []
        self._owed: list[_Due] = []
        self.path, self.window = "", -1
        self.since = time.monotonic()

    def line(self, entry: dict[str, Any]) -> None:
        """Add a line to the log."""
        self._lines.append(entry)
        try:
            self._write_lines()
        except RunError as error:
            self._learner.run_directory.warn(f"{error}; training goes on, the line is written later")

    def save(self, *, best: bool = False, good: bool = False) -> None:
        """Write a checkpoint of now. best: as best.safetensors too. good: one that the run may go back to."""
        self.since = time.monotonic()
        due = self._due_with(best, good)
        try:
            self._write(due)
        except (RunError, CheckpointError) as error:
            self._learner.run_directory.warn(f"{error}; training goes on, {self._told()}")

    def finish(self) -> None:
        """Write what is owed, and a checkpoint of now unless the last one is it. Raises RunError, CheckpointError."""
        try:
            if self.window != self._learner.progress.windows:
                self._write(self._due_with(False, False))
            else:
                self._write(self._owed)
        except (RunError, CheckpointError) as error:
            raise type(error)(f"{error}; {self._told()}") from None

    def went_back(self) -> None:
        """The run went back to an earlier window: nothing of now is on the disk."""
        self._lines, self._owed, self.window = [], [], -1

    def write_owed(self) -> None:
        """Write the checkpoints that failed before. Raises RunError, CheckpointError."""
        self._write(self._owed)

    def _told(self) -> str:
        return f"the last checkpoint is {self.path}" if self.path else "no checkpoint was written since the start"

    def _due_with(self, best: bool, good: bool) -> list[_Due]:
        """What is owed and a checkpoint of now, which takes the place of an older best or good one."""
        for old in self._owed:
            old.best, old.good = old.best and not best, old.good and not good
        owed = [old for old in self._owed if old.best or old.good]
        return [*owed, _Due(self._learner.progress.windows, *self._learner.pack(), best, good)]

    def _write_lines(self) -> None:
        while self._lines:
            self._log.append(self._lines[0])
            del self._lines[0]

    def _write(self, due: list[_Due]) -> None:
        """Lines first, then the checkpoints in their order. Raises RunError, CheckpointError."""
        self._owed = [each for each in due if each.best or each.good]
        self._write_lines()
        self._log.sync()
        divergence = self._learner.progress.divergence
        for each in due:
            path = self._learner.run_directory.save(
                each.window, each.tensors, each.header, best=each.best, keep=(divergence.good, divergence.good_before)
            )
            self._owed = [other for other in self._owed if other is not each]
            self.path, self.window = str(path), each.window
