"""Errors of states and gates of each step, against the equations in scalars, and within a step against each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.exceptions import UsageError
from gpurnn.network import ModelConfig, activations, through_time
from gpurnn.network.cells import CELLS

from . import reference
from .helpers import Problem, draw_window, host, make_problem, nested

STEPS, LANES = 5, 3


def watched(be: Backend, cell: str, **model: object) -> Problem:
    """A short window with documents that begin inside it, after both passes."""
    config = ModelConfig(5, cell, 3, 2, dropout=0.0, dtype="float64", **model)
    p = make_problem(be, config, replace(draw_window(5, STEPS, LANES), scale=0.2), spare_steps=2)
    p.ws.watch()
    p.model.forward(p.ws, p.state)
    return p


@pytest.mark.parametrize("cell", list(CELLS))
def test_what_comes_back_is_the_derivative_of_what_comes_later(be: Backend, cell: str):
    """dh_next(t), dc_next(t), ...: of the loss of the steps after t, with respect to the states that t has left."""
    reference.skip_without(cell)
    p = watched(be, cell)
    states = {name: be.to_host(array) for name, array in activations(p.ws).items()}
    p.model.backward(p.ws)
    parameters, w = nested(host(be, p.model.params.value)), p.window
    for step in through_time(p.model, p.ws):
        errors, t = host(be, step.errors), step.t
        left = [
            [{s: states[f"layers.{layer}.{s}"][t, lane].tolist() for s in CELLS[cell].states} for lane in range(LANES)]
            for layer in range(2)
        ]

        def later(t: int = t, left: list[list[reference.Lane]] = left) -> reference.Number:
            rest = slice(t + 1, STEPS)
            logits, _ = reference.forward(cell, parameters, w.tokens[rest].tolist(), w.carry[rest].tolist(), left)
            return reference.loss(logits, w.targets[rest].tolist(), w.weight[rest].tolist(), w.scale)

        for layer, lanes in enumerate(left):
            for s in CELLS[cell].states:
                expected = [reference.derivative(later, lane[s]) if t + 1 < STEPS else [0.0] * 3 for lane in lanes]
                found = errors[f"layers.{layer}.d{s}_next"]
                np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-15)
                assert (np.abs(found).max() > 1e-6) == (t + 1 < STEPS)
            name = f"layers.{layer}."
            np.testing.assert_array_equal(errors[name + "dh"], errors[name + "dh_next"] + errors[name + "dh_out"])


def test_whole_errors_give_those_of_the_gates(be: Backend):
    """The chain rule within a step of an LSTM, from dh(t), dc(t) and the gates: every block of da(t)."""
    p = watched(be, "lstm")
    p.model.backward(p.ws)
    at = {name: be.to_host(array) for name, array in activations(p.ws).items()}
    for step in through_time(p.model, p.ws):
        errors, t = host(be, step.errors), step.t
        for layer in ("layers.0.", "layers.1."):
            i, f, g, o, c = (at[layer + name][t] for name in "ifgoc")
            before = at[layer + "c"][t - 1] if t else be.to_host(p.state.layers[int(layer[7])]["c"])
            dh, dc = errors[layer + "dh"], errors[layer + "dc"]
            seen = before * p.window.carry[t][:, None]
            blocks = [
                dc * g * i * (1 - i),
                dc * seen * f * (1 - f),
                dc * i * (1 - g * g),
                dh * np.tanh(c) * o * (1 - o),
            ]
            np.testing.assert_allclose(errors[layer + "da"], np.hstack(blocks), rtol=1e-11, atol=1e-16)


def test_activations_are_those_of_the_equations(be: Backend):
    p = watched(be, "gru")
    at = {name: be.to_host(array) for name, array in activations(p.ws).items()}
    assert list(at) == [f"layers.{layer}.{name}" for layer in (0, 1) for name in ("r", "z", "n", "h")]
    value, w = host(be, p.model.params.value), p.window
    seen = be.to_host(p.state.layers[0]["h"]) * w.carry[0][:, None]
    U, W, b, b_h = (value[f"layers.0.{name}"] for name in ("U", "W", "b", "b_h"))
    x, r = U[w.tokens[0]] + b, seen @ W
    expected = {name: 1 / (1 + np.exp(-(x + r)[:, k * 3 : k * 3 + 3])) for k, name in enumerate("rz")}
    expected["n"] = np.tanh(x[:, 6:] + expected["r"] * (r[:, 6:] + b_h))
    expected["h"] = (1 - expected["z"]) * expected["n"] + expected["z"] * seen
    for name, array in expected.items():
        np.testing.assert_allclose(at[f"layers.0.{name}"][0], array, rtol=1e-12)
    p.model.backward(p.ws)
    for name, array in activations(p.ws).items():
        np.testing.assert_array_equal(be.to_host(array), at[name])


@pytest.mark.parametrize("cell", ["simple", "gru", "lstm"])
def test_both_directions_in_the_order_of_time(be: Backend, cell: str):
    """The reverse direction over a window is the other one over its reverse, so what it has is that, reversed."""
    config = ModelConfig(5, cell, 3, 1, dropout=0.0, dtype="float64", stack=("both_directions",))
    window = draw_window(5, STEPS, LANES, documents=False)
    window.carry[0] = 0
    p = make_problem(be, config, window)
    swapped = make_problem(be, config, replace(window, tokens=window.tokens[::-1], targets=window.targets[::-1]))
    value, V = host(be, p.model.params.value), p.model.params.value["output.V"]
    other = {name: name.replace("layers.0.", "layers.0.reverse.") for name in value if "reverse" not in name}
    other |= {there: here for here, there in other.items()}
    mirrored = {name: value[other[name]] for name in value} | {"output.V": np.roll(be.to_host(V), 3, axis=0)}
    swapped.model.params.load(be, mirrored, "swapped")
    found: list[dict[str, np.ndarray]] = []
    for each in (p, swapped):
        each.ws.watch()
        each.state.reset()
        each.model.forward(each.ws, each.state)
        each.model.backward(each.ws)
        at: dict[str, list[np.ndarray]] = {name: list(be.to_host(of)) for name, of in activations(each.ws).items()}
        for step in through_time(each.model, each.ws):
            for name, error in step.errors.items():
                at.setdefault(name, []).append(be.to_host(error).copy())
        found.append({name: np.stack(steps) for name, steps in at.items()})
    for name in ("h", "dh", "dh_next", "da", *(["c", "dc", "f"] if cell == "lstm" else [])):
        ahead, reverse = found[1][f"layers.0.{name}"], found[0][f"layers.0.reverse.{name}"]
        np.testing.assert_allclose(reverse, ahead[::-1], rtol=1e-11, atol=1e-16)
        assert np.abs(reverse).max() > 1e-6


@pytest.mark.parametrize("cell", list(CELLS))
def test_watching_changes_no_gradient(be: Backend, cell: str):
    p = watched(be, cell)
    p.model.backward(p.ws)
    found = host(be, p.model.params.gradient)
    other = make_problem(be, p.model.config, p.window, spare_steps=2)
    other.model.forward(other.ws, other.state)
    other.model.backward(other.ws)
    for name, gradient in host(be, other.model.params.gradient).items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-12, atol=1e-15)
    assert not any("_next" in name for step in through_time(other.model, other.ws) for name in step.errors)


def test_gates_that_backward_has_used_up(be: Backend):
    p = make_problem(be, ModelConfig(5, "gru", 3, 1, dropout=0.0), draw_window(5, STEPS, LANES))
    p.model.forward(p.ws, p.state)
    assert list(activations(p.ws)) == [f"layers.0.{name}" for name in ("r", "z", "n", "h")]
    p.model.backward(p.ws)
    with pytest.raises(UsageError, match="has used the gates up"):
        activations(p.ws)
    with pytest.raises(UsageError, match="made for forward only"):
        p.model.workspace(LANES, STEPS, train=False).watch()
