"""A recurrent layer in both directions: one over the window, one over its reverse, joined.

    y(t) = [h(t), h'(t)]    h' goes from the last step to the first: h'(t) follows from x(t) and h'(t+1)

The reverse direction is the same layer over the rows of the window in reversed order. A sequence begins there where in
time it ends: what it sees of step t+1 at step t has the carry of step t+1, and in the window's last step carry 0.
So sequences have to be whole: nothing is known in a window of what comes after it, and no state of the reverse
direction goes from one to the next. What is left over behind the last sequence of a lane has to begin with carry 0, or
that sequence would see it. Source: Schuster & Paliwal 1997.
"""

from __future__ import annotations

from dataclasses import replace

from gpurnn.backend import Array
from gpurnn.exceptions import UsageError
from gpurnn.fields import Field
from gpurnn.network.batch import Batch
from gpurnn.network.config import ModelConfig
from gpurnn.network.layers.directions import ADD_REVERSED, JOIN_DIRECTIONS, PART_DIRECTIONS, REVERSE_ROWS
from gpurnn.network.layers.recurrent import Recurrent, RecurrentPass
from gpurnn.network.params import Spec
from gpurnn.network.part import Binding, Lane, Named, Part, Pass
from gpurnn.network.signal import Rows, Signal, Symbols
from gpurnn.network.starts import STARTS

_REVERSE = "reverse"


class BothDirections(Part):
    """ahead: the layer that goes with time, whose names are those of a recurrent layer. reverse: the other one."""

    def __init__(self, config: ModelConfig, number: int, inputs: int) -> None:
        self.ahead, self.reverse = Recurrent(config, number, inputs), _Reverse(config, number, inputs)
        self.name, self.kind = self.ahead.name, f"{config.cell} in both directions"
        self.inputs, self.outputs = inputs, 2 * config.hidden
        self.states, self.fields = self.ahead.states, self.ahead.fields
        if any(field.per != "step" for field in self.fields):
            raise UsageError(
                f"stack: layers of both directions cannot begin with the start {config.start}, which follows from "
                "sequences as a whole; use layers of one direction"
            )

    def specs(self) -> list[Spec]:
        return [*self.ahead.specs(), *self.reverse.specs()]

    @property
    def step_fields(self) -> tuple[Field, ...]:
        """None, as those of `Recurrent`."""
        return ()

    def first(self, value: Named) -> Named:
        return self.ahead.first(value)

    def bind(self, to: Binding, x: Signal) -> Pass:
        return BothDirectionsPass(self, to, x)

    def step(self, lane: Lane, x: Signal) -> Signal:
        raise UsageError(
            f"{self.name} ({self.kind}): a model of both directions cannot be stepped, a step depends on those after "
            "it; run `model.forward` on windows of whole sequences"
        )


class _Reverse(Recurrent):
    """The layer that goes against time; to itself it is one that goes with it."""

    def __init__(self, config: ModelConfig, number: int, inputs: int) -> None:
        super().__init__(config, number, inputs)
        self.name = f"{self.name}.{_REVERSE}"
        self.start = STARTS[config.start](config, f"{self.name}.start", self.states)


