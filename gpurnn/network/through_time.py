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

from gpurnn.backend import Array
from gpurnn.exceptions import UsageError
from gpurnn.network.expect import expect_workspace
from gpurnn.network.model import Model
from gpurnn.network.part import of_part
from gpurnn.network.workspace import Workspace


@dataclass(frozen=True)
class Step:
    """One step of a window, as `through_time` yields it. The arrays are overwritten by the step after it.

    t: which step, from 0.
    errors: by name: "do" (B, K); for each recurrent layer "layers.0.dh_out" (B, H), the error of h(t) from above,
    without what comes back from step t+1; "layers.0.da" (B, GH), and where the cell keeps its two projections apart
    "layers.0.da_rec" (B, GH), the error of h(t-1) W; where there is an embedding "embedding.dx" (B, E); those that
    other parts name. Of a workspace that was watched (`Workspace.watch`) also of each state, h and c:
    "layers.0.dh_next" (B, H), what comes back from step t+1, or from the window after the last step; "layers.0.dh", the
    whole error, from above and from there; that of c(t) has what comes through h(t), too. In the direction against time
    step t-1 comes instead of t+1.
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
    for t, errors, from_above in _errors(model, ws):
        for each, dy in zip(ws.passes, from_above, strict=True):
            each.gradients_at(t, dy, of_part(each.part, gradients))
        yield Step(t, errors, gradients)


def error_norms(model: Model, ws: Workspace) -> dict[str, np.ndarray]:
    """The Euclidean norm over all lanes of each error of each step: by the names of `Step.errors`, (steps,) float64.

    For the window that `model.forward` and `model.backward` have just run on `ws`; waits for the device.
    """
    be = model.be
    norms: dict[str, np.ndarray] = {}
    for t, errors, _ in _errors(model, ws):
        for name, error in errors.items():
            norms.setdefault(name, np.zeros(ws.batch.steps))[t] = np.linalg.norm(be.to_host(error).astype(np.float64))
    return norms


def activations(ws: Workspace) -> dict[str, Array]:
    """Gates and states after each step of the window that `model.forward` has just run, (steps, B, H) each.

    By name: "layers.0.i", ..., then "layers.0.h", "layers.0.c"; a simple cell has no gates but h. Views: read only.
    `model.backward` uses the gates up; of a workspace that was watched they remain, too.
    Raises UsageError where they are not there.
    """
    expect_workspace(ws, ws.params, ran=True)
    if ws.holds == "errors" and not ws.watched:
        raise UsageError("workspace: model.backward has used the gates up; call ws.watch() before, or look before it")
    return {name: array for each in ws.passes for name, array in each.activations().items()}


def _errors(model: Model, ws: Workspace) -> Iterator[tuple[int, dict[str, Array], list[Array | None]]]:
    """Each step, its errors, and what each part of the network gets from above in it.

    Those from above are formed again: one buffer serves many parts in `Model.backward`.
    """
    expect_workspace(ws, model.params, train=True, holds="errors")
    for t in range(ws.batch.steps):
        errors: dict[str, Array] = {}
        from_above: list[Array | None] = [None]
        for each in reversed(ws.passes):
            found, dx = each.errors_at(t, from_above[-1])
            errors |= found
            from_above.append(dx)
        yield t, errors, from_above[-2::-1]
