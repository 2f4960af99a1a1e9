"""The loop over windows: when to log, validate, save and stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from gpurnn.data.stream import Window, WindowStream
from gpurnn.exceptions import TrainingError
from gpurnn.training.config import Limits
from gpurnn.training.optim import NATS, NORM, RATE, SKIPPED, WEIGHT, WORST_ROW
from gpurnn.training.runlog import RunLog
from gpurnn.training.signals import SignalWatch

if TYPE_CHECKING:
    from gpurnn.training.trainer import Trainer


class Loop:
    """One call of `Trainer.run`: limits and the clock decide nothing here but when it stops and when it saves."""

    def __init__(
        self,
        trainer: Trainer,
        limits: Limits,
        signals: SignalWatch,
        log: RunLog,
        checkpoint_minutes: float,
        on_line: Callable[[dict[str, Any]], None],
        on_window: Callable[[int], None],
    ) -> None:
        self._trainer, self._limits, self._signals, self._log = trainer, limits, signals, log
        self._checkpoint_seconds = 60 * checkpoint_minutes
        self._on_line, self._on_window = on_line, on_window
        self._began = self._last_save = self._last_line = time.monotonic()
        self._seconds_before = trainer.progress.seconds
        self._targets = 0
        self._saved_at: int | None = None
        self.checkpoint = ""

    def go(self) -> str:
        """Windows until something says stop; returns what did."""
        trainer, config = self._trainer, self._trainer.config
        stream = WindowStream(
            trainer.corpus, "train", lanes=config.lanes, steps=config.steps, cursor=trainer.progress.cursor
        )
        with closing(stream), np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # such windows are skipped
            reason = self._reason_to_stop()
            if not reason:
                for window in trainer.feed.run(stream):
                    self._one(window)
                    reason = self._reason_to_stop()
                    if reason:
                        break
        if self._saved_at != trainer.progress.windows:
            self._save()
        return reason

    def _one(self, window: Window) -> None:
        """One window, and whatever is due after it."""
        trainer, config = self._trainer, self._trainer.config
        trainer.consume(window)
        self._targets += window.targets.size
        windows = trainer.progress.windows
        self._on_window(windows)
        validating = config.validate_every > 0 and windows % config.validate_every == 0
        improved = False
        if validating or windows % config.log_every == 0:
            line = self._line()
            if validating:
                improved = self._validate(line)
            self._log.append(line)
            self._on_line(line)
        due = time.monotonic() - self._last_save >= self._checkpoint_seconds
        if improved or due or self._signals.take_checkpoint_request():
            self._save(best=improved)

    def _reason_to_stop(self) -> str:
        """Why to stop now, in words for people; empty to go on."""
        progress, config, limits = self._trainer.progress, self._trainer.config, self._limits
        if self._signals.stop_signal is not None:
            return f"stopped by {self._signals.stop_signal.name}"
        if limits.windows is not None and progress.windows >= limits.windows:
            return f"{progress.windows} windows are done"
        if limits.epochs is not None and progress.windows >= limits.epochs * self._trainer.windows_per_epoch:
            return f"{limits.epochs} epochs are done"
        if limits.minutes is not None and time.monotonic() - self._began >= 60 * limits.minutes:
            return f"{limits.minutes:g} minutes are over"
        if config.patience and progress.stale >= config.patience:
            return f"no better validation in {progress.stale} in a row"
        return ""

    def _line(self) -> dict[str, Any]:
        """The log entry of now; waits for the device and starts new sums."""
        trainer = self._trainer
        ctl = trainer.model.be.to_host(trainer.optimizer.ctl)
        self._stop_if_lost(ctl)
        trainer.optimizer.restart_sums()
        now = time.monotonic()
        nats = float(ctl[NATS] / ctl[WEIGHT]) if ctl[WEIGHT] else None
        progress = trainer.progress
        progress.seconds = self._seconds_before + now - self._began
        per_char = trainer.tokens_per_char
        line = {
            "window": progress.windows,
            "epoch": round(progress.windows / trainer.windows_per_epoch, 4),
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
        limit = self._trainer.config.skip_limit
        if ctl[WORST_ROW] >= limit:
            raise TrainingError(
                f"window {self._trainer.progress.windows}: {int(ctl[WORST_ROW])} windows in a row were skipped because "
                f"their loss or gradient was not finite; the last checkpoint is {self.checkpoint or 'that of before'}; "
                "start again with a lower --lr or a lower --clip"
            )

    def _validate(self, line: dict[str, Any]) -> bool:
        """Add the validation's loss to the log entry; returns whether it is the best so far."""
        trainer, progress = self._trainer, self._trainer.progress
        loss = trainer.validate()
        if loss is None:
            return False
        line["valid_nats_per_token"] = loss if math.isfinite(loss) else None
        if math.isfinite(loss) and (progress.best is None or loss < progress.best):
            progress.best, progress.best_window, progress.stale = loss, progress.windows, 0
            return True
        progress.stale += 1
        if trainer.config.schedule.name == "plateau" and progress.stale % trainer.config.schedule.patience == 0:
            progress.plateaus += 1
        return False

    def _save(self, best: bool = False) -> None:
        trainer = self._trainer
        trainer.progress.seconds = self._seconds_before + time.monotonic() - self._began
        self._log.sync()
        self.checkpoint = trainer.save(best=best)
        self._saved_at, self._last_save = trainer.progress.windows, time.monotonic()
