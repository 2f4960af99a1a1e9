"""The CUDA backend, told which way to take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpu_check_lib.ways import GRAPH, WHOLE, WHOLE_GRAPH
from gpurnn.backend import PersistentOp
from gpurnn.backend.cuda import CudaBackend


class WayBackend(CudaBackend):
    """way: one of `ways.WAYS`. tf32: see `CudaBackend`.

    path: how the steps of a window ran. holds_whole: whether a persistent kernel was bound; refused: why not, in
    words. graph_launches: counted always; while `launching` is false they are only counted.
    """

    def __init__(self, way: str, tf32: bool) -> None:
        super().__init__(tf32=tf32, graphs=way in (GRAPH, WHOLE_GRAPH))
        self._wants_whole = way in (WHOLE, WHOLE_GRAPH)
        self.holds_whole = False
        self.refused = "" if self._wants_whole else "launch by launch was asked for"
        self.graph_launches = 0
        self.launching = True

    @property
    def path(self) -> str:
        """How the steps of a window ran so far."""
        steps = "whole window" if self.holds_whole else "loop"
        return f"captured {steps}" if self.graph_launches else steps

    def bind_persistent(self, op: PersistentOp, dtype: Any, **dims: int) -> Callable[..., None] | None:
        bound = super().bind_persistent(op, dtype, **dims) if self._wants_whole else None
        self.holds_whole |= bound is not None
        if self._wants_whole and bound is None:
            self.refused = f"{op.name}: {self.why_not_persistent(op, dtype, **dims)}"
        return bound

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        launch = super().capture(work)
        if launch is work:
            return work

        def counted() -> None:
            self.graph_launches += 1
            if self.launching:
                launch()

        return counted
