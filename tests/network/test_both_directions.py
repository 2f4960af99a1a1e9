"""A layer in both directions against its equations and its sequences one by one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.network import Model, ModelConfig, through_time
from gpurnn.network.cells import CELLS

from . import reference
from .helpers import (
    HostWindow,
    Problem,
    check_by_differences,
    check_gradient,
    draw_window,
    host,
    load,
    make_problem,
    masks_of,
    nested,
    objective,
    random_model,
    random_state,
)
from .test_model import check_all

STACK = ("both_directions", "dropout")
SYMBOLS, STEPS, LANES = 4, 6, 3


def config_of(cell: str, **settings: Any) -> ModelConfig:
    small = {"hidden": 2, "layers": 2, "embedding": 2, "dropout": 0.0, "dtype": "float64", "stack": STACK}
    return ModelConfig(SYMBOLS, cell, **small | settings)


def packed_window() -> HostWindow:
    """Lanes with sequences of 2, 1 and 3 steps, of 4 and 2, and of all 6; the first of two goes on from before."""
    window = draw_window(SYMBOLS, STEPS, LANES, documents=False)
    window.carry[[2, 3, 0, 4], [0, 0, 1, 1]] = 0
    window.weight[[1, 4, 5, 0], [0, 1, 1, 2]] = 0
    return replace(window, scale=0.3)


def sequences(carry: np.ndarray) -> list[slice]:
    """The steps of each sequence of a lane."""
    begins = [0, *(t for t in range(1, len(carry)) if carry[t] == 0)]
    return [slice(a, b) for a, b in zip(begins, [*begins[1:], len(carry)], strict=True)]


@pytest.mark.parametrize("cell", list(CELLS))
@pytest.mark.parametrize("window", ["plain", "documents"])
def test_gradients(be: Backend, cell: str, window: str):
    drawn = draw_window(SYMBOLS, 4, 3, documents=window == "documents")
    check_all(be, make_problem(be, config_of(cell), drawn, spare_steps=2))


def one_direction(cell: str, p: dict[str, Any], xs: list[reference.Vector], first: reference.Lane) -> Any:
    state, outputs = first, []
    for x in xs:
        state = reference.CELLS[cell](x, state, p)
        outputs.append(state["h"])
    return outputs


def of_layer(parameters: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in parameters.items() if name.startswith(prefix)}


def by_sequence(
    cell: str, parameters: dict[str, Any], window: HostWindow, first: list[list[reference.Lane]]
) -> list[list[reference.Vector]]:
    """Logits by step and lane: every sequence by itself, in order and in reversed order."""
    logits: list[list[Any]] = [[None] * LANES for _ in range(STEPS)]
    for b in range(LANES):
        for steps in sequences(window.carry[:, b]):
            xs = [list(parameters["embedding.table"][token]) for token in window.tokens[steps, b]]
            for number, layer in enumerate(first):
                zeros = {name: [0.0] * len(state) for name, state in layer[b].items()}
                begin = layer[b] if window.carry[steps.start, b] else zeros
                ahead = one_direction(cell, of_layer(parameters, f"layers.{number}."), xs, begin)
                back = one_direction(cell, of_layer(parameters, f"layers.{number}.reverse."), xs[::-1], zeros)
                xs = [[*h, *g] for h, g in zip(ahead, reversed(back), strict=True)]
            V, c = parameters["output.V"], parameters["output.c"]
            for t, x in zip(range(steps.start, steps.stop), xs, strict=True):
                logits[t][b] = [c[k] + reference.dot(x, V, k) for k in range(SYMBOLS)]
    return logits


@cache
def expected(cell: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Logits of the packed window, and J's gradients, from the equations alone."""
    be, window = backend.get("cpu"), packed_window()
    model = random_model(be, config_of(cell))
    parameters = nested(host(be, model.params.value))
    layers = [host(be, layer) for layer in random_state(be, model, LANES).layers]
    first = [[{name: array[b].tolist() for name, array in layer.items()} for b in range(LANES)] for layer in layers]

    def loss() -> reference.Number:
        logits = by_sequence(cell, parameters, window, first)
        return reference.loss(logits, window.targets.tolist(), window.weight.tolist(), window.scale)

    logits = np.array(by_sequence(cell, parameters, window, first))
    return logits, {name: np.array(reference.derivative(loss, parameters[name])) for name in parameters}


