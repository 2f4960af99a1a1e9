"""The whole model: gradients against central differences, values and gradients against the scalar reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.network import ModelConfig
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
)

pytestmark = pytest.mark.parametrize("cell", list(CELLS))


def config(cell: str, **changes: object) -> ModelConfig:
    return replace(ModelConfig(symbols=7, cell=cell, hidden=3, layers=2, dropout=0.0, dtype="float64"), **changes)


def mean(window: HostWindow) -> HostWindow:
    return replace(window, scale=1 / window.weight.sum())


def errors_of_state(p: Problem, be: Backend) -> dict[str, np.ndarray]:
    layers = enumerate(p.ws.layers)
    return {f"state.{n}.{name}": be.to_host(d) for n, layer in layers for name, d in layer.d_first.items()}


def check_all(be: Backend, p: Problem) -> None:
    """Every parameter's gradient and every carried state's error, and J itself."""
    p.model.forward(p.ws, p.state)
    p.model.backward(p.ws)
    gradients = host(be, p.model.params.gradient) | errors_of_state(p, be)
    loss = float(be.to_host(p.ws.loss)[0])
    arrays = p.model.params.value | p.state.named()
    assert set(gradients) == set(arrays), "something is learnt or carried whose gradient is not checked"
    for name, array in arrays.items():
        check_by_differences(be, name, gradients[name], lambda: objective(p, be), array)
    assert loss == pytest.approx(objective(p, be), rel=1e-13)


WINDOWS = {
    "plain": draw_window(7, 3, 3, documents=False),
    "documents": draw_window(7, 4, 3),
    "mean": mean(draw_window(7, 4, 2, seed=1)),
    "one_step": draw_window(7, 1, 4, documents=False),
}


@pytest.mark.parametrize(
    ("window", "spare"), [("plain", 0), ("documents", 0), ("documents", 3), ("mean", 1), ("one_step", 3)]
)
@pytest.mark.parametrize("embedding", [0, 3], ids=["one_hot", "embedding"])
def test_gradients(be: Backend, cell: str, embedding: int, window: str, spare: int):
    check_all(be, make_problem(be, config(cell, embedding=embedding), WINDOWS[window], spare_steps=spare))


@pytest.mark.parametrize("embedding", [0, 3], ids=["one_hot", "embedding"])
def test_gradients_with_dropout(be: Backend, cell: str, embedding: int):
    problem = make_problem(be, config(cell, embedding=embedding, dropout=0.3), WINDOWS["documents"], spare_steps=1)
    check_all(be, problem)
    masks = np.concatenate(masks_of(be, problem.ws))
    assert (masks == 0).any(), "nothing was dropped"


@pytest.mark.parametrize("embedding", [0, 2], ids=["one_hot", "embedding"])
def test_gradients_with_many_symbols(be: Backend, cell: str, embedding: int):
    """Above 256 the CPU sums the gradient of the row gather by segments. Unused rows: 0."""
    symbols = 257
    window = draw_window(symbols, 4, 3)
    window.tokens[1:3] = window.tokens[0]
    p = make_problem(be, config(cell, symbols=symbols, hidden=3, layers=1, embedding=embedding), window)
    p.model.forward(p.ws, p.state)
    p.model.backward(p.ws)
    gathered = "embedding.table" if embedding else "layers.0.U"
    used = np.isin(np.arange(symbols), window.tokens)
    for name, gradient in host(be, p.model.params.gradient).items():
        check_by_differences(be, name, gradient, lambda: objective(p, be), p.model.params.value[name])
        if name == gathered:
            assert not gradient[~used].any()


def test_gradients_of_three_layers(be: Backend, cell: str):
    check_all(be, make_problem(be, config(cell, layers=3), WINDOWS["documents"]))


def test_error_of_the_embedded_input(be: Backend, cell: str):
    """Where every token occurs once, a row of the table is one step's x."""
    window = draw_window(7, 3, 2)
    window.tokens.reshape(-1)[:] = [3, 1, 6, 0, 2, 5]
    p = make_problem(be, config(cell, embedding=4), window)
    objective(p, be)
    p.model.forward(p.ws, p.state)
    p.model.backward(p.ws)
    dx = be.to_host(p.ws.passes[0].y.error)
    error = np.zeros((7, 4))
    error[window.tokens.reshape(-1)] = dx
    check_by_differences(be, "x", error, lambda: objective(p, be), p.model.params.value["embedding.table"])


def test_a_window_without_weight_has_no_loss_and_no_gradient(be: Backend, cell: str):
    window = draw_window(7, 3, 2)
    p = make_problem(be, config(cell), replace(window, weight=np.zeros((3, 2)), scale=0.0))
    p.model.params.gradients[:] = 1
    p.model.forward(p.ws, p.state)
    p.model.backward(p.ws)
    assert be.to_host(p.ws.loss)[0] == 0
    for name, gradient in (host(be, p.model.params.gradient) | errors_of_state(p, be)).items():
        assert not gradient.any(), name


