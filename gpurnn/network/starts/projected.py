"""Sequences begin with states that follow from what is known of each, x: s = tanh(x P + b), for every state its own.

A sequence's start is what each of its steps could see, though only the first one does: the error of s is that of start
at the sequence's first step, 0 where that step's carry is 1.
"""

from __future__ import annotations

from collections.abc import Mapping

from gpurnn.backend import Array
from gpurnn.fields import Field
from gpurnn.network.batch import Batch
from gpurnn.network.config import ModelConfig
from gpurnn.network.linear import Linear
from gpurnn.network.params import Spec
from gpurnn.network.part import Binding, Named
from gpurnn.network.sequences import PAIR, TARGET_FIRST, THERE
from gpurnn.network.signal import Rows
from gpurnn.network.starts.base import Start, StartPass


class Projected(Start):
    """width: of x. P: (width, H), b: (H,), for each state."""

    fields: tuple[Field, ...] = (PAIR, TARGET_FIRST, THERE)

    def __init__(self, config: ModelConfig, kind: str, name: str, states: Mapping[str, int], width: int) -> None:
        super().__init__(kind, name, states)
        self.width, self._init = width, config.init

    def specs(self) -> list[Spec]:
        specs = []
        for state, width in self.states.items():
            specs.append(Spec(f"{self.name}.{state}.P", (self.width, width), self._init, 1, self.width))
            specs.append(Spec(f"{self.name}.{state}.b", (width,)))
        return specs

    def first(self, value: Named) -> Named:
        return {}


class ProjectedPass(StartPass):
    """x: (N, width), what is known of each sequence; a subclass fills it."""

    def __init__(self, start: Projected, to: Binding, x: Array, *, wants_error: bool) -> None:
        """wants_error: whether `dx` is to be worked out."""
        shape = (to.steps, to.lanes)
        values = {name: to.empty(*shape, width) for name, width in start.states.items()}
        errors = {name: to.empty(*shape, width) for name, width in start.states.items()} if to.train else {}
        super().__init__(values, errors)
        self._be, self._lanes, self._arrays = to.be, to.lanes, to.batch.arrays
        self._of_each = [_OfState(start, to, name, x, wants_error=wants_error) for name in start.states]

    def encode(self, batch: Batch) -> None:
        for each in self._of_each:
            each.forward()

    def forward(self, batch: Batch) -> None:
        """Steps whose carry is 1 do not see them: in a window without a boundary they are left as they are."""
        if batch.boundary is None:
            return
        n = batch.steps * self._lanes
        for each in self._of_each:
            rows = self.values[each.state].reshape(-1, each.width)[:n]
            self._be.gather_rows(each.s, self._arrays[PAIR.name][:n], rows)

    def backward(self, batch: Batch) -> None:
        for each in self._of_each:
            if batch.boundary is None:
                each.ds.fill(0)
            else:
                self._be.gather_rows(
                    self.errors[each.state].reshape(-1, each.width), self._arrays[TARGET_FIRST.name], each.ds
                )
            each.backward(self._arrays[THERE.name])

    def gradients_at(self, t: int, batch: Batch, gradient: Named) -> None:
        step = self._arrays[TARGET_FIRST.name] // self._lanes
        for each in self._of_each:
            each.gradients_where(step == t, gradient)

    @property
    def dx(self) -> Array:
        """The error (N, width) of x, after `backward`."""
        dx = self._of_each[0].dx
        for each in self._of_each[1:]:
            self._be.xp.add(dx, each.dx, out=dx)
        return dx


class _OfState:
    """s (N, H), the start of one state in each sequence; ds: its error, overwritten with that of x P + b."""

    def __init__(self, start: Projected, to: Binding, state: str, x: Array, *, wants_error: bool) -> None:
        self.state, self.width, self._xp, self._gemm = state, start.states[state], to.be.xp, to.be.gemm
        names = f"{state}.P", f"{state}.b"
        P, b = (to.value(start)[name] for name in names)
        dP, db = (to.gradient(start)[name] for name in names) if to.train else (None, None)
        self.s = to.empty(to.sequences, self.width)
        if to.train:
            self.ds, self._slope = to.empty(to.sequences, self.width), to.empty(to.sequences, self.width)
        self.dx = to.empty(*x.shape) if wants_error and to.train else None
        of_sequences = to.of_rows(to.sequences)
        self._linear = Linear(of_sequences, Rows(to.be, x, to.sequences, self.dx), P, b, dP, db)

    def forward(self) -> None:
        self._linear.forward(self.s)
        self._xp.tanh(self.s, out=self.s)

    def backward(self, there: Array) -> None:
        """ds: that of s. there: (N,), 0 for sequences that are not."""
        xp, slope = self._xp, self._slope
        xp.multiply(self.s, self.s, out=slope)
        xp.subtract(1, slope, out=slope)
        xp.multiply(slope, there[:, None], out=slope)
        xp.multiply(self.ds, slope, out=self.ds)
        self._linear.backward(self.ds)

    def gradients_where(self, chosen: Array, gradient: Named) -> None:
        """gradient: overwritten with those of the sequences that are chosen, (N,) of true and false."""
        names = f"{self.state}.P", f"{self.state}.b"
        self._linear.gradients_at(0, self.ds * chosen[:, None], *(gradient[name] for name in names))