class BothDirectionsPass(Pass):
    """The passes of two recurrent layers: `ahead` over the window, `reverse` over a reversed copy of what it reads.

    The copy has the window's steps from its row 0 on: step t of the window is its step T-1-t.
    """

    part: BothDirections
    y: Rows

    def __init__(self, part: BothDirections, to: Binding, x: Signal) -> None:
        super().__init__(part, to.dense(to.empty(to.rows, part.outputs), to.error(part.outputs)))
        self._lanes, self._hidden, self._x = to.lanes, part.ahead.outputs, x
        self._batch = to.batch
        self._reversed = Batch(to.be, part.reverse.fields, to.real, to.lanes, to.steps, train=False)
        self.ahead = RecurrentPass(part.ahead, to, x)
        against = to.beside(self._reversed)
        self._x_reversed = _reversed_signal(part, against, x)
        self.reverse = RecurrentPass(part.reverse, against, self._x_reversed)
        self.states = self.ahead.states
        sizes = {"N": to.steps, "B": to.lanes, "H": self._hidden}
        self._join = to.be.bind(JOIN_DIRECTIONS, to.real, **sizes)
        self._part = to.be.bind(PART_DIRECTIONS, to.real, **sizes)
        if x.error is not None:
            self._add_reversed = to.be.bind(ADD_REVERSED, to.real, **sizes | {"H": x.width})

    @property
    def d_first(self) -> Named:
        return self.ahead.d_first

    def encode(self, batch: Batch) -> None:
        self.ahead.encode(batch)
        self.reverse.encode(self._reversed)

    def forward(self, batch: Batch) -> None:
        self.ahead.forward(batch)
        self._reverse_batch(batch)
        self._x_reversed.take(batch.steps)
        self.reverse.forward(self._reversed)
        self._join(*map(self._by_step, (self.ahead.y.value, self.reverse.y.value, self.y.value)))

    def backward(self, batch: Batch) -> None:
        """The error of x comes last: it may lie where that of y or of `ahead` does."""
        self._reverse_facts(batch)
        errors = self.y.error, self.ahead.y.error, self.reverse.y.error
        self._part(*(self._by_step(error) for error in errors if error is not None))
        self.reverse.backward(self._reversed)
        self.ahead.d_last = self.d_last
        self.ahead.backward(batch)
        if self._x.error is not None and self._x_reversed.error is not None:
            self._add_reversed(self._by_step(self._x.error), self._by_step(self._x_reversed.error))

    def watch(self) -> None:
        self.ahead.watch()
        self.reverse.watch()

    def activations(self) -> dict[str, Array]:
        """Those of the reverse direction in the order of time, too."""
        return self.ahead.activations() | {name: of[::-1] for name, of in self.reverse.activations().items()}

    def errors_at(self, t: int, dy: Array | None) -> tuple[dict[str, Array], Array | None]:
        halves = (None, None) if dy is None else (dy[:, : self._hidden].copy(), dy[:, self._hidden :].copy())
        errors, dx = self.ahead.errors_at(t, halves[0])
        errors_reversed, dx_reversed = self.reverse.errors_at(self._batch.steps - 1 - t, halves[1])
        return errors | errors_reversed, None if dx is None or dx_reversed is None else dx + dx_reversed

    def gradients_at(self, t: int, dy: Array | None, gradient: Named) -> None:
        prefix = f"{_REVERSE}."
        of_reverse = {name.removeprefix(prefix): each for name, each in gradient.items() if name.startswith(prefix)}
        self._reverse_facts(self._batch)
        self.ahead.gradients_at(t, None, gradient)
        self.reverse.gradients_at(self._batch.steps - 1 - t, None, of_reverse)

    def _by_step(self, rows: Array) -> Array:
        """The rows (T B, ...) that the window at hand has, (steps, B, ...)."""
        return _by_step(rows, self._batch.steps, self._lanes)

    def _reverse_batch(self, batch: Batch) -> None:
        """What is read of the window by the reverse layer and its start: carry, and the start's fields."""
        self._reverse_facts(batch)
        self._reversed.carry[0].fill(0)
        self._reversed.carry[1 : batch.steps] = batch.carry[batch.steps - 1 : 0 : -1]
        for name, array in self._reversed.arrays.items():
            self._by_step(array)[...] = self._by_step(batch.arrays[name])[::-1]

    def _reverse_facts(self, batch: Batch) -> None:
        """What the host knows of the reversed window; anew in each pass, since a captured window runs none of this."""
        steps, boundary = batch.steps, batch.boundary
        inside = [False] * (steps - 1) if boundary is None else boundary[steps - 1 : 0 : -1]
        self._reversed.begin(steps, [True, *inside])


def _reversed_signal(part: BothDirections, to: Binding, x: Signal) -> _ReversedRows | _ReversedSymbols:
    """What the reverse layer reads: a copy that its `take` renews in each window."""
    if isinstance(x, Rows):
        return _ReversedRows(to, x)
    if isinstance(x, Symbols):
        return _ReversedSymbols(to, x)
    raise UsageError(f"{part.name}: expected rows or symbols from the part before it, found a {type(x).__name__}")


def _by_step(rows: Array, steps: int, lanes: int) -> Array:
    return rows[: steps * lanes].reshape(steps, lanes, -1)


class _ReversedRows(Rows):
    """A copy of rows in reversed order, with an error of its own where they have one."""

    def __init__(self, to: Binding, x: Rows) -> None:
        error = None if x.error is None else to.empty(to.rows, x.width)
        super().__init__(to.be, to.empty(to.rows, x.width), to.lanes, error)
        self._in_time = x
        self._reverse = to.be.bind(REVERSE_ROWS, to.real, N=to.steps, B=to.lanes, H=x.width)

    def take(self, steps: int) -> None:
        """Those of a window of so many steps."""
        self._reverse(*(_by_step(rows, steps, self._lanes) for rows in (self._in_time.value, self.value)))


class _ReversedSymbols(Symbols):
    """A copy of symbols in reversed order, and the plan for it: the same runs, of the same rows at their new places."""

    def __init__(self, to: Binding, x: Symbols) -> None:
        def copy_of(array: Array) -> Array:
            return to.be.zeros(array.shape, array.dtype)

        plan = None if x.plan is None else replace(x.plan, order=copy_of(x.plan.order))
        super().__init__(to.be, copy_of(x.index), x.width, to.real, to.lanes, plan)
        if plan is not None:
            self._lane = copy_of(plan.order)
        self._in_time = x

    def take(self, steps: int) -> None:
        """Those of a window of so many steps. Row t B + b goes to (T-1-t) B + b."""
        lanes, xp = self._lanes, self._be.xp
        _by_step(self.index, steps, lanes)[...] = _by_step(self._in_time.index, steps, lanes)[::-1]
        if self.plan is not None and self._in_time.plan is not None:
            order, lane, place = self._in_time.plan.order, self._lane, self.plan.order
            xp.remainder(order, lanes, out=lane)
            xp.add(lane, lane, out=place)
            xp.subtract(place, order, out=place)
            xp.add(place, (steps - 1) * lanes, out=place)
