"""An input: real numbers, each column times a factor of its own that is learnt. Its field is its own, too."""

from __future__ import annotations

from gpurnn.backend import Array
from gpurnn.fields import Field
from gpurnn.network import Batch, ModelConfig
from gpurnn.network.params import Spec
from gpurnn.network.part import Binding, Lane, Named, Part, Pass
from gpurnn.network.signal import Rows, Signal


class ScaledInput(Part):
    """x(t) = sensors(t) * s, s: (F,)."""

    name, kind, inputs = "scaled", "scaled", 0

    def __init__(self, config: ModelConfig) -> None:
        self.outputs = config.input_width
        self.fields = (Field("sensors", "real", self.outputs),)

    def specs(self) -> list[Spec]:
        return [Spec("scaled.s", (self.outputs,), gates=1, forget_bias=0.0)]

    def bind(self, to: Binding, x: Signal) -> Pass:
        return _ScaledPass(self, to)

    def step(self, lane: Lane, x: Signal) -> Signal:
        row = lane.empty(1, self.outputs)
        lane.call(lane.be.xp.multiply, lane.arrays["sensors"], lane.value(self)["s"], row)
        return lane.dense(row)


class _ScaledPass(Pass):
    y: Rows

    def __init__(self, part: ScaledInput, to: Binding) -> None:
        super().__init__(part, to.dense(to.empty(to.rows, part.outputs), to.error(part.outputs)))
        self._xp, self._lanes, self._s = to.be.xp, to.lanes, to.value(part)["s"]
        self._sensors, self._scratch = to.batch.arrays["sensors"], to.empty(to.rows, part.outputs)
        self._ds = to.gradient(part)["s"]

    def forward(self, batch: Batch) -> None:
        n = batch.steps * self._lanes
        self._xp.multiply(self._sensors[:n], self._s, out=self.y.value[:n])

    def backward(self, batch: Batch) -> None:
        n = batch.steps * self._lanes
        self._xp.multiply(self.y.error[:n], self._sensors[:n], out=self._scratch[:n])
        self._xp.sum(self._scratch[:n], axis=0, out=self._ds)

    def errors_at(self, t: int, dy: Array | None) -> tuple[dict[str, Array], Array | None]:
        return {"scaled.dx": dy}, None

    def gradients_at(self, t: int, dy: Array | None, gradient: Named) -> None:
        part = slice(t * self._lanes, (t + 1) * self._lanes)
        gradient["s"][...] = (dy * self._sensors[part]).sum(axis=0)
