"""The clock of a GPU's multiprocessors, by the driver's management library; nothing where there is none."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from typing import Any

_SM_CLOCK = 1
_LEAST_SECONDS, _MOST_SECONDS = 0.5, 3.0
_RISEN = 1.01  # a clock that rises by less than this from one look to the next is up


class SmClock:
    """address: the PCI address of the device, as CUDA has it."""

    def __init__(self, address: str) -> None:
        self._handle: Any = None
        try:
            self._library = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError:
            return
        handle = ctypes.c_void_p()
        library = self._library
        if library.nvmlInit_v2() == 0 and not library.nvmlDeviceGetHandleByPciBusId_v2(
            address.encode(), ctypes.byref(handle)
        ):
            self._handle = handle

    def mhz(self) -> int | None:
        """Of now; None where it cannot be read."""
        return self._read(self._library.nvmlDeviceGetClockInfo) if self._handle else None

    def most_mhz(self) -> int | None:
        """What it may rise to."""
        return self._read(self._library.nvmlDeviceGetMaxClockInfo) if self._handle else None

    def _read(self, ask: Any) -> int | None:
        value = ctypes.c_uint()
        return value.value if ask(self._handle, _SM_CLOCK, ctypes.byref(value)) == 0 else None


def warm_up(work: Callable[[], None], wait: Callable[[], None], clock: SmClock | None) -> int | None:
    """Do `work` again and again until the clock is up; returns it, in MHz.

    An idle GPU runs at a fraction of its clock and takes some tenths of a second to rise. wait: for the device.
    """
    began, before = time.monotonic(), 0
    while True:
        until = time.monotonic() + _LEAST_SECONDS / 2
        while time.monotonic() < until:
            work()
            wait()
        now, spent = (clock.mhz() if clock else None), time.monotonic() - began
        if spent >= _MOST_SECONDS or (spent >= _LEAST_SECONDS and (now or 0) <= before * _RISEN):
            return now
        before = now or 0
