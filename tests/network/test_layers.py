"""Each layer, input and head alone against central differences, float64."""

from __future__ import annotations

import numpy as np
import pytest

from gpurnn.backend import Array, Backend, RowPlan
from gpurnn.network.batch import Batch
from gpurnn.network.cells import CELLS
from gpurnn.network.heads import SOFTMAX_XENT, XENT
from gpurnn.network.layers.dropout import dropout_backward, dropout_forward
from gpurnn.network.layers.recurrence import Recurrence
from gpurnn.network.linear import Linear
from gpurnn.network.params import Params
from gpurnn.network.part import Binding
from gpurnn.network.signal import Symbols

from . import reference
from .helpers import (
    central_difference,
    check_by_differences,
    check_gradient,
    check_slopes,
    directions_for,
    slopes_along,
)


def draw(be: Backend, seed: int, *shape: int) -> Array:
    return be.from_host(np.random.default_rng(seed).uniform(-0.9, 0.9, shape))


def nans(be: Backend, *shape: int) -> Array:
    """An output that is not written, or added to, shows."""
    return be.from_host(np.full(shape, np.nan))


def weighted_sum(be: Backend, y: Array, d: Array) -> float:
    return float(np.vdot(be.to_host(y), be.to_host(d)))


def binding_for(be: Backend, rows: int) -> Binding:
    """What a part needs for a window of `rows` steps of one lane; its parameters are given by hand."""
    batch = Batch(be, (), np.float64, 1, rows, train=True)
    return Binding(be, Params(be, [], np.float64), batch, train=True, seed=0)


@pytest.mark.parametrize("wanted", [True, False], ids=["error", "no error"])
def test_linear(be: Backend, wanted: bool):
    x, W, b, dy = draw(be, 0, 6, 3), draw(be, 1, 3, 5), draw(be, 2, 5), draw(be, 3, 6, 5)
    y, dx, dW, db = nans(be, 6, 5), nans(be, 6, 3), nans(be, 3, 5), nans(be, 5)
    to = binding_for(be, 6)
    linear = Linear(to, to.dense(x, dx if wanted else None), W, b, dW, db)

    def loss() -> float:
        linear.forward(y)
        return weighted_sum(be, y, dy)

    loss()
    np.testing.assert_allclose(be.to_host(y), be.to_host(x) @ be.to_host(W) + be.to_host(b), rtol=1e-13)
    linear.backward(dy)
    checked = {"W": (W, dW), "b": (b, db)} | ({"x": (x, dx)} if wanted else {})
    for name, (array, gradient) in checked.items():
        check_gradient(name, be.to_host(gradient), central_difference(be, loss, array))
    assert wanted or np.isnan(be.to_host(dx)).all()
    assert (linear.error_at(dy[:1]) is not None) == wanted


def test_dropout(be: Backend):
    x, dy = draw(be, 0, 4, 3, 5), draw(be, 1, 4, 3, 5)
    mask, y = be.empty((4, 3, 5), np.float64), nans(be, 4, 3, 5)
    be.dropout_mask(7, 0, 0.4)(mask, be.from_host(np.array([3])))
    kept = be.to_host(mask) != 0
    assert 0 < kept.sum() < kept.size
    np.testing.assert_allclose(be.to_host(mask)[kept], 1 / 0.6, rtol=1e-15)

    def loss() -> float:
        dropout_forward(be, x, mask, y)
        return weighted_sum(be, y, dy)

    expected = central_difference(be, loss, x)
    np.testing.assert_array_equal(be.to_host(y), be.to_host(x) * be.to_host(mask))
    dx = be.from_host(be.to_host(dy))
    dropout_backward(be, dx, mask, dx)
    check_gradient("x", be.to_host(dx), expected)
    assert not be.to_host(dx)[~kept].any()


