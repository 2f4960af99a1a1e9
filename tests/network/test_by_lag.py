"""Errors and gradients by lag: closed forms of linear networks, and the equations in scalars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.exceptions import UsageError
from gpurnn.network import ByLag, Model, ModelConfig, by_lag
from gpurnn.network.cells import CELLS

from . import reference
from .helpers import HostWindow, Problem, draw_window, host, load, make_problem, nested

LANES, STEPS = 2, 7


def last_only(window: HostWindow, step: int = -1) -> HostWindow:
    weight = np.zeros_like(window.weight)
    weight[step] = 1
    return replace(window, weight=weight)


def looked_at(be: Backend, p: Problem) -> ByLag:
    p.ws.watch()
    p.model.forward(p.ws, p.state)
    return by_lag(p.model, p.ws)


def linear(be: Backend, W: np.ndarray, symbols: int = 5) -> Model:
    """A simple network whose states are so small that tanh does nothing."""
    model = Model(be, ModelConfig(symbols, "simple", len(W), dropout=0.0, dtype="float64"))
    rng = np.random.default_rng(0)
    values = {name: np.zeros(array.shape) for name, array in model.params.value.items()}
    values |= {"layers.0.W": W, "output.V": rng.standard_normal((len(W), symbols))}
    values["layers.0.U"] = 1e-7 * rng.standard_normal((symbols, len(W)))
    model.params.load(be, values, "linear")
    return model


@pytest.mark.parametrize("rho", [0.5, 0.97])
def test_an_orthogonal_network_shrinks_errors_by_rho_a_step(be: Backend, rho: float):
    Q = np.linalg.qr(np.random.default_rng(1).standard_normal((6, 6)))[0]
    model, window = linear(be, rho * Q), last_only(draw_window(5, 60, 3, documents=False))
    ws = model.workspace(3, 60)
    load(be, ws.batch, window)
    found = looked_at(be, Problem(model, ws, model.state(3), window))
    np.testing.assert_array_equal(found.lags, np.arange(59, -1, -1))
    for name in ("layers.0.da", "layers.0.dh"):
        norms = found.norms[name]
        np.testing.assert_allclose(norms / norms[-1], np.repeat(rho ** found.lags[:, None], 3, axis=1), rtol=1e-9)


def test_shares_of_a_network_that_forgets_evenly(be: Backend):
    """W = rho I: the error at lag k is rho^k that at lag 0, so of db it is (1 - rho) rho^k of all 1/(1 - rho)."""
    rho, steps = 0.9, 40
    model = linear(be, rho * np.eye(6))
    window = last_only(replace(draw_window(5, steps, 3, documents=False), tokens=np.ones((steps, 3), int)))
    ws = model.workspace(3, steps)
    load(be, ws.batch, window)
    shares = looked_at(be, Problem(model, ws, model.state(3), window)).shares["layers.0.b"]
    np.testing.assert_allclose(shares[::-1], (1 - rho) * rho ** np.arange(steps) / (1 - rho**steps), rtol=1e-9)


@pytest.mark.parametrize("cell", list(CELLS))
@pytest.mark.parametrize("target", [STEPS - 1, 3])
def test_against_the_equations(be: Backend, cell: str, target: int):
    """Shares: the gradient with respect to the parameters of one step alone, those of the others held."""
    reference.skip_without(cell)
    window = last_only(draw_window(5, STEPS, LANES, documents=False), target)
    window.carry[2, 1] = 0
    p = make_problem(be, ModelConfig(5, cell, 3, 2, dropout=0.0, dtype="float64"), window)
    found = looked_at(be, p)
    parameters, held = (nested(host(be, p.model.params.value)) for _ in range(2))
    start = [[{s: v[b].tolist() for s, v in host(be, layer).items()} for b in range(LANES)] for layer in p.state.layers]

    def run(step: int) -> reference.Number:
        states, logits = start, []
        for t in range(target + 1):
            now = parameters if t == step else held
            out, states = reference.forward(cell, now, [window.tokens[t].tolist()], [window.carry[t].tolist()], states)
            logits += out
        return reference.loss(logits[-1:], [window.targets[target].tolist()], [[1.0] * LANES], 1.0)

    for name in ("layers.0.W", "layers.1.U", "output.V"):
        zero = [np.zeros_like(parameters[name])] * (STEPS - 1 - target)
        by_step = np.array(
            [reference.derivative(lambda t=t: run(t), parameters[name]) for t in range(target + 1)] + zero
        )
        whole = by_step.sum(axis=0)
        expected = (by_step * whole).sum(axis=(1, 2)) / (whole**2).sum()
        np.testing.assert_allclose(found.shares[name], expected, rtol=1e-10, atol=1e-13)
    for name, shares in found.shares.items():
        assert shares.sum() == pytest.approx(1, abs=1e-12), name
        if name.startswith("output."):
            np.testing.assert_array_equal(shares[found.lags != 0], 0)
    for name, norms in found.norms.items():
        np.testing.assert_array_equal(norms[found.lags < 0], 0)
        if name.endswith(".dh"):
            assert (norms[found.lags == 0] > 0).all()
        np.testing.assert_array_equal(norms[:2, 1], 0, f"{name}: before the beginning of a document")
    assert (found.norms["layers.0.da"][:2, 0] > 0).all()


def test_shares_of_what_several_windows_add_up_to(be: Backend):
    problems = [
        make_problem(
            be, ModelConfig(5, "gru", 3, dropout=0.0, dtype="float64"), last_only(draw_window(5, STEPS, LANES, seed=s))
        )
        for s in (1, 2)
    ]
    whole: dict[str, np.ndarray] = {}
    for p in problems:
        p.ws.watch()
        p.model.forward(p.ws, p.state)
        p.model.backward(p.ws)
        for name, gradient in p.model.params.gradient.items():
            whole[name] = whole[name] + gradient if name in whole else gradient.copy()
    total: dict[str, float] = dict.fromkeys(whole, 0.0)
    for p in problems:
        p.model.forward(p.ws, p.state)
        for name, shares in by_lag(p.model, p.ws, whole).shares.items():
            total[name] += shares.sum()
    assert total == pytest.approx(dict.fromkeys(whole, 1.0), abs=1e-12)


def test_a_window_without_gradient(be: Backend):
    p = make_problem(be, ModelConfig(5, "gru", 3, dropout=0.0), last_only(draw_window(5, STEPS, LANES)))
    be.from_host(np.zeros(1, p.ws.batch.scale.dtype), out=p.ws.batch.scale)
    found = looked_at(be, p)
    assert all(np.isnan(shares).all() for shares in found.shares.values())


def test_what_cannot_be_looked_at(be: Backend):
    p = make_problem(be, ModelConfig(5, "gru", 3, dropout=0.0), draw_window(5, STEPS, LANES))
    p.model.forward(p.ws, p.state)
    with pytest.raises(UsageError, match=r"call ws\.watch\(\) before model\.forward"):
        by_lag(p.model, p.ws)
    with pytest.raises(UsageError, match="expected weight at one step, found it at 7"):
        looked_at(be, p)