@pytest.mark.parametrize("cell", list(CELLS))
def test_a_packed_window_is_that_of_the_equations(be: Backend, cell: str):
    """Also where the workspace has room for more steps."""
    reference.skip_without(cell)
    logits, gradients = expected(cell)
    p = make_problem(be, config_of(cell), packed_window(), spare_steps=2)
    p.model.forward(p.ws, p.state)
    found = be.to_host(p.ws.o)[: STEPS * LANES].reshape(logits.shape)
    np.testing.assert_allclose(found, logits, rtol=1e-12, atol=1e-13)
    p.model.backward(p.ws)
    assert set(gradients) == set(p.model.params.gradient)
    for name, gradient in gradients.items():
        check_gradient(name, be.to_host(p.model.params.gradient[name]), gradient, 1e-12)


@pytest.mark.parametrize("start", ["zero", "learned"])
@pytest.mark.parametrize("cell", list(CELLS))
def test_a_packed_window_is_its_sequences_one_by_one(be: Backend, cell: str, start: str):
    """Also those that end where the window does: there, too, the reverse direction sees the start."""
    model, window = random_model(be, config_of(cell, embedding=0, hidden=4, start=start)), packed_window()
    ws = model.workspace(LANES, STEPS)
    load(be, ws.batch, window)
    logits, gradients = both_passes(be, model, ws)
    total = {name: np.zeros_like(gradient) for name, gradient in gradients.items()}
    for b in range(LANES):
        for steps in sequences(window.carry[:, b]):
            one = window.part(steps.start, steps.stop)
            alone = replace(
                one, **{name: getattr(one, name)[:, [b]] for name in ("tokens", "targets", "carry", "weight")}
            )
            ws_alone = model.workspace(1, STEPS)
            load(be, ws_alone.batch, alone)
            logits_alone, gradients_alone = both_passes(be, model, ws_alone)
            np.testing.assert_allclose(logits_alone[:, 0], logits[steps, b], rtol=1e-12, atol=1e-13)
            for name, gradient in gradients_alone.items():
                total[name] += gradient
    for name, gradient in gradients.items():
        check_gradient(name, total[name], gradient, 1e-12)


