"""What a head is: the last part, a linear layer and a loss of each target."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from gpurnn.backend import Array, FusedOp
from gpurnn.exceptions import UsageError
from gpurnn.fields import Field
from gpurnn.network.batch import Batch
from gpurnn.network.config import ModelConfig
from gpurnn.network.heads.loss import WEIGHTED_LOSS
from gpurnn.network.linear import Linear
from gpurnn.network.params import Spec
from gpurnn.network.part import Binding, Lane, Named, Part, Pass
from gpurnn.network.signal import Signal


class Head(Part):
    """V: (H, K), c: (K,). Output o(t) = c + V x(t), a loss of each target, and J = scale Σ weight loss.

    target: the field that o is compared with.
    unit: what a loss is, in words, such as "nats". error_op, loss_op: fused operations over the rows of a window, for
    training (o, target, weight, scale, losses) and for evaluation (o, target, losses), whatever they call these:

    - o (N, K): the outputs; `error_op` overwrites it with their error, (∂loss/∂o) weight scale; `loss_op` uses it up.
    - target: as the field has it; weight (N,), scale (1,): read only. losses (N,): overwritten.

    besides: numbers that both read after these, such as the levels of quantiles. dims: the sizes that they name, but N.
    reads: how many arguments both have; another head has a pass of its own.
    """

    name = "output"
    reads: ClassVar[tuple[int, int]] = (5, 3)
    unit: ClassVar[str]
    error_op: ClassVar[FusedOp]
    loss_op: ClassVar[FusedOp]
    besides: tuple[tuple[float, ...], ...] = ()

    def __init__(self, config: ModelConfig, inputs: int, target: Field) -> None:
        """Raises UsageError where `unit`, `error_op` or `loss_op` is none."""
        if not isinstance(getattr(self, "unit", None), str):
            raise UsageError(f"head {self.kind}: expected a unit, in words")
        for name, count in zip(("error_op", "loss_op"), self.reads, strict=True):
            op = getattr(self, name, None)
            count += len(self.besides)
            if not isinstance(op, FusedOp) or len(op.arguments) != count:
                found = f"one of {len(op.arguments)}" if isinstance(op, FusedOp) else type(op).__name__
                raise UsageError(f"head {self.kind}: {name}: expected a FusedOp of {count} arguments, found {found}")
        self.inputs, self.outputs = inputs, config.output_width
        self.target, self.fields = target, (target,)
        self._init = config.init

    @property
    def dims(self) -> dict[str, int]:
        """See above; K: how many outputs there are."""
        return {"K": self.outputs}

    def high_from(self, lowest: float, margin: float) -> float:
        """A mean loss above this is high beside the `lowest` of a training; see `gpurnn.training.divergence`.

        A loss of real targets has no unit of its own, so the margin is a share of the lowest.
        """
        return lowest + lowest * margin

    def stuck_from(self, median: float) -> float:
        """A lane is stuck whose mean loss is above this; none is where it is infinite. median: of all lanes' means."""
        return math.inf

    def specs(self) -> list[Spec]:
        return [
            Spec(f"{self.name}.V", (self.inputs, self.outputs), self._init, 1, self.inputs),
            Spec(f"{self.name}.c", (self.outputs,)),
        ]

    def bind(self, to: Binding, x: Signal) -> HeadPass:
        return HeadPass(self, to, x)

    def step(self, lane: Lane, x: Signal) -> Signal:
        """The outputs."""
        value, o = lane.value(self), lane.empty(1, self.outputs)
        lane.calls.append(x.row_times(value["V"], o))
        lane.call(lane.be.xp.add, o, value["c"], o)
        return lane.dense(o)


class HeadPass(Pass):
    """o: (T B, K), the outputs; in training overwritten by their errors. losses: (T B,), the loss of each target.

    loss: (1,) float64, J of the window.
    """

    part: Head

    def __init__(self, part: Head, to: Binding, x: Signal) -> None:
        self.o = to.empty(to.rows, part.outputs)
        super().__init__(part, to.dense(self.o, None))
        be, dims = to.be, self.dims(to)
        self.losses = be.zeros((to.rows,), to.real)
        self.loss = be.zeros((1,), np.float64)
        self._lanes, self._target = to.lanes, to.batch.arrays[part.target.name]
        self._besides = [be.from_host(np.array(numbers, to.real)) for numbers in part.besides]
        value, gradient = to.value(part), to.gradient(part) if to.train else {}
        self._linear = Linear(to, x, value["V"], value["c"], gradient.get("V"), gradient.get("c"))
        self._loss_op = be.bind(part.loss_op, to.real, **dims)
        if to.train:
            self._error_op = be.bind(part.error_op, to.real, **dims)
            self._weighted_loss = be.bind(WEIGHTED_LOSS, to.real, N=to.rows)

    def dims(self, to: Binding) -> dict[str, int]:
        """The sizes that the operations of the head name."""
        return {"N": to.rows, **self.part.dims}

    def forward(self, batch: Batch) -> None:
        self._linear.forward(self.o[: batch.steps * self._lanes])

    def evaluate(self, batch: Batch) -> None:
        """`losses` from the outputs, which are used up."""
        n = batch.steps * self._lanes
        self._loss_op(self.o[:n], self._target[:n], self.losses[:n], *self._besides)

    def backward(self, batch: Batch, keep: Array | None = None) -> None:
        """`losses` and `loss` too; o becomes its error. keep: (T, B), what that is multiplied by."""
        n = batch.steps * self._lanes
        self._find_errors(batch)
        if keep is not None:
            self.o[:n] *= keep.reshape(-1, 1)
        self._weighted_loss(self.losses[:n], batch.weight[:n], batch.scale, self.loss)
        self._linear.backward(self.o[:n])

    def _find_errors(self, batch: Batch) -> None:
        """`losses`; o becomes its error."""
        n = batch.steps * self._lanes
        o, target, weight = self.o[:n], self._target[:n], batch.weight[:n]
        self._error_op(o, target, weight, batch.scale, self.losses[:n], *self._besides)

    def errors_at(self, t: int, dy: Array | None) -> tuple[dict[str, Array], Array | None]:
        do = self._do(t)
        return {"do": do}, self._linear.error_at(do)

    def gradients_at(self, t: int, dy: Array | None, gradient: Named) -> None:
        self._linear.gradients_at(t, self._do(t), gradient["V"], gradient["c"])

    def _do(self, t: int) -> Array:
        return self.o[t * self._lanes : (t + 1) * self._lanes]
