"""Errors and gradients of single steps: they add up, and each is what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.exceptions import UsageError
from gpurnn.network import ModelConfig, error_norms, through_time
from gpurnn.network.cells import CELLS

from .helpers import Problem, central_difference, check_gradient, draw_window, host, make_problem, masks_of

pytestmark = pytest.mark.parametrize("cell", list(CELLS))


def problem(be: Backend, cell: str, embedding: int = 3, dropout: float = 0.0) -> Problem:
    """A short window with documents that begin inside it, after both passes."""
    config = ModelConfig(6, cell, 4, 2, embedding, dropout, "float64")
    p = make_problem(be, config, replace(draw_window(6, 5, 3), scale=0.2), spare_steps=2)
    p.model.forward(p.ws, p.state)
    p.model.backward(p.ws)
    return p


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("embedding", [0, 3], ids=["one_hot", "embedding"])
def test_steps_add_up_to_the_gradient(be: Backend, cell: str, embedding: int, dropout: float):
    p = problem(be, cell, embedding, dropout)
    expected = host(be, p.model.params.gradient)
    total = {name: np.zeros_like(array) for name, array in expected.items()}
    times = []
    for step in through_time(p.model, p.ws):
        times.append(step.t)
        for name, gradient in host(be, step.gradients).items():
            total[name] += gradient
    assert times == list(range(5))
    for name, gradient in expected.items():
        check_gradient(name, total[name], gradient, 1e-13)
        np.testing.assert_array_equal(be.to_host(p.model.params.gradient[name]), gradient, "the gradient was changed")


def test_each_step_contributes_its_own_product(be: Backend, cell: str):
    """A step's share of dW and dU from outside: the gradient with the errors of all other steps set to 0."""
    p = problem(be, cell, embedding=0)
    steps = [host(be, step.gradients) for step in through_time(p.model, p.ws)]
    window, real = p.window, p.model.config.real
    x = np.eye(6)[window.tokens]
    for number, layer in enumerate(p.ws.layers):
        h, da, da_rec = (be.to_host(v)[: window.steps] for v in (layer.states["h"], layer.loop.da, layer.loop.da_rec))
        for t, gradients in enumerate(steps):
            name = f"layers.{number}."
            seen = h[t] * window.carry[t][:, None].astype(real)
            np.testing.assert_allclose(
                gradients[name + "U"], np.einsum("be,bg->eg", x[t], da[t]), rtol=1e-12, atol=1e-15
            )
            np.testing.assert_allclose(
                gradients[name + "W"], np.einsum("bh,bg->hg", seen, da_rec[t]), rtol=1e-12, atol=1e-15
            )
            np.testing.assert_allclose(gradients[name + "b"], da[t].sum(axis=0), rtol=1e-12, atol=1e-15)
        x = be.to_host(layer.states["h"])[1 : window.steps + 1]
    do = be.to_host(p.ws.o).reshape(-1, 3, 6)
    for t, gradients in enumerate(steps):
        np.testing.assert_allclose(gradients["output.V"], np.einsum("bh,bk->hk", x[t], do[t]), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(gradients["output.c"], do[t].sum(axis=0), rtol=1e-12, atol=1e-15)


def test_a_step_without_weight_at_the_end_contributes_nothing(be: Backend, cell: str):
    p = problem(be, cell)
    weight = p.window.weight.copy()
    weight[3:] = 0
    p = make_problem(be, p.model.config, replace(p.window, weight=weight))
    p.model.forward(p.ws, p.state)
    p.model.backward(p.ws)
    for step in through_time(p.model, p.ws):
        largest = max(float(np.abs(gradient).max()) for gradient in host(be, step.gradients).values())
        assert (largest > 0) == (step.t < 3)


def test_errors_of_outputs_are_followed_where_they_are_kept(be: Backend, cell: str):
    """As with weights that are 0 elsewhere, but for the loss, which stays that of all targets."""
    p = problem(be, cell)
    whole = float(be.to_host(p.ws.loss)[0])
    keep = np.zeros((5, 3))
    keep[2, 1], keep[4, 0] = 0.5, 2
    p.model.forward(p.ws, p.state)
    p.model.backward(p.ws, keep=be.from_host(keep))
    found = host(be, p.model.params.gradient)
    assert float(be.to_host(p.ws.loss)[0]) == whole
    p = make_problem(be, p.model.config, replace(p.window, weight=p.window.weight * keep))
    p.model.forward(p.ws, p.state)
    p.model.backward(p.ws)
    for name, gradient in host(be, p.model.params.gradient).items():
        check_gradient(name, found[name], gradient, 1e-13)
    p.model.forward(p.ws, p.state)
    for wrong in (keep[:4], keep[:, :1], keep.astype(np.float32), keep.reshape(-1)):
        with pytest.raises(UsageError, match=r"^keep: expected .*\(5, 3\) float64, found"):
            p.model.backward(p.ws, keep=be.from_host(np.ascontiguousarray(wrong)))
    with pytest.raises(UsageError, match=r"^keep: expected"):
        p.model.backward(p.ws, keep=keep.tolist())


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_errors(be: Backend, cell: str, dropout: float):
    """do, and dh_out of both layers, against differences of the loss that the activations make."""
    p = problem(be, cell, dropout=dropout)
    seen = [host(be, step.errors) for step in through_time(p.model, p.ws)]
    kinds = {"dh_out", "da"} | ({"da_rec"} if CELLS[cell].apart else set())
    names = {f"layers.{n}.{kind}" for n in (0, 1) for kind in kinds}
    assert all(set(errors) == {"do", "embedding.dx"} | names for errors in seen)
    V, U = (be.to_host(p.model.params.value[name]) for name in ("output.V", "layers.1.U"))
    table = be.to_host(p.ws.passes[0].y.error)[:15].reshape(5, 3, 3)
    for t, errors in enumerate(seen):
        above = {"layers.1.dh_out": errors["do"] @ V.T, "layers.0.dh_out": errors["layers.1.da"] @ U.T}
        for number, (name, expected) in enumerate(reversed(above.items())):
            mask = masks_of(be, p.ws)[number][t] if dropout else 1
            np.testing.assert_allclose(errors[name], expected * mask, rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(errors["embedding.dx"], table[t])
    check_gradient("c", sum(errors["do"].sum(axis=0) for errors in seen), _difference_of_c(be, p))


def _difference_of_c(be: Backend, p: Problem) -> np.ndarray:
    def loss() -> float:
        p.model.forward(p.ws, p.state)
        p.model.loss(p.ws)
        return float(be.to_host(p.ws.nats)[:15] @ p.window.weight.reshape(-1)) * p.window.scale

    return central_difference(be, loss, p.model.params.value["output.c"])


def test_error_norms(be: Backend, cell: str):
    p = problem(be, cell)
    norms = error_norms(p.model, p.ws)
    seen = [host(be, step.errors) for step in through_time(p.model, p.ws)]
    assert set(norms) == set(seen[0])
    for name, found in norms.items():
        assert found.shape == (5,)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, [np.sqrt((errors[name] ** 2).sum()) for errors in seen], rtol=1e-14)
    assert all(norms["layers.0.da"] > 0)
