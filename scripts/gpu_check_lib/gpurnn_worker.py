"""gpurnn on a GPU: times, memory, and what a window asks of the device."""

from __future__ import annotations

import gc
import logging
from typing import Any

import cupy
from bench_lib.cases import Case
from bench_lib.programs.ours import Program

from gpu_check_lib.clock import SmClock, warm_up
from gpu_check_lib.counting import count
from gpu_check_lib.timing import WARM_UP, check_loss, window_seconds
from gpu_check_lib.way import WayBackend
from gpu_check_lib.ways import WAYS, WHOLE, WHOLE_GRAPH
from gpurnn import backend
from gpurnn.exceptions import BackendError

_COUNTED = 2
"""Windows over which the emulated device's own counters run."""


class GpurnnWorker:
    """A method for each request, see `bench_lib.worker`. Variants of one case are held side by side, by name."""

    def __init__(self, emulated: bool) -> None:
        self._emulated = emulated
        self._variants: dict[str, tuple[WayBackend, Program]] = {}
        self._warnings: list[str] = []
        handler = logging.Handler(logging.WARNING)
        handler.emit = lambda record: self._warnings.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("gpurnn").addHandler(handler)

    def hello(self) -> dict[str, Any]:
        """What runs here; ways: none where there is no device."""
        try:
            about = self.describe()
        except BackendError as error:
            return {"versions": str(error), "ways": []}
        return {"versions": ", ".join(f"{name} {value}" for name, value in about.items()), "ways": list(WAYS)}

    def describe(self) -> dict[str, Any]:
        """The device and the libraries."""
        be = backend.get("cuda")
        about = be.describe()
        del about["tf32"]  # each variant has its own
        return about | {"memory": f"{be.memory()['total'] / 2**30:.1f} GiB"}

    def prepare(self, variant: str, case: dict[str, Any], way: str, tf32: bool) -> dict[str, Any]:
        """A variant of a case, warm.

        possible: false alone with `why`, where the device cannot go this way. path: see `WayBackend`; why:
        what keeps the device from persistent kernels. memory: bytes of CuPy's pool for it. clock_mhz: when it is up.
        """
        pool = cupy.get_default_memory_pool()
        before = pool.used_bytes()
        self._warnings.clear()
        be = WayBackend(way, tf32)
        program = Program(Case(**case), be=be)
        if way in (WHOLE, WHOLE_GRAPH) and not be.holds_whole:
            return {"possible": False, "why": be.refused}
        for _ in range(WARM_UP):
            program.window()
        clock = None if self._emulated else warm_up(program.window, be.synchronize, self._clock())
        check_loss(program.read_loss())
        self._variants[variant] = be, program
        return {
            "possible": True,
            "path": be.path,
            "why": be.refused,
            "memory": pool.used_bytes() - before,
            "clock_mhz": clock,
            "warnings": list(self._warnings),
        }

    def run(self, variant: str, windows: int) -> dict[str, Any]:
        """Seconds of a window; None on the emulated device, where they mean nothing."""
        be, program = self._variants[variant]
        spent = window_seconds(program.window, be.event, be.elapsed, windows)
        check_loss(program.read_loss())
        return {"seconds": None if self._emulated else spent, "clock_mhz": self._clock().mhz()}

    def count(self, variant: str) -> dict[str, Any]:
        """What a window asks of the device, see `counting`; the variant is spent then.

        counters: the same by the emulated device itself, which sees into graphs, too.
        """
        be, program = self._variants.pop(variant)
        counters = self._counters(program) if self._emulated else None
        return {"counts": count(be, program.window), "counters": counters}

    def release(self) -> dict[str, Any]:
        """Let all variants go."""
        self._variants.clear()
        gc.collect()
        cupy.get_default_memory_pool().free_all_blocks()
        return {}

    def _clock(self) -> SmClock:
        return SmClock("" if self._emulated else cupy.cuda.Device().pci_bus_id)

    def _counters(self, program: Program) -> dict[str, float]:
        import cudahost

        program.finish()
        cudahost.reset_counters()
        for _ in range(_COUNTED):
            program.window()
        return {name: value / _COUNTED for name, value in cudahost.counters().items()}
