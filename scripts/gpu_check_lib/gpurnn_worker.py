"""gpurnn on a GPU: times, memory, and what a window asks of the device."""

from __future__ import annotations

import gc
import logging
from typing import Any

import cupy
from bench_lib.cases import Case
from bench_lib.programs.ours import Program

from gpu_check_lib.counting import count
from gpu_check_lib.sizes import WAYS, WHOLE, WHOLE_GRAPH
from gpu_check_lib.timing import check_loss, seconds_per_window
from gpu_check_lib.way import WayBackend
from gpurnn import backend
from gpurnn.exceptions import BackendError

_COUNTED = 2
"""Windows over which the emulated device's own counters run."""


class GpurnnWorker:
    """A method for each request, see `bench_lib.worker`."""

    def __init__(self, emulated: bool) -> None:
        self._emulated = emulated
        self._warm: tuple[WayBackend, Program] | None = None
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
        del about["tf32"]  # each row has its own
        return about | {"memory": f"{be.memory()['total'] / 2**30:.1f} GiB"}

    def measure(self, case: dict[str, Any], way: str, tf32: bool, windows: int, seconds: float) -> dict[str, Any]:
        """One way at one size; `possible` alone, and false, where the device cannot hold whole-window kernels."""
        self._warm = None
        gc.collect()
        pool = cupy.get_default_memory_pool()
        pool.free_all_blocks()
        self._warnings.clear()
        be = WayBackend(way, tf32)
        program = Program(Case(**case), be=be)
        if way in (WHOLE, WHOLE_GRAPH) and not be.holds_whole:
            return {"possible": False}
        spent = seconds_per_window(program.window, be.event, be.elapsed, windows, seconds)
        check_loss(program.read_loss())
        self._warm = be, program
        return {
            "possible": True,
            "seconds": None if self._emulated else spent,  # that of an emulated device means nothing
            "memory": pool.total_bytes(),
            "warnings": list(self._warnings),
        }

    def count(self) -> dict[str, Any]:
        """What a window of what was measured last asks of the device, see `counting`.

        counters: the same by the emulated device itself, which sees into graphs, too.
        """
        assert self._warm is not None, "count comes after measure, once"
        (be, program), self._warm = self._warm, None
        counters = self._counters(program) if self._emulated else None
        return {"counts": count(be, program.window), "counters": counters}

    def _counters(self, program: Program) -> dict[str, float]:
        import cudahost

        program.finish()
        cudahost.reset_counters()
        for _ in range(_COUNTED):
            program.window()
        return {name: value / _COUNTED for name, value in cudahost.counters().items()}
