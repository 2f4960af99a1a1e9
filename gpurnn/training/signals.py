"""Signals as flags that a training loop looks at between two windows."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

_STOP = (signal.SIGINT, signal.SIGTERM)


class SignalWatch:
    """While entered, SIGINT and SIGTERM ask for a stop and SIGUSR1 for a checkpoint: each only sets a flag.

    A second SIGINT raises KeyboardInterrupt where the program stands. The handlers of before are put back at
    the end. Signals that were ignored stay ignored, as `nohup` wants it. Outside the main thread, where Python
    cannot set handlers, nothing is watched.
    """

    def __init__(self) -> None:
        self.stop_signal: signal.Signals | None = None
        self._interrupts = 0
        self._checkpoint_requested = False
        self._previous: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int] = {}

    @property
    def exit_code(self) -> int | None:
        """130 after SIGINT, 143 after SIGTERM (the first one counts); None where no stop was asked for."""
        return None if self.stop_signal is None else 128 + self.stop_signal

    def take_checkpoint_request(self) -> bool:
        """Whether SIGUSR1 came since the last call."""
        requested, self._checkpoint_requested = self._checkpoint_requested, False
        return requested

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (*_STOP, signal.SIGUSR1):
                before = signal.getsignal(number)
                if before is not None and before != signal.SIG_IGN:
                    self._previous[number] = before
                    signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGUSR1:
            self._checkpoint_requested = True
            return
        self.stop_signal = self.stop_signal or signal.Signals(number)
        if number == signal.SIGINT:
            self._interrupts += 1
            if self._interrupts > 1:
                raise KeyboardInterrupt
