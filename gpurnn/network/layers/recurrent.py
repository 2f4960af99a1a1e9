"""A recurrent layer: the one loop over time, forward and backward, for every cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gpurnn.backend import Array, Backend
from gpurnn.network.cells import Cell
from gpurnn.network.layers.persistent import bind_persistent


class RecurrentBuffers:
    """What one recurrent layer needs for a window of up to T steps of B lanes; allocated once.

    a: (T, B, GH), x U, then the activated gates, then (after backward) the errors da.
    states: by name, (T+1, B, H); slot 0 is what the last window left. What a step sees of them where carry is 0 is a
    copy: they stay as they were, since the layer above and the step before read them too.
    da_rec: (T, B, GH), the errors of the recurrent projection: `a` itself unless the cell keeps its projections apart.
    """

    def __init__(
        self,
        be: Backend,
        cell: Cell,
        parameters: Mapping[str, Array],
        shape: tuple[int, int, int],
        dtype: Any,
        dh: Array | None,
    ) -> None:
        """parameters: U, W, b, ... shape: (T, B, H). dh: (T, B, H), the errors from above; None: forward only."""
        steps, lanes, hidden = shape
        columns = cell.gates * hidden
        self.be, self.cell = be, cell
        self.W = parameters["W"]
        self.a = be.empty((steps, lanes, columns), dtype)
        states = be.zeros((len(cell.states), steps + 1, lanes, hidden), dtype)
        self.states = dict(zip(cell.states, states, strict=True))
        self._before = [states[:, t] for t in range(steps)]
        self._seen = be.empty((len(cell.states), lanes, hidden), dtype)
        recurrent = be.empty((steps if cell.apart else 1, lanes, columns), dtype)
        self._r = [recurrent[t if cell.apart else 0] for t in range(steps)]
        self._h = [self.states["h"][t] for t in range(steps)]

        whole: dict[str, Array] = {name: self.states[name][1:] for name in cell.states}
        whole |= {f"{name}_prev": self.states[name][:steps] for name in cell.states}
        whole |= {name: be.empty((steps, lanes, hidden), dtype) for name in cell.saved}
        named: dict[str, Any] = {name: list(array) for name, array in whole.items()}
        named |= {"a": list(self.a), "r": self._r}
        named |= {name: [parameters[name]] * steps for name in ("b", *cell.biases)}
        whole |= {"a": self.a, "r": recurrent, **parameters}
        before = [f"{name}_prev" for name in cell.states]
        whole_forward, whole_backward = cell.persistent or (None, None)
        self._whole_forward = bind_persistent(be, whole_forward, whole, shape, dtype) or be.bind_loop(
            cell.forward, dtype, whole, backward=False, before=before
        )
        self._forward = be.bind(cell.forward, dtype, B=lanes, H=hidden)
        self._forward_arguments = _by_step(cell.forward.arguments, named, steps)
        masked = {name: [array] * steps for name, array in zip(before, self._seen, strict=True)}
        self._masked_arguments = _by_step(cell.forward.arguments, named | masked, steps)
        if dh is None:
            return

        self._dh = dh
        self.da_rec = recurrent if cell.apart else self.a
        self._da_rec = list(self.da_rec)
        self._Wt = be.empty((columns, hidden), dtype)
        self._carried_errors = be.empty((1 + len(cell.errors), lanes, hidden), dtype)
        self._dh_rec = self._carried_errors[0]
        self._e = dict(zip(cell.errors, self._carried_errors[1:], strict=True))
        errors = {f"e_{name}": array for name, array in self._e.items()}
        whole |= {"dh_out": dh, "dh_rec": self._dh_rec, "da_rec": self.da_rec, **errors}
        named |= {"dh_out": list(dh)} | {name: [whole[name]] * steps for name in ("dh_rec", *errors)}
        self._whole_backward = bind_persistent(be, whole_backward, whole, shape, dtype) or be.bind_loop(
            cell.backward, dtype, whole, backward=True, before=before, errors=errors
        )
        self._backward = be.bind(cell.backward, dtype, B=lanes, H=hidden)
        self._backward_sees = not set(before).isdisjoint(cell.backward.arguments)
        self._backward_masked_arguments = _by_step(cell.backward.arguments, named | masked, steps)
        self._backward_arguments = _by_step(cell.backward.arguments, named, steps)

    @property
    def d_first(self) -> dict[str, Array]:
        """The errors at slot 0 that `backward` has left, what would cross the seam: by state name, (B, H)."""
        h = self.be.xp.add(self._dh_rec, self._e["h"]) if "h" in self._e else self._dh_rec
        return {"h": h} | {name: self._e[name] for name in self.cell.states[1:]}

    def forward(self, steps: int, carry: Array, boundary: Sequence[bool] | None) -> None:
        """States 1..steps and the gates, from slot 0 and `a` = x U.

        carry: (T, B, 1), 0 where a step sees no state of before. boundary: which steps have such a lane; None: none.
        """
        if self._whole_forward is not None:
            self._whole_forward(steps, None if boundary is None else carry)
            return
        gemm, W = self.be.gemm, self.W
        for t in range(steps):
            if boundary is not None and boundary[t]:
                self.be.xp.multiply(self._before[t], carry[t], out=self._seen)
                gemm(self._seen[0], W, self._r[t])
                self._forward(*self._masked_arguments[t])
            else:
                gemm(self._h[t], W, self._r[t])
                self._forward(*self._forward_arguments[t])

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
        if self._whole_backward is not None:
            self._whole_backward(steps, None if boundary is None else carry)
        else:
            self._backward_by_step(steps, carry, boundary)

    def _backward_by_step(self, steps: int, carry: Array, boundary: Sequence[bool] | None) -> None:
        xp, gemm = self.be.xp, self.be.gemm
        self._Wt[...] = self.W.T
        for t in range(steps - 1, -1, -1):
            if boundary is not None and boundary[t]:
                if self._backward_sees:
                    xp.multiply(self._before[t], carry[t], out=self._seen)
                self._backward(*self._backward_masked_arguments[t])
                gemm(self._da_rec[t], self._Wt, self._dh_rec)
                xp.multiply(self._carried_errors, carry[t], out=self._carried_errors)
            else:
                self._backward(*self._backward_arguments[t])
                gemm(self._da_rec[t], self._Wt, self._dh_rec)

    def weight_gradients(
        self, steps: int, carry: Array, boundary: Sequence[bool] | None, gradient: Mapping[str, Array], ones: Array
    ) -> None:
        """dW, db and the other biases' gradients: overwritten with sums over all steps. ones: (1, at least T B).

        Call it after `backward` and before `dh` is filled for the next layer: a window with a boundary uses `dh` up.
        """
        rows = steps * self.a.shape[1]
        hidden = self.W.shape[0]
        h_prev = self.states["h"][:steps]
        if boundary is not None:
            h_prev = self.be.xp.multiply(h_prev, carry[:steps], out=self._dh[:steps])
        h_prev = h_prev.reshape(rows, hidden)
        da = self.a[:steps].reshape(rows, -1)
        da_rec = self.da_rec[:steps].reshape(rows, -1)
        gemm = self.be.gemm
        gemm(h_prev.T, da_rec, gradient["W"])
        gemm(ones[:, :rows], da, gradient["b"].reshape(1, -1))
        for bias in self.cell.biases:  # of the last gate's recurrent part
            gemm(ones[:, :rows], da_rec[:, -hidden:], gradient[bias].reshape(1, -1))


def _by_step(names: Mapping[str, Any], named: Mapping[str, Sequence[Array]], steps: int) -> list[tuple[Array, ...]]:
    """The argument arrays of a fused operation for each step, looked up once so that the loop need not."""
    return [tuple(named[name][t] for name in names) for t in range(steps)]
