"""Signals in tests: as a shell's foreground job has them, whatever the suite itself was started with."""

from __future__ import annotations

import atexit
import importlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gpurnn.signals import SAVE, STOPS

TABLE = (*STOPS, SAVE)


def default_signals(ignored: tuple[signal.Signals, ...] = ()) -> None:
    """Of this process; for the `preexec_fn` of a child that is sent signals. ignored: those that stay ignored."""
    default_handlers(ignored)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TABLE)


def default_handlers(ignored: tuple[signal.Signals, ...] = ()) -> None:
    """`default_signals` that leaves blocked what is blocked."""
    for number in TABLE:
        signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
    if signal.SIGINT not in ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def default_signals_here() -> Iterator[None]:
    """`default_signals` until the end of the block, for a test that sends signals to its own process."""
    before = {number: signal.getsignal(number) for number in TABLE}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    default_signals()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def send(number: int) -> None:
    """Send this process a signal."""
    os.kill(os.getpid(), number)


def pause_at(place: str, descriptor: int) -> None:
    """Have this process write a byte to a descriptor when it gets to a place, and stay there.

    place: "exit", for half a second; "import MODULE"; or "MODULE:FUNCTION" or "MODULE:CLASS.METHOD", which is called.
    """
    if place == "exit":
        atexit.register(time.sleep, 0.5)
        atexit.register(os.write, descriptor, b".")  # which is called first
        return
    if place.startswith("import "):
        sys.meta_path.insert(0, _PausingFinder(place.removeprefix("import "), descriptor))  # type: ignore[arg-type]
        return
    name, _, path = place.partition(":")
    owner: Any = importlib.import_module(name)
    *parts, last = path.split(".")
    for part in parts:
        owner = getattr(owner, part)
    setattr(owner, last, lambda *arguments, **options: _stay(descriptor))


def _stay(descriptor: int) -> None:
    os.write(descriptor, b".")
    time.sleep(60)
    raise AssertionError("no signal came")


class _PausingFinder:
    def __init__(self, module: str, descriptor: int) -> None:
        self._module, self._descriptor = module, descriptor

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == self._module:
            _stay(self._descriptor)
