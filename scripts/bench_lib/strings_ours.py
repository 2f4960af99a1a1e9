"""gpurnn on strings without an alignment: the operation of the head `ctc`, a sequence a lane."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from bench_lib.strings import Strings
from gpurnn.backend.cpu import CpuBackend
from gpurnn.network.heads.ctc import CTC


class Program:
    """See `bench_lib.programs.Program`. Each string counts as much as every other."""

    def __init__(self, case: Strings) -> None:
        with threadpool_limits(case.threads, "blas"):
            be = CpuBackend()
        steps, lanes, symbols, most = case.steps, case.lanes, case.symbols, case.labels + 1
        self._outputs, real = case.outputs(), case.dtype
        target = np.full((steps, lanes), symbols - 1, be.index_dtype)
        carry, weight = np.ones((steps, lanes, 1), real), np.zeros((steps, lanes), real)
        for lane, (labels, count, frames) in enumerate(zip(*case.strings(), strict=True)):
            target[:count, lane] = labels[:count]
            weight[: max(count, 1), lane] = 1
            carry[frames : frames + 1, lane] = 0
        self._o, self._losses = be.empty(self._outputs.shape, real), be.zeros((steps, lanes), real)
        alphas = be.empty((steps, lanes, 2 * most), np.float64)
        self._arguments = target, carry, weight, np.ones(1, real), self._losses, alphas
        self._run = be.bind(CTC, real, N=steps, B=lanes, K=symbols, L=most)

    def window(self) -> None:
        """Losses, and errors in a copy of the outputs."""
        np.copyto(self._o, self._outputs)
        self._run(self._o, *self._arguments)

    def read_loss(self) -> float:
        return float(self._losses.sum())

    def finish(self) -> None:
        """Nothing runs on after a call on the CPU."""

    def gradients(self) -> dict[str, np.ndarray]:
        """Of the outputs; and the losses, which may be 0."""
        self.window()
        return {"o": self._o, "losses": self._losses.sum(axis=0)}