def test_backward_overwrites(be: Backend, cell: str):
    """A window's gradients do not depend on what the buffers held: longer windows, other errors, other masks."""
    short, long = draw_window(7, 2, 3, seed=1), draw_window(7, 5, 3, seed=2)
    p = make_problem(be, config(cell, embedding=3, dropout=0.2), short, spare_steps=3)
    seen = []
    for window in (short, long, short):
        load(be, p.ws.batch, window)
        p.model.forward(p.ws, p.state)
        p.model.backward(p.ws)
        seen.append(be.to_host(p.model.params.gradients).tobytes())
    assert seen[0] == seen[2] != seen[1]


@pytest.mark.parametrize("embedding", [0, 3], ids=["one_hot", "embedding"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_values_and_gradients_against_the_reference(be: Backend, cell: str, embedding: int, dropout: float):
    """The reference's derivatives are exact to rounding and know no backward pass."""
    reference.skip_without(cell)
    window = mean(draw_window(5, 4, 3, seed=3))
    p = make_problem(be, config(cell, symbols=5, hidden=4, embedding=embedding, dropout=dropout), window, spare_steps=1)
    p.model.forward(p.ws, p.state)
    n, steps = window.tokens.size, window.steps
    logits = be.to_host(p.ws.o)[:n].reshape(steps, 3, 5)
    p.model.backward(p.ws)
    masks = [mask[:steps].tolist() for mask in masks_of(be, p.ws)] or None
    parameters, start = nested(host(be, p.model.params.value)), lanes_of(p, be)

    def loss() -> reference.Number:
        o, _ = reference.forward(cell, parameters, window.tokens.tolist(), window.carry.tolist(), start, masks)
        return reference.loss(o, window.targets.tolist(), window.weight.tolist(), window.scale)

    o, last = reference.forward(cell, parameters, window.tokens.tolist(), window.carry.tolist(), start, masks)
    np.testing.assert_allclose(logits, o, rtol=1e-12, atol=1e-13)
    p.model.carry_out(p.ws, p.state)
    for number, layer in enumerate(p.state.layers):
        for name, array in layer.items():
            expected = [lane[name] for lane in last[number]]
            np.testing.assert_allclose(be.to_host(array), expected, rtol=1e-12, atol=1e-13)
    assert float(be.to_host(p.ws.loss)[0]) == pytest.approx(loss(), rel=1e-12)
    for name, gradient in host(be, p.model.params.gradient).items():
        check_gradient(name, gradient, np.array(reference.derivative(loss, parameters[name])), 1e-12)
    for number, layer in enumerate(p.ws.layers):
        for name, d_first in layer.d_first.items():
            expected = [reference.derivative(loss, lane[name]) for lane in start[number]]
            check_gradient(f"state.{number}.{name}", be.to_host(d_first), np.array(expected), 1e-12)


def lanes_of(p: Problem, be: Backend) -> list[list[reference.Lane]]:
    """The carried state as the reference wants it."""
    lanes = p.window.tokens.shape[1]
    layers = [host(be, layer) for layer in p.state.layers]
    return [[{name: array[b].tolist() for name, array in layer.items()} for b in range(lanes)] for layer in layers]


def test_evaluation_knows_no_dropout(be: Backend, cell: str):
    p = make_problem(be, config(cell, dropout=0.5), WINDOWS["documents"])
    plain = make_problem(be, config(cell), WINDOWS["documents"])
    evaluation = p.model.workspace(3, 6, train=False)
    load(be, evaluation.batch, p.window)
    p.model.forward(evaluation, p.state)
    plain.model.forward(plain.ws, plain.state)
    n = p.window.tokens.size
    np.testing.assert_array_equal(be.to_host(evaluation.o)[:n], be.to_host(plain.ws.o)[:n])
    p.model.loss(evaluation)
    plain.model.backward(plain.ws)
    np.testing.assert_allclose(be.to_host(evaluation.nats)[:n], be.to_host(plain.ws.nats)[:n], rtol=1e-14)


def test_float32_follows_float64(be: Backend, cell: str):
    results = {}
    for dtype in ("float32", "float64"):
        p = make_problem(be, config(cell, dtype=dtype, embedding=3), WINDOWS["mean"])
        p.model.forward(p.ws, p.state)
        p.model.backward(p.ws)
        results[dtype] = host(be, p.model.params.gradient) | {"loss": be.to_host(p.ws.loss)}
        assert all(array.dtype == dtype for name, array in results[dtype].items() if name != "loss")
    for name, expected in results["float64"].items():
        check_gradient(name, results["float32"][name], expected, 1e-5)


def test_renewed_parameters_are_seen(be: Backend, cell: str):
    """Nothing of the parameters, such as W transposed, is kept from window to window."""
    p = make_problem(be, config(cell, embedding=3), WINDOWS["documents"])
    p.model.forward(p.ws, p.state)
    p.model.backward(p.ws)
    for array in p.model.params.value.values():
        be.from_host(0.5 - 0.7 * be.to_host(array), out=array)
    fresh = p.model.workspace(3, 4, seed=5)
    load(be, fresh.batch, p.window)
    seen = []
    for ws in (p.ws, fresh):
        p.model.forward(ws, p.state)
        p.model.backward(ws)
        seen.append(be.to_host(p.model.params.gradients))
    np.testing.assert_array_equal(seen[0], seen[1])
