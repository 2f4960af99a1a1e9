"""What signals do: one table for every command and for training. Needs nothing but Python itself.

A stop signal asks for the end. Training finishes its window first (`gpurnn.training.signals`), `noticing` lets what is
begun be finished, and everything else ends at once (`end_at_once`, `ending_at_once`, `unwinding`). SIGUSR1 asks
training for a checkpoint; everything else ignores it.
A signal that was ignored when the program started stays ignored, as `nohup` and background jobs of a shell need it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGXCPU, signal.SIGUSR2)
"""What terminals, shells and schedulers send before they kill."""
SAVE = signal.SIGUSR1
NOTHING_LOST = "nothing is lost"

Handlers = dict[signal.Signals, Callable[[int, FrameType | None], Any] | int]


def _install(act: Callable[[signal.Signals], None]) -> Handlers:
    """See `handling`; returns the handlers of before."""

    def handle(number: int, frame: FrameType | None) -> None:
        act(signal.Signals(number))

    previous: Handlers = {}
    if threading.current_thread() is threading.main_thread():
        for number in (*STOPS, SAVE):
            before = signal.getsignal(number)
            if before is not None and before != signal.SIG_IGN:
                previous[number] = before
                signal.signal(number, handle)
    return previous


@contextmanager
def handling(act: Callable[[signal.Signals], None]) -> Iterator[Handlers]:
    """Until the end of the block, have `act` called in the main thread with every signal of the table.

    Gives the handlers of before, which come back. Left alone are signals that are ignored or that a C library handles,
    and everything in another thread than the main one, where Python cannot set handlers.
    """
    previous = _install(act)
    try:
        yield previous
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def end_at_once(note: str) -> None:
    """From now on a stop signal ends the process immediately, with one line and exit code 128 + its number.

    note: what that means for the user's files, the end of the line. No exception is raised, so that it works in a call
    of a C library, in an import, and while an output blocks.
    """
    _install(_ender(note))


def ignore_all() -> None:
    """The work is done and the process about to end: from now on no signal changes its exit code."""
    if threading.current_thread() is threading.main_thread():
        for number in (*STOPS, SAVE):
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def ending_at_once(note: str) -> Iterator[None]:
    """`end_at_once` until the end of the block."""
    with handling(_ender(note)):
        yield


@contextmanager
def unwinding(note: str = "nothing half-written is left") -> Iterator[None]:
    """Until the end of the block a stop signal raises an exception, so that temporary files are removed.

    Then comes one line, with `note` at its end, and SystemExit with 128 + its number. A second one ends the process.
    """
    came: list[signal.Signals] = []

    def unwind(number: signal.Signals) -> None:
        if number == SAVE:
            return
        if came:
            _end(number, note)
        came.append(number)
        raise SystemExit(128 + number)

    try:
        with handling(unwind):
            yield
    except BaseException:
        if not came:
            raise
    if came:  # also where the exception was swallowed or replaced by another one
        _report(came[0], note)
        raise SystemExit(128 + came[0])


class Notice:
    """Whether a stop signal has come, for who finishes what is begun before it ends. See `noticing`.

    came: the first one; None before it.
    """

    def __init__(self) -> None:
        self.came: signal.Signals | None = None
        self._woken, self._wake = os.pipe()
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)

    def readable(self, descriptor: int) -> bool:
        """Wait until there is something to read, or the end; False, and at once, where a signal has come or comes."""
        while self.came is None:
            ready = select.select([descriptor, self._woken], (), ())[0]
            self._settle(ready)
            if self.came is None and descriptor in ready:
                return True
        return False

    def writable(self, descriptor: int, patience: float) -> bool:
        """Wait until something can be written; False: it cannot be, `patience` seconds after a signal came."""
        while self.came is None:
            woken, ready, _ = select.select([self._woken], [descriptor], ())
            self._settle(woken)
            if ready:
                return True
        return bool(select.select((), [descriptor], (), patience)[1])

    def _settle(self, ready: list[int]) -> None:
        """Take what woke it, which may have been a signal that is none to stop at."""
        if self._woken in ready:
            os.read(self._woken, 4096)

    def _close(self) -> None:
        for end in (self._woken, self._wake):
            os.close(end)


@contextmanager
def noticing(note: str) -> Iterator[Notice]:
    """Until the end of the block a first stop signal is only noticed; a second one ends the process.

    After the block the process ends where one has come: with one line, `note` at its end, and SystemExit with 128 + its
    number.
    """
    notice = Notice()

    def act(number: signal.Signals) -> None:
        if number == SAVE:
            return
        if notice.came is not None:
            _end(number, "not everything is written")
        notice.came = number

    in_main = threading.current_thread() is threading.main_thread()
    before = signal.set_wakeup_fd(notice._wake, warn_on_full_buffer=False) if in_main else -1
    try:
        with handling(act):
            yield notice
    finally:
        if in_main:
            signal.set_wakeup_fd(before)
        notice._close()
    if notice.came is not None:
        _report(notice.came, note)
        raise SystemExit(128 + notice.came)


@contextmanager
def held() -> Iterator[None]:
    """Signals wait until the end of the block: for calls of a C library that calls Python and cannot be unwound."""
    waiting: list[signal.Signals] = []
    try:
        with handling(waiting.append):
            yield
    finally:
        for number in waiting:
            signal.raise_signal(number)


@contextmanager
def kept_by_this_thread() -> Iterator[None]:
    """Threads that are started in the block never take a signal of the table: they leave it to the main thread.

    Python's handlers run in the main thread. Of two signals in a row the system may give the second one to another
    thread, and then the main one is not woken from what it waits for.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*STOPS, SAVE))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ender(note: str) -> Callable[[signal.Signals], None]:
    def act(number: signal.Signals) -> None:
        if number != SAVE:
            _end(number, note)

    return act


def _end(number: signal.Signals, note: str) -> NoReturn:
    _report(number, note)
    os._exit(128 + number)


def _report(number: signal.Signals, note: str) -> None:
    """One line on standard error, below all buffers: the signal may have come in the middle of a write to them.

    It is left out where it cannot be written, or not without waiting.
    """
    with suppress(OSError, ValueError, AttributeError):  # AttributeError: there is no standard error
        descriptor = sys.stderr.fileno()
        if select.select((), (descriptor,), (), 0)[1]:
            begin = "\n" if os.isatty(descriptor) else ""
            os.write(descriptor, f"{begin}gpurnn: stopped by {number.name}; {note}\n".encode())