@pytest.mark.parametrize("symbols", [1, 7, 256, 257, 300])
@pytest.mark.parametrize("spare", [0, 4], ids=["full", "short"])
def test_product_of_symbols(be: Backend, symbols: int, spare: int):
    """On both sides of the size up to which the CPU multiplies with one-hot rows; twice, as scratch is used again."""
    n, width = 11, 3
    table, d_table, y = draw(be, 0, symbols, width), nans(be, symbols, width), nans(be, n, width)
    tokens = be.zeros((n + spare,), be.index_dtype)
    plan = _plan(be, np.zeros(n, np.int64), n + spare)
    product = Symbols(be, tokens, symbols, np.float64, 1, plan).product(table, d_table)
    for seed in (1, 2):
        dy, index = draw(be, seed, n, width), np.random.default_rng(seed).integers(0, symbols, n)
        index[: n // 2] = index[0]
        be.from_host(index.astype(be.index_dtype), out=tokens[:n])
        now = _plan(be, index, n + spare)
        for name in ("order", "starts", "rows", "runs"):
            getattr(plan, name)[...] = getattr(now, name)

        def loss(dy: Array = dy) -> float:
            product.forward(y)
            return weighted_sum(be, y, dy)

        loss()
        np.testing.assert_array_equal(be.to_host(y), be.to_host(table)[index])
        d_table[...] = np.nan
        product.backward(dy)
        check_by_differences(be, "table", be.to_host(d_table), loss, table)
        unused = np.setdiff1d(np.arange(symbols), index)
        assert not be.to_host(d_table)[unused].any()


def _plan(be: Backend, index: np.ndarray, size: int) -> RowPlan:
    order = np.argsort(index, kind="stable")
    rows, starts = np.unique(index[order], return_index=True)
    parts = [np.zeros(size, be.index_dtype) for _ in range(3)]
    for part, values in zip(parts, (order, starts, rows), strict=True):
        part[: len(values)] = values
    return RowPlan(*(be.from_host(part) for part in parts), be.from_host(np.array([len(rows)], be.index_dtype)))


@pytest.mark.parametrize("spare", [0, 5], ids=["full", "short"])
def test_head(be: Backend, spare: int):
    rows, symbols = 6, 5
    o, target = draw(be, 0, rows, symbols), np.array([0, 4, 2, 2, 1, 3])
    weight, scale = np.array([1, 0, 1, 0.5, 1, 2]), 0.3
    device = [be.from_host(v) for v in (target.astype(be.index_dtype), weight, np.array([scale]))]
    xent = be.bind(XENT, np.float64, N=rows + spare, K=symbols)
    softmax_xent = be.bind(SOFTMAX_XENT, np.float64, N=rows + spare, K=symbols)

    def loss() -> float:
        nats = nans(be, rows)
        xent(be.from_host(be.to_host(o)), device[0], nats)
        return float(be.to_host(nats) @ weight) * scale

    do, nats = be.from_host(be.to_host(o)), nans(be, rows)
    softmax_xent(do, *device, nats)
    expected = [reference.nats(row, t) for row, t in zip(be.to_host(o).tolist(), target.tolist(), strict=True)]
    np.testing.assert_allclose(be.to_host(nats), expected, rtol=1e-13)
    check_gradient("o", be.to_host(do), central_difference(be, loss, o))
    assert not be.to_host(do)[1].any(), "a target of weight 0 has no error"


@pytest.mark.parametrize(("rows", "symbols"), [(500, 300), (3, 70_000), (1, 1)])
def test_head_over_many_rows_and_symbols(be: Backend, rows: int, symbols: int):
    """More than fits into one of the blocks that the CPU works in, and less."""
    rng = np.random.default_rng(0)
    o, target, weight = rng.standard_normal((rows, symbols)), rng.integers(0, symbols, rows), rng.random(rows)
    y = np.exp(o) / np.exp(o).sum(axis=1, keepdims=True)
    expected = (y - (np.arange(symbols) == target[:, None])) * weight[:, None] * 0.25
    arguments = [be.from_host(v) for v in (o, target.astype(be.index_dtype), weight, np.array([0.25]))]
    nats, evaluated = nans(be, rows), nans(be, rows)
    be.bind(SOFTMAX_XENT, np.float64, N=rows, K=symbols)(*arguments, nats)
    np.testing.assert_allclose(be.to_host(arguments[0]), expected, rtol=1e-10, atol=1e-16)
    np.testing.assert_allclose(be.to_host(nats), -np.log(y[np.arange(rows), target]), rtol=1e-12, atol=1e-15)
    be.bind(XENT, np.float64, N=rows, K=symbols)(be.from_host(o), arguments[1], evaluated)
    np.testing.assert_allclose(be.to_host(evaluated), be.to_host(nats), rtol=1e-14, atol=1e-15)


def test_head_with_extreme_outputs(be: Backend):
    o = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e300, 0, 0]])
    arguments = [be.from_host(v) for v in (o, np.array([1, 0, 0], be.index_dtype), np.ones(3), np.ones(1))]
    nats = nans(be, 3)
    be.bind(SOFTMAX_XENT, np.float64, N=3, K=3)(*arguments, nats)
    np.testing.assert_allclose(be.to_host(nats), [2e4, np.log(3), 0], rtol=1e-15)
    expected = [[1, -1, 0], [-2 / 3, 1 / 3, 1 / 3], [0, 0, 0]]
    np.testing.assert_allclose(be.to_host(arguments[0]), expected, rtol=1e-14, atol=1e-15)


