"""A recurrent layer in one direction, with any cell and any start."""

from __future__ import annotations

from gpurnn.backend import Array
from gpurnn.fields import Field
from gpurnn.network.batch import Batch
from gpurnn.network.cells import CELLS, Cell
from gpurnn.network.config import ModelConfig
from gpurnn.network.layers.recurrence import Recurrence
from gpurnn.network.linear import error_at
from gpurnn.network.params import Spec
from gpurnn.network.part import Binding, Lane, Named, Part, Pass
from gpurnn.network.signal import Rows, Signal
from gpurnn.network.starts import STARTS, Start
from gpurnn.settings import expect_kind


class Recurrent(Part):
    """U: (E, GH), W: (H, GH), b: (GH,), and the cell's own biases (H,). Its start has parameters of its own."""

    def __init__(self, config: ModelConfig, number: int, inputs: int) -> None:
        self.name, self.kind = f"layers.{number}", config.cell
        self.inputs, self.outputs = inputs, config.hidden
        self.cell = CELLS[config.cell]
        expect_kind(f"CELLS[{config.cell!r}]", Cell, self.cell)
        self.states = dict.fromkeys(self.cell.states, config.hidden)
        self.start: Start = STARTS[config.start](config, f"{self.name}.start", self.states)
        expect_kind(f"STARTS[{config.start!r}]", Start, self.start)
        self.fields = self.start.fields
        self._init, self._recurrent_init = config.init, config.recurrent_init or self.cell.recurrent_init
        self._forget_bias = config.forget_bias * self.cell.forget_gate

    def specs(self) -> list[Spec]:
        gates, hidden = self.cell.gates, self.outputs
        columns, name = gates * hidden, self.name
        return [
            Spec(f"{name}.U", (self.inputs, columns), self._init, gates, hidden),
            Spec(f"{name}.W", (hidden, columns), self._recurrent_init, gates, hidden),
            Spec(f"{name}.b", (columns,), gates=gates, forget_bias=self._forget_bias),
            *(Spec(f"{name}.{bias}", (hidden,)) for bias in self.cell.biases),
            *self.start.specs(),
        ]

    @property
    def step_fields(self) -> tuple[Field, ...]:
        """None: a step goes on from a state, whatever its sequence began with."""
        return ()

    def first(self, value: Named) -> Named:
        return self.start.first(_of_start(value))

    def bind(self, to: Binding, x: Signal) -> Pass:
        return RecurrentPass(self, to, x)

    def step(self, lane: Lane, x: Signal) -> Signal:
        """The states after the last step are those before this one."""
        be, hidden, value = lane.be, self.outputs, lane.value(self)
        before, after = lane.before[self.name], lane.after[self.name]
        a, r = lane.empty(1, self.cell.gates * hidden), lane.empty(1, self.cell.gates * hidden)
        named = {"a": a, "r": r, **value, **after}
        named |= {f"{name}_prev": array for name, array in before.items()}
        named |= {name: lane.empty(1, hidden) for name in self.cell.saved}
        lane.calls.append(x.row_times(value["U"], a))
        for name, array in before.items():
            lane.call(be.xp.copyto, array, after[name])
        lane.calls.append(lane.dense(before["h"]).row_times(value["W"], r))
        forward = be.bind(self.cell.forward, lane.real, B=1, H=hidden)
        lane.call(forward, *(named[name] for name in self.cell.forward.arguments))
        return lane.dense(after["h"])


