"""The loop over windows: when to log, validate, save and stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np

from gpurnn.data.stream import Window, WindowStream
from gpurnn.exceptions import DataError, TrainingError
from gpurnn.training.config import Limits
from gpurnn.training.divergence import FACTOR, HIGH_LINES, LIMIT
from gpurnn.training.learner import Learner
from gpurnn.training.optim import NATS, NORM, RATE, SKIPPED, WEIGHT, WORST_ROW
from gpurnn.training.runlog import RunLog
from gpurnn.training.saving import Saver
from gpurnn.training.signals import SignalWatch
from gpurnn.training.validation import LaneLosses


class Loop:
    """One call of `Trainer.run`: limits and the clock decide nothing here but when it stops and when it saves."""

    def __init__(
        self,
        learner: Learner,
        limits: Limits,
        signals: SignalWatch,
        log: RunLog,
        checkpoint_minutes: float,
        on_line: Callable[[dict[str, Any]], None],
        on_window: Callable[[int], None],
    ) -> None:
        self._learner, self._limits, self._signals, self._log = learner, limits, signals, log
        self._checkpoint_seconds = 60 * checkpoint_minutes
        self._on_line, self._on_window = on_line, on_window
        self._began = self._last_line = time.monotonic()
        self._seconds_before = learner.progress.seconds
        self._targets = 0
        self.saver = Saver(learner, log)

    def go(self) -> str:
        """Windows until something says stop; returns what did."""
        try:
            if self._learner.progress.line_due and self._after_window():
                self._go_back()
            reason = self._reason_to_stop()
            while not reason:
                reason = self._go_on()
        except DataError:  # the corpus cannot be read any more: what was learnt from it is not lost
            self._note_seconds()
            self.saver.save()
            raise
        self._note_seconds()
        self.saver.finish()
        return reason

    def _go_on(self) -> str:
        """Windows from where the run stands; returns what said stop, "" where it went back to an earlier window."""
        learner, config = self._learner, self._learner.config
        stream = WindowStream(
            learner.corpus,
            "train",
            lanes=config.lanes,
            steps=config.steps,
            cursor=learner.progress.cursor,
            plan=learner.model.be.plans_rows,
            restart=config.restart,
            seed=config.seed,
        )
        with closing(stream):
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
        self._targets += window.targets.size
        self._on_window(self._learner.progress.windows)
        return self._after_window()

    def _after_window(self) -> bool:
        """Whatever is due after the last window; returns whether the run is to go back.

        A stop signal cuts a validation short; all that is due is left to the resume then, which so has the same bits.
        """
        learner, config = self._learner, self._learner.config
        windows = learner.progress.windows
        validating = config.validate_every > 0 and windows % config.validate_every == 0
        improved = good = False
        if validating or windows % config.log_every == 0:
            ctl, now = learner.model.be.to_host(learner.optimizer.ctl), time.monotonic()
            self._stop_if_lost(ctl)
            losses = learner.validate(self._signals.stopping) if validating else None
            learner.progress.line_due = validating and self._signals.stopping()
            if learner.progress.line_due:
                return False
            line = self._line(ctl, now)
            if self._diverged(line):
                return True
            if losses is not None:
                improved = self._judge(line, losses)
            good = config.on_divergence == "rollback" and learner.progress.divergence.take_good(windows)
            self.saver.line(line)
            self._on_line(line)
        asked = self._signals.take_checkpoint_request()
        due = time.monotonic() - self.saver.since >= self._checkpoint_seconds
        if improved or good or due or asked:
            self._note_seconds()
            self.saver.save(best=improved, good=good)
        return False

    def _diverged(self, line: dict[str, Any]) -> bool:
        """Judge a log line, and note in it what was counted; returns whether the run is to go back."""
        learner, config = self._learner, self._learner.config
        divergence = learner.progress.divergence
        now = divergence.judge(line["nats_per_token"], config.divergence_nats)
        told = (
            f"window {line['window']}: the mean loss was more than {config.divergence_nats:g} nats above the lowest "
            f"({divergence.lowest or 0:#.4g}) for {HIGH_LINES} log lines in a row"
        )
        if now and divergence.count >= LIMIT:
            raise TrainingError(
                f"{told}, the {LIMIT}th time; start again with a lower --lr or --clip, from the best checkpoint with "
                f"--init-from {learner.run_directory.path}"
            )
        if now and config.on_divergence == "rollback":
            learner.run_directory.warn(
                f"{told}; going back to window {divergence.good} with the learning rate times {FACTOR:g}"
            )
            return True
        if now:
            learner.run_directory.warn(f"{told}; --on-divergence rollback would go back")
        if divergence.count:
            line["divergences"] = divergence.count
        return False

    def _go_back(self) -> None:
        """Restore the last good window, and cut the run directory back to it."""
        learner, run = self._learner, self._learner.run_directory
        good = learner.progress.divergence.good
        self.saver.write_owed()
        checkpoint = run.load_window(good)
        run.rewind(good)
        self._log.truncate_to(good)
        learner.go_back(checkpoint)
        self.saver.went_back()
        self._targets, self._last_line = 0, time.monotonic()

    def _reason_to_stop(self) -> str:
        """Why to stop now, in words for people; empty to go on."""
        progress, config, limits = self._learner.progress, self._learner.config, self._limits
        if self._signals.stop_signal is not None:
            return f"stopped by {self._signals.stop_signal.name}"
        if limits.windows is not None and progress.windows >= limits.windows:
            return f"{progress.windows} windows are done"
        if limits.epochs is not None and progress.windows >= limits.epochs * self._learner.windows_per_epoch:
            return f"{limits.epochs} epochs are done"
        if limits.minutes is not None and time.monotonic() - self._began >= 60 * limits.minutes:
            return f"{limits.minutes:g} minutes are over"
        if config.patience and progress.stale >= config.patience:
            return f"no better validation in {progress.stale} in a row"
        return ""

    def _line(self, ctl: np.ndarray, now: float) -> dict[str, Any]:
        """The log entry of the windows whose sums are in `ctl`, read at `now` in monotonic seconds; starts new sums."""
        learner = self._learner
        learner.optimizer.restart_sums()
        nats = float(ctl[NATS] / ctl[WEIGHT]) if ctl[WEIGHT] else None
        progress = learner.progress
        self._note_seconds()
        per_char = learner.tokens_per_char
        line = {
            "window": progress.windows,
            "epoch": round(progress.windows / learner.windows_per_epoch, 4),
            "nats_per_token": nats,
            "bits_per_char": nats / math.log(2) * per_char if nats is not None and per_char else None,
            "learning_rate": float(ctl[RATE]),
            "gradient_norm": float(ctl[NORM]) if math.isfinite(ctl[NORM]) else None,
            "tokens_per_second": round(self._targets / max(now - self._last_line, 1e-9), 1),
            "seconds": round(progress.seconds, 3),
        }
        if ctl[SKIPPED]:
            line["skipped_windows"] = int(ctl[SKIPPED])
        self._targets, self._last_line = 0, now
        return line

    def _stop_if_lost(self, ctl: np.ndarray) -> None:
        limit = self._learner.config.skip_limit
        if ctl[WORST_ROW] >= limit:
            raise TrainingError(
                f"window {self._learner.progress.windows}: {int(ctl[WORST_ROW])} windows in a row were skipped because "
                f"their loss or gradient was not finite; the last checkpoint is {self.saver.path or 'that of before'}; "
                "start again with a lower --lr or a lower --clip"
            )

    def _judge(self, line: dict[str, Any], losses: LaneLosses) -> bool:
        """Add what a validation found to the log entry; returns whether it is the best so far."""
        learner, progress = self._learner, self._learner.progress
        line["valid_nats_per_token"] = losses.mean if math.isfinite(losses.mean) else None
        line |= losses.to_json()
        loss = losses.mean if learner.config.judged_lanes == "all" else losses.sound
        if math.isfinite(loss) and (progress.best is None or loss < progress.best):
            progress.best, progress.best_window, progress.stale = loss, progress.windows, 0
            return True
        progress.stale += 1
        if learner.config.schedule.name == "plateau" and progress.stale % learner.config.schedule.patience == 0:
            progress.plateaus += 1
        return False

    def _note_seconds(self) -> None:
        self._learner.progress.seconds = self._seconds_before + time.monotonic() - self._began