def both_passes(be: Backend, model: Model, ws: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Logits (T, B, K) and gradients, from states of zeros."""
    model.forward(ws, model.state(ws.lanes))
    logits = be.to_host(ws.o)[: ws.batch.steps * ws.lanes].reshape(ws.batch.steps, ws.lanes, -1)
    model.backward(ws)
    return logits, host(be, model.params.gradient)


def test_what_is_left_over_behind_a_sequence_is_not_seen(be: Backend):
    """Weight 0, and carry 0 at its first step."""
    model, window = random_model(be, config_of("gru")), packed_window()
    window.weight[4:, 1] = 0
    found = []
    for token in range(SYMBOLS):
        window.tokens[4:, 1] = token
        ws = model.workspace(LANES, STEPS)
        load(be, ws.batch, window)
        logits, gradients = both_passes(be, model, ws)
        found.append((np.delete(logits.reshape(-1, SYMBOLS), [4 * LANES + 1, 5 * LANES + 1], axis=0), gradients))
    for logits, gradients in found[1:]:
        np.testing.assert_allclose(logits, found[0][0], rtol=1e-13)
        for name, gradient in gradients.items():
            np.testing.assert_allclose(gradient, found[0][1][name], rtol=1e-11, atol=1e-14)


def test_the_state_that_is_carried_is_that_of_the_direction_of_time(be: Backend):
    p = make_problem(be, config_of("lstm"), packed_window(), spare_steps=1)
    assert str(p.state.kind).startswith("lstm in both directions, 2 x 2, float64, 3 lanes")
    before = host(be, p.state.named())
    p.model.advance(p.ws, p.state)
    kept = host(be, p.state.named())
    p.model.advance(p.ws, p.state)
    for name, array in host(be, p.state.named()).items():
        assert (array[0] == kept[name][0]).all(), "its last sequence begins inside the window"
        assert (kept[name] != before[name]).all()
    ahead = Model(be, config_of("lstm", layers=1, stack=("recurrent",)))
    names = {"embedding.table", "layers.0.U", "layers.0.W", "layers.0.b"}
    values = {name: value for name, value in host(be, p.model.params.value).items() if name in names}
    shapes = {name: value.shape for name, value in ahead.params.value.items()}
    ahead.params.load(be, {name: np.zeros(shape) for name, shape in shapes.items()} | values, "ahead")
    ws, state = ahead.workspace(LANES, STEPS), ahead.state(LANES)
    load(be, ws.batch, p.window)
    for name, array in state.layers[0].items():
        be.from_host(before[f"state.0.{name}"], out=array)
    ahead.advance(ws, state)
    for name, array in host(be, state.named()).items():
        np.testing.assert_allclose(kept[name], array, rtol=1e-13)


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_errors_of_the_window_after_go_to_the_direction_of_time(be: Backend, cell: str):
    """The gradient of J and a sum of the last states, each times a number of its own."""
    p = make_problem(be, config_of(cell), packed_window(), spare_steps=1)
    factors = random_state(be, p.model, LANES, seed=6)
    d_last = [{name: be.to_host(array) for name, array in layer.items()} for layer in factors.layers]

    def objective_and_states() -> float:
        total = objective(p, be)
        for layer, factor in zip(p.ws.layers, d_last, strict=True):
            total += sum(float((be.to_host(layer.states[name])[STEPS] * f).sum()) for name, f in factor.items())
        return total

    p.model.forward(p.ws, p.state)
    p.model.backward(p.ws, factors.layers)
    gradients = host(be, p.model.params.gradient)
    for name, array in p.model.params.value.items():
        check_by_differences(be, name, gradients[name], objective_and_states, array)


def test_many_symbols(be: Backend):
    """Where the gradient of a gather is summed in the order of a plan, against one-hot products step by step."""
    config = replace(config_of("gru", embedding=0), symbols=400)
    p = make_problem(be, config, replace(packed_window(), tokens=packed_window().tokens * 97), spare_steps=1)
    p.model.forward(p.ws, p.state)
    p.model.backward(p.ws)
    names = ("layers.0.U", "layers.0.reverse.U")
    found = {name: be.to_host(p.model.params.gradient[name]) for name in names}
    steps = [host(be, step.gradients) for step in through_time(p.model, p.ws)]
    for name in names:
        check_gradient(name, found[name], sum(each[name] for each in steps), 1e-13)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("cell", list(CELLS))
def test_errors_of_each_step(be: Backend, cell: str, dropout: float):
    p: Problem = make_problem(be, config_of(cell, dropout=dropout), packed_window(), spare_steps=1)
    p.model.forward(p.ws, p.state)
    p.model.backward(p.ws)
    value = host(be, p.model.params.value)
    embedding = be.to_host(p.ws.passes[0].y.error)[: STEPS * LANES].reshape(STEPS, LANES, -1)
    for step in through_time(p.model, p.ws):
        errors, t = host(be, step.errors), step.t
        masks = [mask[t] for mask in masks_of(be, p.ws)] if dropout else [1, 1]
        above = errors["do"] @ value["output.V"].T * masks[1]
        for number in (1, 0):
            name = f"layers.{number}."
            both = [errors[f"{name}dh_out"], errors[f"{name}reverse.dh_out"]]
            np.testing.assert_allclose(np.concatenate(both, axis=1), above, rtol=1e-12, atol=1e-15)
            above = sum(errors[f"{each}da"] @ value[f"{each}U"].T for each in (name, f"{name}reverse."))
            above = above * masks[0] if number else above
        np.testing.assert_allclose(embedding[t], above, rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(errors["embedding.dx"], embedding[t])