T, B, H = 4, 3, 4
BOUNDARIES = {
    "none": np.ones((T, B)),
    "inside": np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1], [0, 1, 0]], float),
    "first": np.array([[0, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]], float),
    "everywhere": np.zeros((T, B)),
}


class Layer:
    """A recurrent layer with random parameters, inputs, states before and errors after."""

    def __init__(self, be: Backend, cell_name: str, carry: np.ndarray, spare: int) -> None:
        cell = CELLS[cell_name]
        self.be, self.cell = be, cell
        columns = cell.gates * H
        shapes = {"W": (H, columns), "b": (columns,)} | dict.fromkeys(cell.biases, (H,))
        self.parameters = {name: draw(be, seed, *shape) for seed, (name, shape) in enumerate(shapes.items())}
        self.gradients = {name: nans(be, *shape) for name, shape in shapes.items()}
        self.dh = nans(be, T + spare, B, H)
        self.buffers = Recurrence(be, cell, self.parameters, (T + spare, B, H), np.float64, self.dh)
        self.xU = draw(be, 10, T, B, columns)
        self.first = {name: draw(be, 11 + k, B, H) for k, name in enumerate(cell.states)}
        self.d_last = {name: draw(be, 13 + k, B, H) for k, name in enumerate(cell.states)}
        self.d_out = draw(be, 15, T, B, H)
        boundary = (carry == 0).any(axis=1).tolist()
        self.carry = be.from_host(carry[:, :, None].copy())
        self.boundary = boundary if any(boundary) else None

    def loss(self) -> float:
        buffers = self.buffers
        buffers.da[:T] = self.xU
        for name, array in self.first.items():
            buffers.states[name][0] = array
        buffers.forward(T, self.carry, self.boundary)
        total = weighted_sum(self.be, buffers.states["h"][1 : T + 1], self.d_out)
        return total + sum(weighted_sum(self.be, buffers.states[name][T], d) for name, d in self.d_last.items())

    def backward(self) -> None:
        self.dh[:T] = self.d_out
        self.buffers.backward(T, self.carry, self.boundary, self.d_last)
        ones = self.be.from_host(np.ones((1, len(self.dh) * B)))
        self.buffers.weight_gradients(T, self.carry, self.boundary, self.gradients, ones)


@pytest.mark.parametrize("spare", [0, 2], ids=["full", "short"])
@pytest.mark.parametrize("boundary", list(BOUNDARIES))
@pytest.mark.parametrize("cell_name", list(CELLS))
def test_recurrent(be: Backend, cell_name: str, boundary: str, spare: int):
    carry = BOUNDARIES[boundary]
    layer = Layer(be, cell_name, carry, spare)
    layer.loss()
    layer.backward()
    to_host = be.to_host
    checked = {name: (array, to_host(layer.gradients[name])) for name, array in layer.parameters.items()}
    checked["xU"] = (layer.xU, to_host(layer.buffers.da[:T]))
    first = {name: (array, to_host(layer.buffers.d_first[name])) for name, array in layer.first.items()}
    for name, (array, gradient) in (checked | first).items():
        directions = directions_for(gradient.shape)
        slopes = slopes_along(be, layer.loss, array, directions)
        if name in first and not carry[0].all():
            assert not gradient[carry[0] == 0].any(), f"{name}: an error crosses a document's beginning"
        if (boundary == "everywhere") and (name in first or name == "W"):
            assert not slopes.any()
            assert not gradient.any(), f"{name}: nothing of before a document's beginning counts"
        else:
            check_slopes(name, gradient, directions, slopes)


@pytest.mark.parametrize("cell_name", list(CELLS))
def test_recurrent_backward_truncates_where_nothing_comes_from_after(be: Backend, cell_name: str):
    """d_last left out is d_last of 0, also right after a call with one."""
    layer = Layer(be, cell_name, BOUNDARIES["none"], 0)
    layer.loss()
    layer.backward()
    layer.d_last = {name: be.zeros((B, H), np.float64) for name in layer.d_last}
    layer.loss()
    layer.backward()
    expected = be.to_host(layer.buffers.da)
    layer.loss()
    layer.dh[:T] = layer.d_out
    layer.buffers.backward(T, layer.carry, None)
    np.testing.assert_array_equal(be.to_host(layer.buffers.da), expected)
