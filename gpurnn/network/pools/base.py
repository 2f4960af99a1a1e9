"""What a pool is: the part under the head that joins the steps of a sequence up to each of its steps.

A sequence begins where carry is 0, and in a window's first step. So sequences have to be whole where what is handed on
follows from more than one step: of the window before nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.exceptions import UsageError
from gpurnn.network.batch import Batch
from gpurnn.network.config import ModelConfig
from gpurnn.network.part import Binding, Lane, Part, Pass
from gpurnn.network.signal import Rows, Signal

SOURCE = Path(__file__).with_name("pool.cu")
CARRY = Argument(("N", "B", "1"))
FLAGS = Argument(("B", "1"), "flag")
"""Scratch: which lanes begin a sequence."""


def begins(xp: Any, carry: Array, t: int, lanes: Array) -> Array:
    """`lanes` (B, 1), overwritten: those that begin a sequence at step t; behind the last step all do."""
    if 0 < t < len(carry):
        xp.equal(carry[t], 0, out=lanes)
    else:
        lanes.fill(True)
    return lanes


class Pool(Part):
    """Of rows (T B, E) that the layers hand on as many of the same width.

    forward_op, backward_op: fused operations over the steps N of a window, whose arguments are some of these:

    - carry (N, B, 1): read only. y (N, B, E): what the layers hand on, read only.
    - z (N, B, E): what the pool hands on; `forward_op` overwrites it, `backward_op` reads it.
    - d (N, B, E): the error of z, which `backward_op` overwrites with that of y.
    """

    name = "pool"
    forward_op: ClassVar[FusedOp]
    backward_op: ClassVar[FusedOp]

    def __init__(self, config: ModelConfig, inputs: int) -> None:
        self.inputs = self.outputs = inputs

    @property
    def dims(self) -> dict[str, int]:
        """The sizes that the operations name, but N and B; H: the width of the rows."""
        return {"H": self.inputs}

    def bind(self, to: Binding, x: Signal) -> Pass:
        if not isinstance(x, Rows):
            raise UsageError(f"{self.name}: expected rows of numbers from the part before it, found symbols")
        return PoolPass(self, to, x)

    def step(self, lane: Lane, x: Signal) -> Signal:
        raise UsageError(
            f"{self.name} ({self.kind}): a model with it cannot be stepped, a step depends on all of its sequence; "
            "run `model.forward` on windows of whole sequences"
        )


class PoolPass(Pass):
    """z in a buffer of its own; its error too, which `backward` overwrites with that of what was read."""

    y: Rows

    def __init__(self, part: Pool, to: Binding, x: Rows) -> None:
        error = to.empty(to.rows, part.outputs) if to.train else None
        super().__init__(part, to.dense(to.empty(to.rows, part.outputs), error))
        self._x = x
        shape = (to.steps, to.lanes, part.outputs)
        self._arrays = {"carry": to.batch.carry, "y": x.value.reshape(shape), "z": self.y.value.reshape(shape)}
        self._forward = _Bound(to, part.forward_op, part.dims)
        if error is not None:
            self._error, self._arrays["d"] = error.reshape(shape), error.reshape(shape)
            self._backward = _Bound(to, part.backward_op, part.dims)

    def forward(self, batch: Batch) -> None:
        self._forward(batch.steps, self._arrays)

    def backward(self, batch: Batch) -> None:
        if self._x.error is not None:
            self._backward(batch.steps, self._arrays)
            n = batch.steps * batch.lanes
            assert self.y.error is not None
            self._x.error[:n] = self.y.error[:n]

    def errors_at(self, t: int, dy: Array | None) -> tuple[dict[str, Array], Array | None]:
        return {}, None if self._x.error is None else self._error[t]


class _Bound:
    """An operation over the first steps of arrays that it finds by their names."""

    def __init__(self, to: Binding, op: FusedOp, dims: Mapping[str, int]) -> None:
        self._names = list(op.arguments)
        self._run = to.be.bind(op, to.real, N=to.steps, B=to.lanes, **dims)

    def __call__(self, steps: int, arrays: Mapping[str, Array]) -> None:
        self._run(*(arrays[name][:steps] for name in self._names))
