"""The loop over windows: when to log, validate, save and stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar

import numpy as np

from gpurnn.data.stream import Window
from gpurnn.exceptions import GpurnnError, TrainingError, shell_word
from gpurnn.runs.directory import RunDirectory
from gpurnn.runs.log import RunLog
from gpurnn.training.config import Limits
from gpurnn.training.control import Control
from gpurnn.training.divergence import FACTOR, LIMIT
from gpurnn.training.learner import Learner
from gpurnn.training.saving import Saver
from gpurnn.training.signals import SignalWatch
from gpurnn.training.tasks.base import Validation

_T = TypeVar("_T")


def skipped_in_words(count: int) -> str:
    """What is said of windows that were skipped, at every end."""
    return f"{count} window{'s were' if count > 1 else ' was'} skipped because their loss or gradient was not finite"


class Loop:
    """One call of `Trainer.run`: limits and the clock decide nothing here but when it stops and when it saves."""

    def __init__(
        self,
        learner: Learner,
        run: RunDirectory,
        limits: Limits,
        signals: SignalWatch,
        log: RunLog,
        checkpoint_minutes: float,
        on_line: Callable[[dict[str, Any]], None],
        on_window: Callable[[Learner], None],
    ) -> None:
        self._learner, self._run, self._limits, self._signals, self._log = learner, run, limits, signals, log
        self._checkpoint_seconds = 60 * checkpoint_minutes
        self._on_line, self._on_window = on_line, on_window
        self._began = self._last_line = time.monotonic()
        self._seconds_before = learner.progress.seconds
        self._targets = 0
        self._raised: BaseException | None = None
        self.saver = Saver(learner, run, log)

    def go(self) -> str:
        """Windows until there is a reason to stop; returns it.

        Every end tries to save, but for that of a second stop signal. Where it is an error, notes with it say what was
        saved, or why not, and what was skipped.
        """
        try:
            if self._learner.progress.line_missing and self._after_window():
                self._go_back()
            reason = self._reason_to_stop()
            while not reason:
                reason = self._go_on()
        except BaseException as error:
            if not self._at_once(error):
                self._save_after(error)
            raise
        self._note_seconds()
        self.saver.finish()
        return reason

    def _at_once(self, error: BaseException) -> bool:
        """Whether nothing more is to be done, not even saved: a second stop signal, or a KeyboardInterrupt."""
        return self._signals.at_once or isinstance(error, KeyboardInterrupt)

    def _save_after(self, error: BaseException) -> None:
        """Save what there is when `error` ends the training; notes of `error` say what became of that."""
        learner, saver = self._learner, self.saver
        self._note_seconds()
        try:
            saver.finish()
            error.add_note(saver.last_checkpoint())
            if learner.skipped:
                error.add_note(skipped_in_words(learner.skipped))
        except GpurnnError as second:
            error.add_note(str(second))
        except Exception as second:
            error.add_note(f"{type(second).__name__}: {second}; {saver.last_checkpoint()}")
        if not saver.path:
            error.add_note(f"gpurnn train `resume={shell_word(self._run.path)}` begins at the first window")

    def _go_on(self) -> str:
        """Windows from where the run is; returns why to stop, "" after going back to an earlier window."""
        learner = self._learner
        with closing(learner.windows()) as stream:
            for window in learner.feed(stream):
                diverged = self._one(window)
                if diverged:
                    self._go_back()
                reason = self._reason_to_stop()
                if diverged or reason:
                    return reason
        raise AssertionError("the stream of windows has no end")

    def _one(self, window: Window) -> bool:
        """One window, and whatever is due after it; returns whether the run is to go back."""
        self._learner.consume(window)
        self._targets += window.weight.size
        self._call(self._on_window, self._learner)
        return self._after_window()

    def _call(self, callback: Callable[[_T], None], argument: _T) -> None:
        """Call a callback; what it raises ends the run once all that is due after this window is done."""
        try:
            callback(argument)
        except BaseException as error:
            if self._at_once(error):
                raise
            self._raised = self._raised or error

    def _after_window(self) -> bool:
        """Whatever is due after the last window; returns whether the run is to go back.

        Where a stop signal cuts the validation short, or an error comes before the log line, all that is due is left to
        the resume, so that it has the same bits.
        """
        learner, signals = self._learner, self._signals
        if learner.progress.line_missing:
            ctl, now = learner.model.be.to_host(learner.optimizer.ctl), time.monotonic()
            validating = learner.validation_due
            losses = learner.validate(signals.stopping) if validating else None
            if validating and signals.stopping():
                return False
            if self._log_line(ctl, now, losses):
                return True
            self._stop_if_skipping(ctl)
        asked = signals.take_checkpoint_request()
        due = time.monotonic() - self.saver.since >= self._checkpoint_seconds
        if self.saver.wanted or due or asked:
            self._note_seconds()
            self.saver.save()
        return False

    def _log_line(self, ctl: np.ndarray, now: float, losses: Validation | None) -> bool:
        """Write the log line that is due, and act on it; returns whether the run is to go back instead."""
        learner, config = self._learner, self._learner.config
        progress = learner.progress
        loss = float(ctl[Control.LOSS] / ctl[Control.WEIGHT]) if ctl[Control.WEIGHT] else None
        line = self._line(ctl, loss, now)
        margin, head = config.divergence_nats, learner.model.head
        diverged = progress.divergence.add_line(loss, margin, head)
        last = diverged and progress.divergence.count >= LIMIT
        found = progress.divergence.message(progress.windows, margin, head)
        if diverged and not last and config.on_divergence == "rollback":
            self._call(
                self._run.warn,
                f"{found}; going back to window {progress.divergence.good} with the learning rate times {FACTOR:g}",
            )
            return True
        if progress.divergence.count:
            line["divergences"] = progress.divergence.count
        improved = losses is not None and self._add_validation(line, losses)
        good = config.on_divergence == "rollback" and progress.divergence.take_good(progress.windows)
        progress.line_missing = False
        self.saver.line(line, best=improved, good=good)
        self._call(self._on_line, dict(line))  # its own: the line may have yet to be written
        if last:
            raise TrainingError(f"{found}, the {LIMIT}th time; {self._advice()}")
        if diverged:
            self._call(self._run.warn, f"{found}; `on_divergence=rollback` would go back")
        return False

    def _advice(self) -> str:
        """What to do where training cannot go on."""
        run = self._run
        best = f", from the best checkpoint with `init_from={shell_word(run.path)}`" if run.best.exists() else ""
        return f"start again with a lower `lr` or `clip`{best}"

    def _go_back(self) -> None:
        """Restore the last good window, and cut the run directory back to it."""
        learner, run = self._learner, self._run
        good = learner.progress.divergence.good
        self.saver.write_failed()
        checkpoint = run.load_window(good)
        run.rewind(good)
        self._log.truncate_to(good)
        learner.go_back(checkpoint)
        self.saver.reset()
        self._targets, self._last_line = 0, time.monotonic()

    def _reason_to_stop(self) -> str:
        """Why to stop now, in words for people; empty to go on."""
        progress, config, limits = self._learner.progress, self._learner.config, self._limits
        if self._raised is not None:
            raise self._raised
        if self._signals.reason:
            return self._signals.reason
        if limits.windows is not None and progress.windows >= limits.windows:
            return f"{progress.windows} windows are done"
        if limits.epochs is not None and progress.windows >= limits.epochs * self._learner.windows_per_epoch:
            return f"{limits.epochs} epochs are done"
        if limits.minutes is not None and time.monotonic() - self._began >= 60 * limits.minutes:
            return f"{limits.minutes:g} minutes are over"
        if config.patience and progress.stale >= config.patience:
            return f"no better validation in {progress.stale} in a row"
        return ""

    def _line(self, ctl: np.ndarray, loss: float | None, now: float) -> dict[str, Any]:
        """The log entry of the windows whose sums are in `ctl`, read at `now` in monotonic seconds; starts new sums.

        loss: their mean.
        """
        learner = self._learner
        learner.optimizer.restart_sums()
        progress = learner.progress
        self._note_seconds()
        line: dict[str, Any] = {
            "window": progress.windows,
            "epoch": round(progress.windows / learner.windows_per_epoch, 4),
            **learner.task.line(loss),
            "learning_rate": float(ctl[Control.RATE]),
            "gradient_norm": float(ctl[Control.NORM]) if math.isfinite(ctl[Control.NORM]) else None,
            learner.task.rate_key: round(self._targets / max(now - self._last_line, 1e-9), 1),
            "seconds": round(progress.seconds, 3),
        }
        line |= _of_updates(ctl)
        if ctl[Control.SKIPPED]:
            line["skipped_windows"] = int(ctl[Control.SKIPPED])
        self._targets, self._last_line = 0, now
        return line

    def _stop_if_skipping(self, ctl: np.ndarray) -> None:
        skipped = int(ctl[Control.MOST_SKIPPED_IN_A_ROW])
        if skipped >= self._learner.config.skip_limit:
            window = self._learner.progress.windows
            raise TrainingError(f"window {window}: {skipped} windows in a row were skipped; {self._advice()}")

    def _add_validation(self, line: dict[str, Any], losses: Validation) -> bool:
        """Add what a validation found to the log entry; returns whether it is the best so far."""
        learner, progress = self._learner, self._learner.progress
        line |= losses.to_json()
        loss = losses.judged(learner.config.counted_lanes)
        if math.isfinite(loss) and (progress.best is None or loss < progress.best):
            progress.best, progress.best_window, progress.stale = loss, progress.windows, 0
            return True
        progress.stale += 1
        schedule = learner.config.schedule
        if schedule.schedule == "plateau" and progress.stale % schedule.decay_patience == 0:
            progress.plateaus += 1
        return False

    def _note_seconds(self) -> None:
        self._learner.progress.seconds = self._seconds_before + time.monotonic() - self._began


def _of_updates(ctl: np.ndarray) -> dict[str, float | int | None]:
    """What the log says of clipping since its last line, and of how far the last update moved the parameters."""
    change, size = float(ctl[Control.CHANGE]), float(ctl[Control.SIZE])
    ratio = math.sqrt(change / size) if size > 0 and math.isfinite(change) and math.isfinite(size) else None
    return {
        "clipped_windows": int(ctl[Control.CLIPPED]),
        "gradient_norm_max": float(ctl[Control.LARGEST_NORM]),
        "update_ratio": ratio,
    }
