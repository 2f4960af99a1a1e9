"""Small windows, host copies and central differences for the tests of the network."""

from __future__ import annotations

import math
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
MANY, FEW = 3, 2
"""Directions along which a gradient is checked: through all elements, and of one element each."""


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


def central_difference(be: Backend, f: Callable[[], float], array: Array) -> np.ndarray:
    """df/dv for each element v of an array that f reads, for what is computed quickly; see `slopes_along`."""
    shape = be.to_host(array).shape
    return slopes_along(be, f, array, np.eye(math.prod(shape)).reshape(-1, *shape)).reshape(shape)


def slopes_along(be: Backend, f: Callable[[], float], array: Array, directions: np.ndarray) -> np.ndarray:
    """The derivative of f along each direction of an array that it reads; that and what f writes end as they were.

    directions: (D, ...). Four points each, so that the step can be wide and rounding is far below the tolerance: the
    error is of order STEP**4.
    """
    value, slopes = be.to_host(array), []
    for direction in directions:
        ends = []
        for distance in (1, -1, 2, -2):
            be.from_host(value + distance * STEP * direction, out=array)
            ends.append(f())
        slopes.append((8 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / (12 * STEP))
    be.from_host(value, out=array)
    f()
    return np.array(slopes)


def directions_for(shape: tuple[int, ...]) -> np.ndarray:
    """Directions of length 1 along which a gradient is checked: three that change every element, and two elements.

    An error e of a gradient shows along a random one as |e| / sqrt(elements) times a normal number: that all three are
    small by chance is as good as impossible where e is far above the tolerance. A few elements are checked all.
    """
    size = math.prod(shape)
    if size <= MANY + FEW:
        return np.eye(size).reshape(size, *shape)
    rng = np.random.default_rng(size)
    along = np.zeros((MANY + FEW, size))
    along[:MANY] = rng.standard_normal((MANY, size))
    along[MANY:] = np.eye(size)[rng.choice(size, FEW, replace=False)]
    return (along / np.linalg.norm(along, axis=1, keepdims=True)).reshape(-1, *shape)


def check_slopes(name: str, gradient: np.ndarray, directions: np.ndarray, slopes: np.ndarray) -> None:
    """Fails where a gradient is off by more than `TOLERANCE` of its norm, and where it is 0 altogether.

    slopes: what differences say of `directions_for` its shape.
    """
    assert gradient.shape == directions.shape[1:], name
    assert np.isfinite(gradient).all(), f"{name}: not finite"
    norm = np.linalg.norm(gradient)
    assert norm > 1e-6, f"{name}: the gradient is 0, so nothing is checked"
    along = directions.reshape(len(directions), -1)
    wide = np.where((along != 0).sum(axis=1) > 1, np.sqrt(gradient.size), 1.0)
    error = np.abs((along @ gradient.reshape(-1) - slopes) * wide).max() / norm
    assert error < TOLERANCE, f"{name}: relative error {error:.2e}"


def check_by_differences(be: Backend, name: str, gradient: np.ndarray, f: Callable[[], float], array: Array) -> None:
    """Holds the gradient of f with respect to an array that it reads against differences, see `check_slopes`."""
    directions = directions_for(gradient.shape)
    check_slopes(name, gradient, directions, slopes_along(be, f, array, directions))


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
