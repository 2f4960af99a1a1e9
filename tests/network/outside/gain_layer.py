"""A layer: each number times a gain of its own that is learnt."""

from __future__ import annotations

from gpurnn.backend import Array
from gpurnn.exceptions import UsageError
from gpurnn.network import Batch, ModelConfig
from gpurnn.network.params import Spec
from gpurnn.network.part import Binding, Lane, Named, Part, Pass
from gpurnn.network.signal import Rows, Signal


class GainLayer(Part):
    """y(t) = x(t) * g, g: (E,)."""

    kind = "gain"

    def __init__(self, config: ModelConfig, number: int, inputs: int) -> None:
        self.name, self.inputs, self.outputs = f"gain.{number}", inputs, inputs

    def specs(self) -> list[Spec]:
        return [Spec(f"{self.name}.g", (self.outputs,))]

    def bind(self, to: Binding, x: Signal) -> Pass:
        if not isinstance(x, Rows):
            raise UsageError(f"{self.name}: expected rows")
        return _GainPass(self, to, x)

    def step(self, lane: Lane, x: Signal) -> Signal:
        assert isinstance(x, Rows)
        row = lane.empty(1, self.outputs)
        lane.call(lane.be.xp.multiply, x.value, lane.value(self)["g"], row)
        return lane.dense(row)


class _GainPass(Pass):
    y: Rows

    def __init__(self, part: GainLayer, to: Binding, x: Rows) -> None:
        super().__init__(part, to.dense(to.empty(to.rows, part.outputs), to.error(part.outputs)))
        self._xp, self._lanes, self._x, self._g = to.be.xp, to.lanes, x, to.value(part)["g"]
        self._scratch, self._dg = to.empty(to.rows, part.outputs), to.gradient(part)["g"]

    def forward(self, batch: Batch) -> None:
        n = batch.steps * self._lanes
        self._xp.multiply(self._x.value[:n], self._g, out=self.y.value[:n])

    def backward(self, batch: Batch) -> None:
        n = batch.steps * self._lanes
        dy = self.y.error[:n]
        self._xp.multiply(dy, self._x.value[:n], out=self._scratch[:n])
        self._xp.sum(self._scratch[:n], axis=0, out=self._dg)
        if self._x.error is not None:
            self._xp.multiply(dy, self._g, out=self._x.error[:n])

    def errors_at(self, t: int, dy: Array | None) -> tuple[dict[str, Array], Array | None]:
        return {f"{self.part.name}.dy": dy}, None if self._x.error is None else dy * self._g

    def gradients_at(self, t: int, dy: Array | None, gradient: Named) -> None:
        gradient["g"][...] = (dy * self._x.at(t)).sum(axis=0)
