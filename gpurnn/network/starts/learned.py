"""Sequences begin with states that are learnt: a vector for each, the same for all sequences."""

from __future__ import annotations

from collections.abc import Mapping

from gpurnn.backend import Array
from gpurnn.network.batch import Batch
from gpurnn.network.config import ModelConfig
from gpurnn.network.params import Spec
from gpurnn.network.part import Binding, Named
from gpurnn.network.starts.base import Start, StartPass


class Learned(Start):
    """start(t) = s, one vector (H,) for each state, 0 at first."""

    def __init__(self, config: ModelConfig, name: str, states: Mapping[str, int]) -> None:
        super().__init__("learned", name, states)

    def specs(self) -> list[Spec]:
        return [Spec(f"{self.name}.{state}", (width,)) for state, width in self.states.items()]

    def bind(self, to: Binding) -> StartPass | None:
        return _LearnedPass(self, to)

    def first(self, value: Named) -> Named:
        return value


class _LearnedPass(StartPass):
    def __init__(self, start: Learned, to: Binding) -> None:
        xp, shape = to.be.xp, (to.steps, to.lanes)
        values = {name: xp.broadcast_to(s, (*shape, len(s))) for name, s in to.value(start).items()}
        super().__init__(values, {name: to.empty(*value.shape) for name, value in values.items()} if to.train else {})
        if to.train:
            self._gemm, self._gradient, self._ones = to.be.gemm, to.gradient(start), to.ones

    def backward(self, batch: Batch) -> None:
        for name, gradient in self._gradient.items():
            if batch.boundary is None:
                gradient.fill(0)
            else:
                self._sum(self.errors[name][: batch.steps], gradient)

    def gradients_at(self, t: int, batch: Batch, gradient: Named) -> None:
        for name, each in gradient.items():
            if batch.boundary is None:
                each.fill(0)
            else:
                self._sum(self.errors[name][t], each)

    def _sum(self, errors: Array, gradient: Array) -> None:
        rows = errors.reshape(-1, errors.shape[-1])
        self._gemm(self._ones[:, : len(rows)], rows, gradient.reshape(1, -1))
