"""The one loop over time, forward and backward, for every cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gpurnn.backend import Array, Backend, StepProduct
from gpurnn.network.cells import Cell
from gpurnn.network.layers.masked import MASK_ROWS
from gpurnn.network.layers.persistent import bind_persistent
from gpurnn.network.starts import StartPass

FORWARD, BACKWARD = StepProduct("h_prev", "W", "r"), StepProduct("da_rec", "W", "dh_rec")
"""The product of a step, with W and with its transpose."""


class Recurrence:
    """The buffers of a recurrent layer for a window of up to T steps of B lanes, and its passes over them.

    xU, gates, da: one buffer, (T, B, GH): x U before `forward`, the activated gates after it, the errors of the
    pre-activation after `backward`.
    states: by name, (T+1, B, H); slot 0 is what the last window left. What a step sees of them where carry is 0 is a
    copy: they stay as they were, since the layer above and the step before read them too.
    da_rec: (T, B, GH), the errors of the recurrent projection: `da` itself unless the cell keeps its projections apart.
    activated: (T, B, GH), the activated gates; `gates` itself, which `backward` uses up, unless it is watched.
    state_errors: by state name, (T+1, B, H), where it is watched: what `d_first` would be if a window began in a slot.
    """

    def __init__(
        self,
        be: Backend,
        cell: Cell,
        parameters: Mapping[str, Array],
        shape: tuple[int, int, int],
        dtype: Any,
        dh: Array | None,
        start: StartPass | None = None,
    ) -> None:
        """parameters: U, W, b, ... shape: (T, B, H). dh: (T, B, H), the errors from above; None: forward only.

        start: what a step sees where carry is 0; None: zeros.
        """
        steps, lanes, hidden = shape
        columns = cell.gates * hidden
        self.be, self.cell, self.W = be, cell, parameters["W"]
        self.xU = self.gates = self.da = self.activated = be.empty((steps, lanes, columns), dtype)
        self.state_errors: dict[str, Array] = {}
        states = be.zeros((len(cell.states), steps + 1, lanes, hidden), dtype)
        self.states = dict(zip(cell.states, states, strict=True))
        recurrent = be.empty((steps if cell.apart else 1, lanes, columns), dtype)
        self.da_rec = recurrent if cell.apart else self.da
        self._begins = None if start is None else _Begins(be, cell, start, shape, dtype)

        self._before = [states[:, t] for t in range(steps)]
        self._h = [self.states["h"][t] for t in range(steps)]
        self._r = [recurrent[t if cell.apart else 0] for t in range(steps)]
        self._seen = be.empty((len(cell.states), lanes, hidden), dtype)
        before = [f"{name}_prev" for name in cell.states]
        earlier = dict(zip(before, cell.states, strict=True))
        seen = dict(zip(before, self._seen, strict=True))

        arrays = _Arguments(steps)
        arrays.same(parameters)
        arrays.by_step({"a": self.gates})
        arrays.by_step({name: self.states[name][1:] for name in cell.states})
        arrays.by_step({f"{name}_prev": self.states[name][:steps] for name in cell.states})
        arrays.by_step({name: be.empty((steps, lanes, hidden), dtype) for name in cell.saved})
        if cell.apart:
            arrays.by_step({"r": recurrent})
        else:
            arrays.same({"r": recurrent[0]})
        whole_forward, whole_backward = cell.persistent or (None, None)
        self._whole_forward = bind_persistent(be, whole_forward, arrays.whole, shape, dtype) or be.bind_loop(
            cell.forward, dtype, arrays.whole, FORWARD, backward=False, masked=before, earlier=earlier
        )
        self._forward = be.bind(cell.forward, dtype, B=lanes, H=hidden)
        self._forward_arguments = arrays.of(cell.forward.arguments)
        self._forward_masked = arrays.of(cell.forward.arguments, instead=seen)
        if dh is None:
            return

        self._dh = dh
        self._mask = be.bind(MASK_ROWS, dtype, N=steps * lanes, H=hidden)
        self._da_rec = list(self.da_rec)
        self._Wt = be.empty((columns, hidden), dtype)
        self._carried_errors = be.empty((1 + len(cell.errors), lanes, hidden), dtype)
        self._dh_rec = self._carried_errors[0]
        self._e = dict(zip(cell.errors, self._carried_errors[1:], strict=True))
        errors = {f"e_{name}": array for name, array in self._e.items()}
        arrays.by_step({"dh_out": dh, "da_rec": self.da_rec})
        arrays.same({"dh_rec": self._dh_rec, **errors})
        self._whole_backward = bind_persistent(be, whole_backward, arrays.whole, shape, dtype) or be.bind_loop(
            cell.backward, dtype, arrays.whole, BACKWARD, backward=True, masked=before, cleared=errors, earlier=earlier
        )
        self._backward = be.bind(cell.backward, dtype, B=lanes, H=hidden)
        self._backward_sees = not set(before).isdisjoint(cell.backward.arguments)
        self._backward_arguments = arrays.of(cell.backward.arguments)
        self._backward_masked = arrays.of(cell.backward.arguments, instead=seen)

    @property
    def d_first(self) -> dict[str, Array]:
        """The errors at slot 0 that `backward` has left, what would cross the seam: by state name, (B, H)."""
        h = self.be.xp.add(self._dh_rec, self._e["h"]) if "h" in self._e else self._dh_rec
        return {"h": h} | {name: self._e[name] for name in self.cell.states[1:]}

    def watch(self) -> None:
        """Keep `activated` and `state_errors` of all windows from now on; for looking, `backward` goes step by step."""
        self.activated = self.gates.copy()
        self.state_errors = {name: self.be.xp.zeros_like(states) for name, states in self.states.items()}

    def _keep(self, slot: int) -> None:
        """The errors at hand are those of the states in this slot."""
        for name, error in self.d_first.items():
            self.state_errors[name][slot] = error

    def forward(self, steps: int, carry: Array, boundary: Sequence[bool] | None) -> None:
        """States 1..steps and the gates, from slot 0 and `xU`.

        carry: (T, B, 1), 0 where a step sees no state of before. boundary: which steps have such a lane; None: none.
        """
        if boundary is not None and self._begins is not None:
            self._begins.forward(steps, carry)
        elif self._whole_forward is not None:
            self._whole_forward(steps, None if boundary is None else carry)
            return
        gemm, W = self.be.gemm, self.W
        for t in range(steps):
            if boundary is not None and boundary[t]:
                self._see(t, carry)
                gemm(self._seen[0], W, self._r[t])
                self._forward(*self._forward_masked[t])
            else:
                gemm(self._h[t], W, self._r[t])
                self._forward(*self._forward_arguments[t])

    def _see(self, t: int, carry: Array) -> None:
        """What step t sees of the states before it."""
        self.be.xp.multiply(self._before[t], carry[t], out=self._seen)
        if self._begins is not None:
            self.be.xp.add(self._seen, self._begins.values[:, t], out=self._seen)

    def backward(
        self, steps: int, carry: Array, boundary: Sequence[bool] | None, d_last: Mapping[str, Array] | None = None
    ) -> None:
        """Errors of every step, in place of the gates, and `d_first`, from the errors `dh` from above.

        d_last: errors at the last slot, by state name; None: 0. The states stay as they are.
        """
        self._carried_errors.fill(0)
        if d_last is not None:
            for name in self.cell.states:  # that of h may come either way
                (self._dh_rec if name == "h" else self._e[name])[...] = d_last[name]
        if self.state_errors:
            self._keep(steps)
            self._backward_by_step(steps, carry, boundary)
        elif self._whole_backward is not None and (boundary is None or self._begins is None):
            self._whole_backward(steps, None if boundary is None else carry)
        else:
            self._backward_by_step(steps, carry, boundary)

    def _backward_by_step(self, steps: int, carry: Array, boundary: Sequence[bool] | None) -> None:
        xp, gemm = self.be.xp, self.be.gemm
        self._Wt[...] = self.W.T
        for t in range(steps - 1, -1, -1):
            if boundary is not None and boundary[t]:
                if self._backward_sees:
                    self._see(t, carry)
                self._backward(*self._backward_masked[t])
                gemm(self._da_rec[t], self._Wt, self._dh_rec)
                if self._begins is not None:
                    self._begins.take_errors(t, self._dh_rec, self._e)
                xp.multiply(self._carried_errors, carry[t], out=self._carried_errors)
            else:
                self._backward(*self._backward_arguments[t])
                gemm(self._da_rec[t], self._Wt, self._dh_rec)
            if self.state_errors:
                self._keep(t)

    def weight_gradients(
        self, steps: int, carry: Array, boundary: Sequence[bool] | None, gradient: Mapping[str, Array], ones: Array
    ) -> None:
        """dW, db and the other biases' gradients: overwritten with sums over all steps. ones: (1, at least T B).

        Call it after `backward` and before `dh` is filled for the next layer: a window with a boundary uses `dh` up.
        """
        rows = steps * self.da.shape[1]
        hidden = self.W.shape[0]
        h_prev = self.states["h"][:steps].reshape(rows, hidden)
        if boundary is not None:
            seen = self._dh[:steps].reshape(rows, hidden)
            self._mask(h_prev, carry[:steps].reshape(rows, 1), seen)
            if self._begins is not None:
                self.be.xp.add(seen, self._begins.values[0, :steps].reshape(rows, hidden), out=seen)
            h_prev = seen
        self._sums(h_prev, self.da[:steps].reshape(rows, -1), self.da_rec[:steps].reshape(rows, -1), gradient, ones)

    def gradients_at(self, t: int, carry: Array, gradient: Mapping[str, Array], ones: Array) -> None:
        """As `weight_gradients`, but (∂J/∂θ)(t) of one step; for looking: it allocates."""
        h_prev = self.states["h"][t] * carry[t]
        if self._begins is not None:
            h_prev = h_prev + self._begins.values[0, t]
        self._sums(h_prev, self.da[t], self.da_rec[t], gradient, ones)

    def _sums(self, h_prev: Array, da: Array, da_rec: Array, gradient: Mapping[str, Array], ones: Array) -> None:
        """Gradients from the rows that steps saw and the errors that they got."""
        gemm, hidden, ones = self.be.gemm, self.W.shape[0], ones[:, : len(da)]
        gemm(h_prev.T, da_rec, gradient["W"])
        gemm(ones, da, gradient["b"].reshape(1, -1))
        for bias in self.cell.biases:  # of the last gate's recurrent part
            gemm(ones, da_rec[:, -hidden:], gradient[bias].reshape(1, -1))


class _Begins:
    """What steps see of a start, and the errors that go to it. values: (states, T, B, H), 0 where carry is 1."""

    def __init__(self, be: Backend, cell: Cell, start: StartPass, shape: tuple[int, int, int], dtype: Any) -> None:
        self._xp, self._start, self._names = be.xp, start, cell.states
        self.values = be.zeros((len(cell.states), *shape), dtype)
        self._absent = be.empty((*shape[:2], 1), dtype)

    def forward(self, steps: int, carry: Array) -> None:
        absent = self._xp.subtract(1, carry[:steps], out=self._absent[:steps])
        for name, value in zip(self._names, self.values, strict=True):
            self._xp.multiply(self._start.values[name][:steps], absent, out=value[:steps])
        for error in self._start.errors.values():
            error[:steps].fill(0)

    def take_errors(self, t: int, dh_rec: Array, e: Mapping[str, Array]) -> None:
        """The start's part, where carry is 0, of the errors of what step t saw: dh_rec (B, H), and e by state name."""
        for name in self._names:
            error = self._start.errors[name][t]
            if name == "h" and "h" in e:
                self._xp.add(dh_rec, e["h"], out=error)
            else:
                error[...] = dh_rec if name == "h" else e[name]
            self._xp.multiply(error, self._absent[t], out=error)


class _Arguments:
    """Arrays by the names that a cell's operations have for them. whole: each for all steps."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self.whole: dict[str, Array] = {}
        self._each: dict[str, Sequence[Array]] = {}

    def by_step(self, arrays: Mapping[str, Array]) -> None:
        """Arrays (T, ...), of which each step has its own rows."""
        self.whole |= arrays
        self._each |= {name: list(array) for name, array in arrays.items()}

    def same(self, arrays: Mapping[str, Array]) -> None:
        """Arrays that all steps share."""
        self.whole |= arrays
        self._each |= {name: [array] * self._steps for name, array in arrays.items()}

    def of(self, names: Iterable[str], *, instead: Mapping[str, Array] = {}) -> list[tuple[Array, ...]]:
        """The arguments of an operation for each step, looked up once so that the loop need not.

        instead: those that are not a step's own here.
        """
        each = self._each | {name: [array] * self._steps for name, array in instead.items()}
        return [tuple(each[name][t] for name in names) for t in range(self._steps)]
