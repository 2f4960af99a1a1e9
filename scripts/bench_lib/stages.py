"""Where the time of one window of gpurnn goes: a backend that says which stage each operation belongs to.

A stage lasts from the beginning of its operation until the next operation begins, so that the time between two
operations is counted too. The products between layers are counted with the recurrent ones. Where the loop over the
steps is one compiled call, its pointwise work is timed apart, on the lanes of one thread, and told apart by that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bench_lib.cases import Case
from bench_lib.process import THREADS
from bench_lib.programs.ours import Program
from gpurnn.backend import Array, FusedOp, RowGradient, StepProduct
from gpurnn.backend.cpu import CpuBackend
from gpurnn.network.cells import CELLS

FEED = "feed"
GATHER = "input gather"
RECURRENT = "recurrent products"
POINTWISE = "pointwise"
OUTPUT = "output"
SOFTMAX = "softmax"
WEIGHTS = "weight gradients"
UPDATE = "clip and update"
STAGES = (FEED, GATHER, RECURRENT, POINTWISE, OUTPUT, SOFTMAX, WEIGHTS, UPDATE)

_MEASURED_SECONDS = 1.0


class Clock:
    """Seconds by stage; `enter` ends one stage and begins another."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self.restart()

    def restart(self) -> None:
        """Everything to zero."""
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._stage, self._since = FEED, self._now()

    def enter(self, stage: str) -> None:
        """From now on it is this stage."""
        now = self._now()
        self.seconds[self._stage] += now - self._since
        self._stage, self._since = stage, now


class StagedBackend(CpuBackend):
    """NumPy, with a clock that follows the operations."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self._gradients: Array = None
        self._o: Array = None
        self._apart: list[Callable[[], float]] = []

    def watch(self, program: Program) -> None:
        """Products are told apart by the arrays they read and write; those that are not named here are recurrent."""
        self._gradients, self._o = _owner(program.model.params.gradients), _owner(program.workspace.o)

    def gemm(self, a: Array, b: Array, out: Array, accumulate: bool = False) -> None:
        target = _owner(out)
        if target is self._gradients:
            self.clock.enter(WEIGHTS)
        else:
            self.clock.enter(OUTPUT if self._o is target or self._o is _owner(a) else RECURRENT)
        super().gemm(a, b, out, accumulate)

    def gather_rows(self, table: Array, index: Array, out: Array) -> None:
        self.clock.enter(GATHER)
        super().gather_rows(table, index, out)

    def row_gradient(self, n: int, rows: int, width: int, dtype: Any) -> RowGradient:
        return self._in_stage(WEIGHTS, super().row_gradient(n, rows, width, dtype))

    def bind(self, op: FusedOp, dtype: Any, **dims: int) -> Callable[..., None]:
        return self._in_stage(_stage_of(op), super().bind(op, dtype, **dims))

    def bind_loop(
        self, op: FusedOp, dtype: Any, arrays: Mapping[str, Array], product: StepProduct, **how: Any
    ) -> Callable[..., None] | None:
        loop = super().bind_loop(op, dtype, arrays, product, **how)
        if loop is None:
            return None
        steps, lanes, hidden = arrays["h_prev"].shape
        share = -(-lanes // THREADS)
        body = super().bind(op, dtype, B=share, H=hidden)
        self._apart.append(lambda: _pointwise_seconds(body, [arrays[name] for name in op.arguments], steps, share))
        return self._in_stage(RECURRENT, loop)

    def pointwise_apart(self) -> float:
        """Seconds of the pointwise work in the compiled loops of one window."""
        return sum(seconds() for seconds in self._apart)

    def _in_stage(self, stage: str, work: Callable[..., None]) -> Callable[..., None]:
        enter = self.clock.enter

        def staged(*arguments: Any) -> None:
            enter(stage)
            work(*arguments)

        return staged


def _stage_of(op: FusedOp) -> str:
    if any(op in (cell.forward, cell.backward) for cell in CELLS.values()):
        return POINTWISE
    return SOFTMAX if "xent" in op.name else UPDATE


def _owner(array: Array) -> Array:
    """The array that holds the memory of a view."""
    while array.base is not None:
        array = array.base
    return array


def _pointwise_seconds(body: Callable[..., None], arrays: list[Array], steps: int, lanes: int) -> float:
    """Seconds of a body on each step of the first lanes of these arrays, which stay as they are; the least of three.

    arrays: (T, B, n) through time, (1, B, n) or (B, n) for what all steps share, (n,).
    """
    copies = [np.empty_like(array) for array in arrays]
    calls = [[_at_step(copy, t, lanes) for copy in copies] for t in range(steps)]
    least = float("inf")
    for _ in range(3):
        for copy, array in zip(copies, arrays, strict=True):
            np.copyto(copy, array)
        start = time.perf_counter()
        for arguments in calls:
            body(*arguments)
        least = min(least, time.perf_counter() - start)
    return least


def _at_step(array: Array, t: int, lanes: int) -> Array:
    if array.ndim == 3:
        array = array[t % len(array)]
    return array[:lanes] if array.ndim == 2 else array


def measure(case: Case, seconds: float = _MEASURED_SECONDS) -> dict[str, float]:
    """Seconds of one window by stage, the mean over at least three windows and `seconds`."""
    be = StagedBackend()
    program = Program(case, be=be)
    be.watch(program)
    for _ in range(2):
        program.window()
    be.clock.restart()
    windows, start = 0, time.perf_counter()
    while windows < 3 or time.perf_counter() - start < seconds:
        be.clock.enter(FEED)
        program.window()
        windows += 1
    be.clock.enter(FEED)
    stages = {stage: spent / windows for stage, spent in be.clock.seconds.items()}
    apart = min(be.pointwise_apart(), stages[RECURRENT])
    return stages | {RECURRENT: stages[RECURRENT] - apart, POINTWISE: stages[POINTWISE] + apart}
