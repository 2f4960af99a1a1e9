"""How far some work is: one line that is overwritten on a terminal; elsewhere plain lines for training."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from gpurnn.cli import console
from gpurnn.training.config import Limits
from gpurnn.training.learner import Learner

_REFRESH = 0.2  # seconds between two renewals


_VALID = {
    "valid_mae": "valid mae",
    "valid_cer": "valid CER",
    "valid_span_f1": "valid span F1",
    "valid_accuracy": "valid accuracy",
    "valid_loss": "valid",
}
"""What the line shows of a validation, but of text: the first of these that there is, by its key in the log."""


class LiveLine:
    """Shows log entries and, between them, how far the run is.

    limits: for the ETA. windows_per_epoch: likewise. start: windows consumed before this call. unit: of the loss.
    """

    def __init__(self, limits: Limits, windows_per_epoch: int, start: int, unit: str = "nats") -> None:
        self._terminal = console.renews_lines()
        self._began = self._shown = time.monotonic()
        self._limits, self._start, self._per_epoch, self._unit = limits, start, windows_per_epoch, unit
        self._windows: int | None = None
        self._last: dict[str, Any] = {}
        self._valid: list[str] = []

    def line(self, entry: dict[str, Any]) -> None:
        """A log entry was written."""
        self._last, self._windows = entry, entry["window"]
        self._valid = _validation(entry) or self._valid
        if self._terminal:
            self._show(entry["window"])
        else:
            console.message(self._text(entry["window"]), patience=0)

    def window(self, learner: Learner) -> None:
        """A window was consumed."""
        self._windows = windows = learner.progress.windows
        if self._terminal and time.monotonic() - self._shown >= _REFRESH:
            self._show(windows)

    def close(self) -> None:
        """Leave the last state on the screen."""
        if self._terminal and self._windows is not None:
            self._show(self._windows)
            console.message("")

    def _show(self, windows: int) -> None:
        self._shown = time.monotonic()
        console.renew(self._text(windows))

    def _text(self, windows: int) -> str:
        entry = self._last
        parts = [f"window {windows}", f"epoch {windows / self._per_epoch:.2f}"]
        parts += _loss(entry, self._unit)
        parts += self._valid
        if entry:
            parts.append(f"lr {entry['learning_rate']:.2g}")
            norm = entry["gradient_norm"]
            parts.append(f"|g| {norm:.2g}" if norm is not None else "|g| not finite")
            held = next(name for name in ("tokens", "targets", "steps") if f"{name}_per_second" in entry)
            parts.append(f"{_thousands(entry[f'{held}_per_second'])} {held}/s")
        parts.append(f"ETA {_clock(self._left(windows))}")
        return "  ".join(parts)

    def _left(self, windows: int) -> float | None:
        """Seconds until the nearest limit, as it looks now."""
        spent, done = time.monotonic() - self._began, windows - self._start
        limits = self._limits
        ends = [n for n in (limits.windows, limits.epochs and limits.epochs * self._per_epoch) if n]
        left = [spent / done * max(0, end - windows) for end in ends if done]
        left += [max(0.0, 60 * limits.minutes - spent)] if limits.minutes is not None else []
        return min(left) if left else None


def stuck_lanes(count: int) -> str:
    """How many lanes of a validation are stuck, in words."""
    return "1 lane is stuck" if count == 1 else f"{count} lanes are stuck"


def _loss(entry: dict[str, Any], unit: str) -> list[str]:
    """What the line shows of the loss in a log entry: the error in the column's unit where there is one."""
    for key in ("mae", "rmse"):
        if entry.get(key) is not None:
            return [f"{key} {entry[key]:#.4g}"]
    loss = entry.get("nats_per_token", entry.get("loss"))
    return [f"{loss:#.4g} {unit}"] if loss is not None else []


def _validation(entry: dict[str, Any]) -> list[str]:
    """What the line shows of the validation in a log entry; nothing where there was none."""
    if "valid_loss" in entry:
        key = next(key for key in _VALID if key in entry)
        name, valid = _VALID[key], entry[key]
        return [f"{name} {valid:#.4g}" if valid is not None else "valid not finite"]
    if "stuck_lanes" not in entry:
        return []
    valid, stuck = entry["valid_nats_per_token"], entry["stuck_lanes"]
    shown = [f"valid {valid:#.4g}" if valid is not None else "valid not finite"]
    return shown + ([f"({stuck_lanes(stuck)}, median {entry['median_nats_per_token']:#.4g})"] if stuck else [])


class Bar:
    """Shows how far each phase of a work is, where a line can renew itself; `shown` says whether that is so."""

    def __init__(self) -> None:
        self.shown = console.renews_lines()
        self._phase = ""
        self._began = self._last = 0.0

    def __call__(self, phase: str, done: int, whole: int) -> None:
        """So much is done of the whole of a phase; 0 where that is not known."""
        if not self.shown:
            return
        now = time.monotonic()
        if phase != self._phase:
            self._end_phase()
            self._phase, self._began, self._last = phase, now, 0.0
        if now - self._last < _REFRESH and done < whole:
            return
        self._last = now
        left = (now - self._began) / done * max(0, whole - done) if done else None
        part = min(1.0, done / whole) if whole else 0.0
        bar = f"  [{'#' * round(30 * part):<30}] {part:4.0%}  ETA {_clock(left)}" if whole else ""
        console.renew(f"{phase:<9}{bar}")

    def _end_phase(self) -> None:
        if self._phase:
            console.message("")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_phase()


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def _thousands(value: float) -> str:
    return f"{value / 1000:.1f}k" if value >= 1000 else f"{value:.0f}"
