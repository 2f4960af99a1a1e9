"""Errors and gradients through time: what each step of a window contributes, for looking at how a network learns.

The gradient that an update uses is the sum over the window, dθ = Σ_t (∂J/∂θ)(t), where θ is taken as a copy of its own
at every step. After `Model.backward` the errors of all steps still stand in the workspace; from them each step's share
is one product of what the step saw and the error it got:

    (dU)(t) = x(t) da(t)    (dW)(t) = h(t-1) da(t)    (db)(t) = da(t)    (dV)(t) = h(t) do(t)    (dc)(t) = do(t)

Source: Goodfellow, Bengio & Courville, Deep Learning, section 10.2.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gpurnn.backend import Array, Backend
from gpurnn.network.expect import expect_workspace
from gpurnn.network.layers import dropout_backward, linear_backward
from gpurnn.network.model import Model
from gpurnn.network.workspace import Workspace


@dataclass(frozen=True)
class Step:
    """One step of a window, as `through_time` yields it. The arrays are overwritten by the step after it.

    t: which step, from 0.
    errors: by name: "do" (B, K); for each layer "layers.0.dh_out" (B, H), the error of h(t) from above, without what
    comes back from step t+1; "layers.0.da" (B, GH), and where the cell keeps its two projections apart
    "layers.0.da_rec" (B, GH), the error of h(t-1) W; where there is an embedding "embedding.dx" (B, E).
    gradients: (∂J/∂θ)(t) by parameter name, each of the parameter's shape.
    """

    t: int
    errors: dict[str, Array]
    gradients: dict[str, Array]


def through_time(model: Model, ws: Workspace) -> Iterator[Step]:
    """Each step's errors and gradients, for the window that `model.forward` and `model.backward` have just run on `ws`.

    The gradients of all steps add up to `model.params.gradient`, to rounding. Reads the workspace and the parameters,
    changes neither; renew the parameters after it. It holds one more set of gradients and allocates per step: this is
    for looking, not for training. Raises UsageError where there was no such backward pass.
    """
    gradients = model.params.named(model.be.zeros((model.params.size,), model.config.real))
    symbols = model.be.xp.arange(model.config.symbols)
    for t, errors in enumerate(_errors(model, ws)):
        _gradients(model, ws, t, errors, symbols, gradients)
        yield Step(t, errors, gradients)


def error_norms(model: Model, ws: Workspace) -> dict[str, np.ndarray]:
    """The Euclidean norm over all lanes of each error of each step: by the names of `Step.errors`, (steps,) float64.

    For the window that `model.forward` and `model.backward` have just run on `ws`; waits for the device.
    """
    be = model.be
    norms: dict[str, np.ndarray] = {}
    for t, errors in enumerate(_errors(model, ws)):
        for name, error in errors.items():
            norms.setdefault(name, np.zeros(ws.batch.steps))[t] = np.linalg.norm(be.to_host(error).astype(np.float64))
    return norms


def _errors(model: Model, ws: Workspace) -> Iterator[dict[str, Array]]:
    """Each step's errors. Those from above are formed again: one buffer serves all layers in `Model.backward`."""
    expect_workspace(ws, model.params, train=True, holds="errors")
    be, value, lanes = model.be, model.params.value, ws.lanes
    dh_out = [be.empty((lanes, model.config.hidden), model.config.real) for _ in ws.layers]
    for t in range(ws.batch.steps):
        errors = {"do": ws.o[t * lanes : (t + 1) * lanes]}
        from_above, weight = errors["do"], value["output.V"]
        for number in range(len(ws.layers) - 1, -1, -1):
            layer, name = ws.layers[number], f"layers.{number}."
            be.gemm(from_above, weight.T, dh_out[number])
            if ws.masks:
                dropout_backward(be, dh_out[number], ws.masks[number][t])
            errors[name + "dh_out"] = dh_out[number]
            errors[name + "da"] = layer.a[t]
            if layer.cell.apart:
                errors[name + "da_rec"] = layer.da_rec[t]
            from_above, weight = layer.a[t], value[name + "U"]
        if ws.dx is not None:
            errors["embedding.dx"] = ws.dx[t * lanes : (t + 1) * lanes]
        yield errors


def _gradients(
    model: Model, ws: Workspace, t: int, errors: dict[str, Array], symbols: Array, gradients: dict[str, Array]
) -> None:
    """gradients: overwritten with those of step t. symbols: (K,), 0, 1, 2, ..."""
    be, batch, value, lanes, hidden = model.be, ws.batch, model.params.value, ws.lanes, model.config.hidden
    part = slice(t * lanes, (t + 1) * lanes)
    tokens = (batch.tokens[part, None] == symbols).astype(model.config.real)
    x = tokens
    if ws.x is not None:
        be.gemm(tokens.T, errors["embedding.dx"], gradients["embedding.table"])
        x = ws.x[part]
    for number, layer in enumerate(ws.layers):
        name = f"layers.{number}."
        da = errors[name + "da"]
        da_rec = errors[name + "da_rec"] if layer.cell.apart else da
        h_prev = layer.states["h"][t] * batch.carry[t]
        linear_backward(be, da, x, value[name + "U"], gradients[name + "U"], gradients[name + "b"], None, ws.ones)
        be.gemm(h_prev.T, da_rec, gradients[name + "W"])
        for bias in layer.cell.biases:
            _column_sums(be, da_rec[:, -hidden:], gradients[name + bias], ws.ones)
        x = ws.dropped[number][t] if ws.masks else layer.states["h"][t + 1]
    linear_backward(be, errors["do"], x, value["output.V"], gradients["output.V"], gradients["output.c"], None, ws.ones)


def _column_sums(be: Backend, dy: Array, db: Array, ones: Array) -> None:
    """db: (M,), overwritten. dy: (B, M); ones: (1, at least B)."""
    be.gemm(ones[:, : len(dy)], dy, db.reshape(1, -1))
