"""JAX: one jitted step with donated buffers, `lax.scan` over the steps of the window, rows of U gathered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from bench_lib import inputs
from bench_lib.cases import BETA1, BETA2, CLIP, EPSILON, RATE, Case

WAYS = ("",)

Tree = Any


def versions() -> str:
    """The library, for people."""
    return f"jax {jax.__version__} on {jax.default_backend()}"


class Program:
    """See `bench_lib.programs.Program`."""

    def __init__(self, case: Case, way: str = "") -> None:
        # In arrays of jax's own: a donated buffer must not be NumPy's.
        self._theta = {name: jnp.array(value) for name, value in inputs.parameters(case).items()}
        self._m = jax.tree.map(jnp.zeros_like, self._theta)
        self._v = jax.tree.map(jnp.zeros_like, self._theta)
        self._updates = jnp.zeros((), jnp.int32)
        self._state = [initial_state(case) for _ in range(case.layers)]
        self._pool = [(t.astype(np.int32), u.astype(np.int32)) for t, u in inputs.windows(case)]
        self._windows = cycle(self._pool)
        self._loss_of = partial(window_loss, case)
        self._step = jax.jit(partial(train, self._loss_of), donate_argnums=(0, 1, 2, 3, 4))
        self._loss = jnp.zeros(())

    def window(self) -> None:
        tokens, targets = next(self._windows)
        self._theta, self._m, self._v, self._updates, self._state, self._loss = self._step(
            self._theta, self._m, self._v, self._updates, self._state, tokens, targets
        )

    def read_loss(self) -> float:
        return float(self._loss)

    def finish(self) -> None:
        jax.block_until_ready((self._theta, self._m, self._v, self._state))

    def gradients(self) -> dict[str, np.ndarray]:
        gradient, _ = jax.grad(self._loss_of, has_aux=True)(self._theta, self._state, *self._pool[0])
        return {name: np.asarray(value) for name, value in gradient.items()}


def train(
    loss_of: Callable[..., Any], theta: Tree, m: Tree, v: Tree, updates: Any, state: Tree, tokens: Any, targets: Any
) -> tuple[Any, ...]:
    """One window: gradients, clipped by global norm; Adam."""
    (loss, state), gradient = jax.value_and_grad(loss_of, has_aux=True)(theta, state, tokens, targets)
    norm = jnp.sqrt(sum(jnp.sum(g * g) for g in gradient.values()))
    scale = jnp.minimum(1.0, CLIP / norm)
    gradient = jax.tree.map(lambda g: g * scale, gradient)
    updates = updates + 1
    rate = RATE / (1 - BETA1**updates)
    root = 1 / jnp.sqrt(1 - BETA2**updates)
    m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, gradient)
    v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, gradient)
    theta = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) * root + EPSILON), theta, m, v)
    return theta, m, v, updates, state, loss


def window_loss(case: Case, theta: Tree, state: Tree, tokens: Any, targets: Any) -> tuple[Any, Tree]:
    """Mean cross-entropy of a window, and the state it leaves."""
    x, carried = None, []
    for layer in range(case.layers):
        U, b = theta[f"layers.{layer}.U"], theta[f"layers.{layer}.b"]
        xU = (U[tokens] if x is None else x @ U) + b
        step = partial(STEPS[case.cell], theta[f"layers.{layer}.W"], theta.get(f"layers.{layer}.b_h"))
        last, x = lax.scan(step, state[layer], xU)
        carried.append(last)
    o = x @ theta["output.V"] + theta["output.c"]
    log_y = jax.nn.log_softmax(o)
    return -jnp.mean(jnp.take_along_axis(log_y, targets[:, :, None], axis=2)), carried


def initial_state(case: Case) -> Tree:
    """Zeros: h, and c for the LSTM."""
    zeros = jnp.zeros((case.lanes, case.hidden), jnp.float32)
    return (zeros, zeros + 0) if case.cell == "lstm" else (zeros,)


def simple_step(W: Any, b_h: Any, state: Tree, xU: Any) -> tuple[Tree, Any]:
    """One step of the simple cell."""
    h = jnp.tanh(xU + state[0] @ W)
    return (h,), h


def lstm_step(W: Any, b_h: Any, state: Tree, xU: Any) -> tuple[Tree, Any]:
    """One step of the LSTM."""
    h, c = state
    i, f, g, o = jnp.split(xU + h @ W, 4, axis=1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def gru_step(W: Any, b_h: Any, state: Tree, xU: Any) -> tuple[Tree, Any]:
    """One step of the GRU."""
    (h,) = state
    x_r, x_z, x_n = jnp.split(xU, 3, axis=1)
    h_r, h_z, h_n = jnp.split(h @ W, 3, axis=1)
    r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
    n = jnp.tanh(x_n + r * (h_n + b_h))
    h = (1 - z) * n + z * h
    return (h,), h


STEPS = {"simple": simple_step, "lstm": lstm_step, "gru": gru_step}
