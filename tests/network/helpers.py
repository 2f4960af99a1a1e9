"""Small windows, host copies and central differences for the tests of the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gpurnn.backend import Array, Backend
from gpurnn.network import Batch, Model, ModelConfig, State, Workspace
from gpurnn.network.layers.dropout import DropoutPass

TOLERANCE = 1e-7
"""Of the norm of a gradient's difference from central differences, relative to its own norm."""
STEP = 3e-4


@dataclass(frozen=True)
class HostWindow:
    """One window on the host, (T, B) each. scale: what the weighted sum of nats is multiplied with."""

    tokens: np.ndarray
    targets: np.ndarray
    carry: np.ndarray
    weight: np.ndarray
    scale: float = 1.0
    index: int = 0

    @property
    def steps(self) -> int:
        return len(self.tokens)

    def part(self, start: int, stop: int) -> HostWindow:
        """Steps start..stop-1 as a window of their own."""
        s = slice(start, stop)
        return replace(self, tokens=self.tokens[s], targets=self.targets[s], carry=self.carry[s], weight=self.weight[s])


def draw_window(symbols: int, steps: int, lanes: int, *, seed: int = 0, documents: bool = True) -> HostWindow:
    """Random tokens; with documents, some lanes begin one inside (carry 0 there, weight 0 at the step before)."""
    rng = np.random.default_rng(seed)
    tokens, targets = rng.integers(0, symbols, (2, steps, lanes))
    carry, weight = np.ones((steps, lanes)), np.ones((steps, lanes))
    if documents:
        for t, b in ((steps // 2, lanes - 1), (steps - 1, 0)):
            carry[t, b] = 0
            weight[t - 1, b] = 0
        carry[0, 1 % lanes] = 0
    return HostWindow(tokens, targets, carry, weight)


def load(be: Backend, batch: Batch, window: HostWindow) -> None:
    """Fill a batch. What a short window leaves free is filled with values that would show if they were read."""
    n = window.tokens.size
    for array, values in (
        (batch.tokens, window.tokens),
        (batch.targets, window.targets),
        (batch.weight, window.weight),
    ):
        _fill(be, array, values.reshape(-1), 0 if array is not batch.weight else 1e3)
    _fill(be, batch.carry, window.carry[:, :, None], 1e3)
    be.from_host(np.array([window.scale], batch.scale.dtype), out=batch.scale)
    be.from_host(np.array([window.index]), out=batch.window)
    order = np.argsort(window.tokens, axis=None, kind="stable")
    rows, starts = np.unique(window.tokens.reshape(-1)[order], return_index=True)
    for plan in batch.plans.values():  # of tokens, where the backend reads one
        for array, values in ((plan.order, order), (plan.starts, starts), (plan.rows, rows)):
            _fill(be, array, values, 0)
        be.from_host(np.array([len(rows)], plan.runs.dtype), out=plan.runs)
    assert n <= len(batch.tokens)
    batch.steps = window.steps
    boundary = (window.carry == 0).any(axis=1).tolist()
    batch.boundary = boundary if any(boundary) else None


def _fill(be: Backend, array: Array, values: np.ndarray, rest: float) -> None:
    host = np.full(array.shape, rest, array.dtype)
    host[: len(values)] = values
    be.from_host(host, out=array)


@dataclass(frozen=True)
class Problem:
    """A model with random parameters, a random carried state, and a workspace that holds a window."""

    model: Model
    ws: Workspace
    state: State
    window: HostWindow


def make_problem(be: Backend, config: ModelConfig, window: HostWindow, *, spare_steps: int = 0) -> Problem:
    """spare_steps: how many steps the workspace has beyond the window's."""
    lanes = window.tokens.shape[1]
    model = random_model(be, config)
    ws = model.workspace(lanes, window.steps + spare_steps, seed=5)
    load(be, ws.batch, window)
    return Problem(model, ws, random_state(be, model, lanes), window)


def random_model(be: Backend, config: ModelConfig, seed: int = 3) -> Model:
    """Parameters, biases too, far enough from 0 that every gradient shows."""
    model = Model(be, config)
    rng = np.random.default_rng(seed)
    drawn = {name: rng.uniform(-0.8, 0.8, array.shape) for name, array in model.params.value.items()}
    model.params.load(be, drawn, "random_model")
    return model


def random_state(be: Backend, model: Model, lanes: int, seed: int = 4) -> State:
    state = model.state(lanes)
    rng = np.random.default_rng(seed)
    for array in state.named().values():
        be.from_host(rng.standard_normal(array.shape).astype(array.dtype), out=array)
    return state


def objective(p: Problem, be: Backend) -> float:
    """J from a forward pass alone."""
    p.model.forward(p.ws, p.state)
    p.model.loss(p.ws)
    nats = be.to_host(p.ws.nats)[: p.window.tokens.size]
    return float(nats @ p.window.weight.reshape(-1)) * p.window.scale


def central_difference(
    be: Backend, f: Callable[[], float], array: Array, where: np.ndarray | None = None
) -> np.ndarray:
    """df/dv for each element v of an array that f reads; afterwards the array, and what f writes, are as before.

    where: of the array's shape, for a large one: elements where it is False are left out, their result is 0.
    Four points, so that the step can be wide and rounding is far below the tolerance: the error is of order STEP**4.
    """
    host = be.to_host(array)
    result = np.zeros(host.shape)
    for place in np.ndindex(host.shape):
        if where is not None and not where[place]:
            continue
        value = host[place]
        ends = []
        for distance in (1, -1, 2, -2):
            host[place] = value + distance * STEP
            be.from_host(host, out=array)
            ends.append(f())
        host[place] = value
        result[place] = (8 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / (12 * STEP)
    be.from_host(host, out=array)
    f()
    return result


def check_gradient(name: str, gradient: np.ndarray, expected: np.ndarray, tolerance: float = TOLERANCE) -> None:
    """Fails where the gradient is off by more than `tolerance` of its norm, and where it is 0 altogether."""
    assert gradient.shape == expected.shape, name
    assert np.isfinite(gradient).all(), f"{name}: not finite"
    norm = np.linalg.norm(expected)
    assert norm > 1e-6, f"{name}: the expected gradient is 0, so nothing is checked"
    error = np.linalg.norm(gradient - expected) / norm
    assert error < tolerance, f"{name}: relative error {error:.2e}"


def host(be: Backend, arrays: Mapping[str, Array]) -> dict[str, np.ndarray]:
    return {name: be.to_host(array) for name, array in arrays.items()}


def masks_of(be: Backend, ws: Workspace) -> list[np.ndarray]:
    """The dropout masks of the last window, from below, each (T, B, E) with the steps that it does not have."""
    masks = [each.mask for each in ws.passes if isinstance(each, DropoutPass)]
    return [be.to_host(mask).reshape(ws.steps, ws.lanes, -1) for mask in masks]


def nested(values: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {name: array.tolist() for name, array in values.items()}
