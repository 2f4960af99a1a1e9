"""Whole-window kernels against the loop over steps, on the same backend."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.network.cells import CELLS
from gpurnn.network.cells.window import WINDOW_OPS
from gpurnn.network.layers import RecurrentBuffers

TOLERANCE = 3e-6
LARGEST = {"simple": 256, "simple-relu": 256, "lstm": 128, "gru": 128}


class Layer:
    """A recurrent layer with random parameters and inputs."""

    def __init__(self, be: Backend, cell: str, shape: tuple[int, int, int]) -> None:
        self.be, self.cell = be, CELLS[cell]
        self.steps, lanes, hidden = shape
        self.rng = np.random.default_rng(0)
        columns = self.cell.gates * hidden
        shapes = {"W": (hidden, columns), "b": (columns,), **dict.fromkeys(self.cell.biases, (hidden,))}
        parameters = {name: self.random(shape, 1 / np.sqrt(hidden)) for name, shape in shapes.items()}
        self.dh = be.empty(shape, "float32")
        self.layer = RecurrentBuffers(be, self.cell, parameters, shape, "float32", self.dh)
        self.gradient = {name: be.zeros(shape, "float32") for name, shape in shapes.items()}
        self.ones = be.from_host(np.ones((1, self.steps * lanes), np.float32))

    def random(self, shape: tuple[int, ...], scale: float = 1.0):
        return self.be.from_host((self.rng.standard_normal(shape) * scale).astype(np.float32))

    def run(self, steps: int, carry: np.ndarray | None) -> dict[str, np.ndarray]:
        """All that the layer computes for a window whose carry this is; None: without a boundary."""
        layer, lanes = self.layer, self.dh.shape[1]
        layer.a[...] = self.random(layer.a.shape)
        self.dh[...] = self.random(self.dh.shape)
        for state in layer.states.values():
            state[0] = self.random(state[0].shape)
        boundary = None if carry is None else (carry.min(axis=(1, 2)) == 0).tolist()
        device_carry = self.be.from_host(np.zeros((self.steps, lanes, 1), np.float32) if carry is None else carry)
        results = {}
        layer.forward(steps, device_carry, boundary)
        results["gates"] = layer.a[:steps]
        results |= {name: state[: steps + 1] for name, state in layer.states.items()}
        results = {name: self.be.to_host(array) for name, array in results.items()}
        d_last = {name: self.random(state[0].shape) for name, state in layer.states.items()}
        layer.backward(steps, device_carry, boundary, d_last)
        layer.weight_gradients(steps, device_carry, boundary, self.gradient, self.ones)
        after = {"da": layer.a[:steps], "da_rec": layer.da_rec[:steps]} | self.gradient
        after |= {f"d_first {name}": array for name, array in layer.d_first.items()}
        return results | {name: self.be.to_host(array) for name, array in after.items()}


def carries(steps: int, lanes: int) -> Iterator[np.ndarray | None]:
    yield None
    carry = np.ones((steps, lanes, 1), np.float32)
    carry[0, 0] = carry[steps // 2, lanes - 1] = carry[steps - 1, 0] = 0
    yield carry


def compare(be: Backend, cell: str, shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Layer(be, cell, shape)
    with monkeypatch.context() as patch:
        patch.setattr(type(be), "bind_window", lambda *_, **__: None)
        by_step = Layer(be, cell, shape)
    for steps in (shape[0], 1):
        for carry in carries(shape[0], shape[1]):
            whole.rng = np.random.default_rng(1)
            by_step.rng = np.random.default_rng(1)
            expected = by_step.run(steps, carry)
            found = whole.run(steps, carry)
            whole.rng = np.random.default_rng(1)
            again = whole.run(steps, carry)
            for name, array in expected.items():
                assert np.any(array), f"{name}: all zeros"
                scale = max(1.0, float(np.abs(array).max()))
                np.testing.assert_allclose(found[name], array, rtol=0, atol=scale * TOLERANCE, err_msg=name)
                np.testing.assert_array_equal(found[name], again[name], err_msg=f"{name}: a second run differs")


@pytest.mark.parametrize("hidden", [1, 5, 33, 64])
@pytest.mark.parametrize("cell", CELLS)
def test_a_window_in_one_launch_is_the_loop_over_its_steps(
    cuda: Backend, be: Backend, cell: str, hidden: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare(be, cell, (4, 3, hidden), monkeypatch)


@pytest.mark.parametrize("cell", CELLS)
def test_weights_that_do_not_fit_the_registers_are_in_shared_memory(
    cuda: Backend, be: Backend, cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpurnn.backend.cuda import window

    monkeypatch.setattr(window, "_WORKING_REGISTERS", 255 - 8)
    compare(be, cell, (4, 3, 21), monkeypatch)


@pytest.mark.parametrize("cell", CELLS)
def test_the_largest_sizes(cuda: Backend, be: Backend, cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(be, cell, (2, 2, LARGEST[cell]), monkeypatch)


@pytest.mark.parametrize("cell", CELLS)
def test_a_device_takes_what_it_can_hold_and_nothing_else(cuda: Backend, be: Backend, cell: str) -> None:
    largest = LARGEST[cell]
    for op in WINDOW_OPS[cell]:
        for hidden in (1, 5, largest):
            assert be.bind_window(op, "float32", N=4, B=2, H=hidden) is not None
        assert be.bind_window(op, "float64", N=4, B=2, H=5) is None
        assert be.bind_window(op, "float32", N=4, B=2, H=8 * largest) is None


def test_the_cpu_has_the_loop_only() -> None:
    from gpurnn import backend

    assert all(backend.get("cpu").bind_window(op, "float32", N=4, B=2, H=5) is None for op in WINDOW_OPS["lstm"])


def test_every_cell_has_whole_window_kernels() -> None:
    assert WINDOW_OPS.keys() == CELLS.keys()
