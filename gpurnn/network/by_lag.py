"""Errors and gradients by lag: the loss of the targets of one step alone, followed back.

What a step contributes to a gradient mixes targets at all distances from it. With weight at one step s only, the error
at step t is that of targets s - t steps later, and so is (∂J/∂θ)(t). The shares of a gradient G, by step,

    share(t) = <(∂J/∂θ)(t), G> / |G|²

add up to 1, as norms would not: parts of a gradient may point against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gpurnn.backend import Array
from gpurnn.exceptions import UsageError
from gpurnn.network.model import Model
from gpurnn.network.through_time import through_time
from gpurnn.network.workspace import Workspace


@dataclass(frozen=True)
class ByLag:
    """What comes of the targets of one step, at each step of their window.

    lags: (steps,), how many steps before those targets each step is, less than 0 after them.
    norms: by the names of `Step.errors`, (steps, B) float64: the Euclidean norm of each lane's error.
    shares: by the names of parameters, (steps,) float64: of the gradient, they add up to 1; nan where that is 0. Of a
    gradient that several windows add up to they add up to 1 over all of these.
    """

    lags: np.ndarray
    norms: dict[str, np.ndarray]
    shares: dict[str, np.ndarray]


def by_lag(model: Model, ws: Workspace, whole: Mapping[str, Array] | None = None) -> ByLag:
    """Errors and gradients by lag, for the window that `model.forward` has just run on `ws`, which has to be watched.

    Its batch has weight at one step alone, in any of the lanes. It runs `model.backward`, and waits for the device.
    What it holds does not grow with steps times parameters. whole: the gradient of which shares are told, by parameter
    name; None: the window's own. Raises UsageError where the weight lies elsewhere, too.
    """
    be, xp, steps = model.be, model.be.xp, ws.batch.steps
    if not ws.watched:
        raise UsageError("workspace: it keeps no errors of states; call ws.watch() before model.forward")
    weighted = np.flatnonzero(be.to_host(ws.batch.weight)[: steps * ws.lanes].reshape(steps, -1).any(axis=1))
    if len(weighted) != 1:
        raise UsageError(f"window: expected weight at one step, found it at {len(weighted)}")
    model.backward(ws)
    if whole is None:
        whole = model.params.gradient
    norms: dict[str, list[Array]] = {}
    products: dict[str, list[Array]] = {name: [] for name in whole}
    for step in through_time(model, ws):
        for name, error in step.errors.items():
            norms.setdefault(name, []).append(xp.sqrt(xp.square(error, dtype=np.float64).sum(axis=1)))
        for name, gradient in step.gradients.items():
            products[name].append(xp.vdot(gradient, whole[name]))
    return ByLag(
        int(weighted[0]) - np.arange(steps),
        {name: be.to_host(xp.stack(each)) for name, each in norms.items()},
        {name: _shares(be.to_host(xp.stack(each)), _square(model, whole[name])) for name, each in products.items()},
    )


def _square(model: Model, array: Array) -> float:
    return float(model.be.xp.square(array, dtype=np.float64).sum())


def _shares(products: np.ndarray, square: float) -> np.ndarray:
    return products / square if square else np.full_like(products, np.nan)
