"""Training: windows in, a run directory out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gpurnn.runs.directory import RunDirectory
from gpurnn.runs.log import RunLog
from gpurnn.settings import NotNegative, checked
from gpurnn.training.config import Limits
from gpurnn.training.learner import Learner
from gpurnn.training.loop import Loop
from gpurnn.training.signals import SignalWatch
from gpurnn.training.tasks.base import Validation

CHECKPOINT_MINUTES = 5.0
"""How often a checkpoint is written where nothing else is asked for."""


@dataclass(frozen=True)
class Outcome:
    """How a call of `Trainer.run` ended.

    reason: for people. exit_code: 0; 128 + its number after a stop signal. valid: the mean loss over the valid split,
    None without one and after a signal; stuck: how many of its lanes are. checkpoint: its path. windows: how many were
    consumed since the run's beginning; skipped: how many of them were skipped. validation: what the validation at the
    end found, in words.
    """

    reason: str
    exit_code: int
    valid: float | None
    stuck: int
    checkpoint: str
    windows: int
    skipped: int
    validation: str


class Trainer:
    """Trains a learner until something says stop, and writes its run directory.

    learner: what has learnt so far, and goes on. run_directory: what is written.
    """

    def __init__(self, learner: Learner, run_directory: RunDirectory) -> None:
        self.learner, self.run_directory = learner, run_directory

    def run(
        self,
        limits: Limits,
        *,
        checkpoint_minutes: float = CHECKPOINT_MINUTES,
        on_line: Callable[[dict[str, Any]], None] = lambda entry: None,
        on_window: Callable[[Learner], None] = lambda learner: None,
    ) -> Outcome:
        """Train until a limit, a signal or early stopping; the last checkpoint is written before it ends.

        checkpoint_minutes: how often one is written in between; 0: after every window. on_line: called with each entry
        of the log; on_window: with the learner, after each window.
        Where the log or a checkpoint cannot be written, see `gpurnn.training.saving`.
        Raises TrainingError when too many windows in a row were not finite, or when training diverged too often;
        RunError, CheckpointError when the last checkpoint cannot be written; what a callback raises; UsageError. Notes
        with the error say what was saved.
        """
        minutes = checked("checkpoint_minutes", NotNegative, checkpoint_minutes)
        learner, run = self.learner, self.run_directory
        losses = None
        with SignalWatch() as signals:
            with run.lock():
                run.rewind(learner.progress.windows)
                with RunLog(run.log) as log:
                    unreadable = log.truncate_to(learner.progress.windows)
                    if unreadable:
                        run.warn(f"{run.log}: damaged lines were dropped: {unreadable:,}")
                    loop = Loop(learner, run, limits, signals, log, minutes, on_line, on_window)
                    reason = loop.go()
            if not signals.stopping():
                losses = self._validate_at_the_end(loop.saver.last_checkpoint(), signals.stopping)
        if signals.stopping():  # a signal cut the validation short, or left it out
            losses, reason = None, reason if reason == signals.reason else f"{reason}; {signals.reason}"
        valid, stuck = (None, 0) if losses is None else (losses.mean, losses.stuck)
        windows, skipped = learner.progress.windows, learner.skipped
        said = "" if losses is None else losses.in_words()
        return Outcome(reason, signals.exit_code or 0, valid, stuck, loop.saver.path, windows, skipped, said)

    def _validate_at_the_end(self, saved: str, stopping: Callable[[], bool]) -> Validation | None:
        """See `Learner.validate`. saved: what is saved, for a note where this fails."""
        try:
            return self.learner.validate(stopping)
        except Exception as error:
            error.add_note(saved)
            raise
