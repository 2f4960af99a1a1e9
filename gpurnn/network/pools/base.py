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


def forward_arguments(width: str) -> dict[str, Argument]:
    """Those of a `Pool.forward_op` over rows of this width."""
    rows = ("N", "B", width)
    return {"y": Argument(rows), "carry": CARRY, "z": Argument(rows, written=True)}


def error_arguments(width: str) -> dict[str, Argument]:
    """Those of a `Pool.backward_op` over rows of this width."""
    rows = ("N", "B", width)
    return {"dz": Argument(rows), "carry": CARRY, "dy": Argument(rows, written=True)}


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
    - dz, dy (N, B, E): their errors; `backward_op` reads the one and overwrites the other.
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
    """z in a buffer of its own; its error too, so that it outlasts the backward pass of the parts below."""

    y: Rows

    def __init__(self, part: Pool, to: Binding, x: Rows) -> None:
        error = to.empty(to.rows, part.outputs) if x.error is not None else None
        super().__init__(part, to.dense(to.empty(to.rows, part.outputs), error))
        self._be, self._batch = to.be, to.batch
        arrays = {"y": x.value, "z": self.y.value, "dz": error, "dy": x.error}
        shape = (to.steps, to.lanes, part.outputs)
        self._arrays = {name: array.reshape(shape) for name, array in arrays.items() if array is not None}
        self._arrays["carry"] = to.batch.carry
        self._forward = _Bound(to, part.forward_op, part.dims)
        self._backward = None if error is None else _Bound(to, part.backward_op, part.dims)

    def forward(self, batch: Batch) -> None:
        self._forward(batch.steps, self._arrays)

    def backward(self, batch: Batch) -> None:
        if self._backward is not None:
            self._backward(batch.steps, self._arrays)

    def errors_at(self, t: int, dy: Array | None) -> tuple[dict[str, Array], Array | None]:
        """Anew, of the whole window: parts below have used the error that `backward` left."""
        if self._backward is None:
            return {}, None
        errors = self._be.empty(self._arrays["dz"].shape, self._arrays["dz"].dtype)
        self._backward(self._batch.steps, self._arrays | {"dy": errors})
        return {}, errors[t]


class _Bound:
    """An operation over the first steps of arrays that it finds by their names."""

    def __init__(self, to: Binding, op: FusedOp, dims: Mapping[str, int]) -> None:
        self._names = list(op.arguments)
        self._run = to.be.bind(op, to.real, N=to.steps, B=to.lanes, **dims)

    def __call__(self, steps: int, arrays: Mapping[str, Array]) -> None:
        self._run(*(arrays[name][:steps] for name in self._names))
