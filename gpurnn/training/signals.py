"""Signals as flags that a training loop looks at between two windows."""

import signal
from types import TracebackType
from typing import Self

from gpurnn.signals import SAVE, Handlers, handling


class SignalWatch:
    """While entered, a stop signal asks for a stop and SIGUSR1 for a checkpoint: each only sets a flag.

    A second stop signal, of whatever kind, sets `at_once` and does what it would have done without the watch: SIGINT
    raises KeyboardInterrupt and the others end the process, unless the program has handlers of its own.
    """

    def __init__(self) -> None:
        self.stop_signal: signal.Signals | None = None
        self.at_once = False
        self._checkpoint_requested = False
        self._handling = handling(self._act)
        self._before: Handlers = {}

    @property
    def exit_code(self) -> int | None:
        """128 + the number of the first stop signal; None where no stop was asked for."""
        return None if self.stop_signal is None else 128 + self.stop_signal

    @property
    def reason(self) -> str:
        """That the first stop signal came, in words; empty where there was none."""
        return "" if self.stop_signal is None else f"stopped by {self.stop_signal.name}"

    def stopping(self) -> bool:
        """Whether a stop was asked for."""
        return self.stop_signal is not None

    def take_checkpoint_request(self) -> bool:
        """Whether SIGUSR1 came since the last call."""
        requested, self._checkpoint_requested = self._checkpoint_requested, False
        return requested

    def __enter__(self) -> Self:
        self._before = self._handling.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handling.__exit__(kind, value, trace)

    def _act(self, number: signal.Signals) -> None:
        if number == SAVE:
            self._checkpoint_requested = True
        elif self.stop_signal is None:
            self.stop_signal = number
        else:
            self.at_once = True
            signal.signal(number, self._before[number])
            signal.raise_signal(number)
