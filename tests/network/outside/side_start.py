"""A start: h(0) follows from a field that says of each step what a sequence that begins there is about."""

from __future__ import annotations

from collections.abc import Mapping

from gpurnn.fields import Field
from gpurnn.network import Batch, ModelConfig
from gpurnn.network.params import Spec
from gpurnn.network.part import Binding, Named
from gpurnn.network.starts import Start, StartPass

ABOUT = Field("about", "real", 2)


class SideStart(Start):
    """start(t) = about(t) P for each state, P: (2, H)."""

    fields = (ABOUT,)

    def __init__(self, config: ModelConfig, name: str, states: Mapping[str, int]) -> None:
        super().__init__("side", name, states)

    def specs(self) -> list[Spec]:
        return [Spec(f"{self.name}.{state}", (2, width), "uniform", 1, width) for state, width in self.states.items()]

    def bind(self, to: Binding) -> StartPass:
        return _SidePass(self, to)

    def first(self, value: Named) -> Named:
        return {}


class _SidePass(StartPass):
    def __init__(self, start: SideStart, to: Binding) -> None:
        self._be, self._lanes, self._P = to.be, to.lanes, to.value(start)
        self._about, self._dP = to.batch.arrays["about"], to.gradient(start)

        def buffers() -> dict[str, object]:
            return {name: to.empty(to.steps, to.lanes, width) for name, width in start.states.items()}

        super().__init__(buffers(), buffers() if to.train else {})

    def forward(self, batch: Batch) -> None:
        n = batch.steps * self._lanes
        for name, P in self._P.items():
            self._be.gemm(self._about[:n], P, self.values[name].reshape(-1, P.shape[1])[:n])

    def backward(self, batch: Batch) -> None:
        n = batch.steps * self._lanes
        self._sum(self._about[:n], batch, slice(0, batch.steps), self._dP)

    def gradients_at(self, t: int, batch: Batch, gradient: Named) -> None:
        self._sum(self._about[t * self._lanes : (t + 1) * self._lanes], batch, slice(t, t + 1), gradient)

    def _sum(self, about: object, batch: Batch, steps: slice, gradient: Named) -> None:
        for name, each in gradient.items():
            if batch.boundary is None:
                each.fill(0)
            else:
                self._be.gemm(about.T, self.errors[name][steps].reshape(len(about), -1), each)