class RecurrentPass(Pass):
    """x U for all steps at once, then the loop over time. loop: its buffers."""

    part: Recurrent
    y: Rows

    def __init__(self, part: Recurrent, to: Binding, x: Signal) -> None:
        hidden, shape, value = part.outputs, (to.steps, to.lanes, part.outputs), to.value(part)
        error = to.error(hidden)
        self._start = part.start.bind(to)
        dh = None if error is None else error.reshape(shape)
        self.loop = Recurrence(to.be, part.cell, value, shape, to.real, dh, self._start)
        self.states = self.loop.states
        super().__init__(part, to.dense(self.states["h"][1:].reshape(to.rows, hidden), error))
        self._be, self._batch, self._lanes, self._x, self._U = to.be, to.batch, to.lanes, x, value["U"]
        self._gradient = to.gradient(part) if to.train else {}
        self._xU = x.product(value["U"], self._gradient.get("U"))
        self._rows = self.loop.xU.reshape(to.rows, -1)
        if to.train:
            self._ones = to.ones

    @property
    def d_first(self) -> Named:
        return self.loop.d_first

    def encode(self, batch: Batch) -> None:
        if self._start is not None:
            self._start.encode(batch)

    def forward(self, batch: Batch) -> None:
        if self._start is not None:
            self._start.forward(batch)
        self._xU.forward(self._rows[: batch.steps * self._lanes])
        self.loop.forward(batch.steps, batch.carry, batch.boundary)
        if self.loop.state_errors:
            self.loop.activated[: batch.steps] = self.loop.gates[: batch.steps]

    def backward(self, batch: Batch) -> None:
        steps, carry, boundary = batch.steps, batch.carry, batch.boundary
        self.loop.backward(steps, carry, boundary, self.d_last)
        self.loop.weight_gradients(steps, carry, boundary, self._gradient, self._ones)
        self._xU.backward(self._rows[: steps * self._lanes])
        if self._start is not None:
            self._start.backward(batch)

    def errors_at(self, t: int, dy: Array | None) -> tuple[dict[str, Array], Array | None]:
        name, da = self.part.name, self.loop.da[t]
        errors = {} if dy is None else {f"{name}.dh_out": dy}
        errors[f"{name}.da"] = da
        errors |= {f"{name}.{of}": error for of, error in self._state_errors_at(t, dy).items()}
        if self.part.cell.apart:
            errors[f"{name}.da_rec"] = self.loop.da_rec[t]
        return errors, error_at(self._be, self._x, self._U, da)

    def _state_errors_at(self, t: int, dy: Array | None) -> dict[str, Array]:
        """Where it is watched: dh_next, what step t+1 has left of the error of h(t), dh, the whole of it; so of c.

        The whole is left out of states for which the cell does not say it.
        """
        e = {state: errors[t + 1] for state, errors in self.loop.state_errors.items()}
        if not e:
            return {}
        total = {"h": e["h"] if dy is None else e["h"] + dy}
        if self.part.cell.within is not None:
            at = {name: array[t] for name, array in self._activations().items()}
            total |= self.part.cell.within(self._be.xp, at, total["h"], e)
        return {f"d{state}_next": error for state, error in e.items()} | {f"d{s}": error for s, error in total.items()}

    def _activations(self) -> dict[str, Array]:
        """As `activations`, by their short names."""
        steps = self._batch.steps
        blocks = self.loop.activated[:steps].reshape(steps, self._lanes, -1, self.part.outputs)
        gates = {name: blocks[:, :, number] for number, name in enumerate(self.part.cell.activated)}
        return gates | {name: states[1 : steps + 1] for name, states in self.states.items()}

    def activations(self) -> dict[str, Array]:
        return {f"{self.part.name}.{name}": array for name, array in self._activations().items()}

    def watch(self) -> None:
        self.loop.watch()

    def gradients_at(self, t: int, dy: Array | None, gradient: Named) -> None:
        self._be.gemm(self._x.at(t).T, self.loop.da[t], gradient["U"])
        self.loop.gradients_at(t, self._batch.carry, gradient, self._ones)
        if self._start is not None:
            self._start.gradients_at(t, self._batch, _of_start(gradient))


def _of_start(named: Named) -> Named:
    """The arrays of a layer that are its start's."""
    return {name.removeprefix("start."): array for name, array in named.items() if name.startswith("start.")}
