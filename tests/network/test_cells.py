"""Each registered cell's fused pair alone: forward against the equations, backward against central differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import outside_cell
import pytest

from gpurnn.backend import Argument, Array, Backend
from gpurnn.backend.declared import extent
from gpurnn.network.cells import CELLS, Cell

from . import reference
from .helpers import central_difference, check_gradient

B, H = 3, 4


def test_every_cell_of_the_package_has_a_reference():
    assert set(reference.CELLS) >= {*outside_cell.of_the_package(), outside_cell.NAME}


@pytest.fixture(params=list(CELLS))
def cell(request: pytest.FixtureRequest) -> Cell:
    return CELLS[request.param]


class Step:
    """One step of a cell: its inputs as drawn, and calls that leave them alone."""

    def __init__(self, be: Backend, cell: Cell, seed: int = 0) -> None:
        self.be, self.cell = be, cell
        rng = np.random.default_rng(seed)
        self.inputs = {
            name: be.from_host(rng.uniform(-1.2, 1.2, _shape(argument)))
            for name, argument in cell.forward.arguments.items()
            if name not in (*cell.states, *cell.saved)
        }
        self.d_out = {name: rng.standard_normal((B, H)) for name in cell.states}
        self._forward = be.bind(cell.forward, np.float64, B=B, H=H)
        self._backward = be.bind(cell.backward, np.float64, B=B, H=H)

    def forward(self) -> dict[str, Array]:
        """Every array of the step after it; outputs begin as NaN, so that one that is not written shows."""
        arrays = {name: self.be.from_host(self.be.to_host(array)) for name, array in self.inputs.items()}
        for name in (*self.cell.states, *self.cell.saved):
            arrays[name] = self.be.from_host(np.full((B, H), np.nan))
        self._forward(*(arrays[name] for name in self.cell.forward.arguments))
        return arrays

    def loss(self) -> float:
        arrays = self.forward()
        return float(sum(np.vdot(self.d_out[name], self.be.to_host(arrays[name])) for name in self.cell.states))

    def backward(self) -> dict[str, Array]:
        """Every array after both passes. The error of h comes in all the ways there are, a part in each."""
        arrays, cell = self.forward(), self.cell
        parts = {"dh_out": 0.5, "dh_rec": 0.3, "e_h": 0.2} if "h" in cell.errors else {"dh_out": 0.6, "dh_rec": 0.4}
        arrays |= {name: self.be.from_host(part * self.d_out["h"]) for name, part in parts.items()}
        arrays |= {f"e_{name}": self.be.from_host(self.d_out[name]) for name in cell.states[1:]}
        arrays |= {f"{name}_prev": self.inputs[f"{name}_prev"] for name in cell.states if f"{name}_prev" in self.inputs}
        before = {name: self.be.to_host(arrays[name]) for name in cell.backward.arguments}
        self._backward(*(arrays[name] for name in cell.backward.arguments))
        for name in set(before) - {"a", "r", *(f"e_{name}" for name in cell.errors)}:
            np.testing.assert_array_equal(self.be.to_host(arrays[name]), before[name], err_msg=f"{name}: read only")
        return arrays


def _shape(argument: Argument) -> tuple[int, ...]:
    return tuple(extent(axis, {"B": B, "H": H}) for axis in argument.shape)


def test_forward_is_the_equations(be: Backend, cell: Cell):
    """With x U and h W given as they are, the reference sees one unit-matrix product each."""
    reference.skip_without(cell.name)
    step = Step(be, cell)
    if "h_prev" not in step.inputs:
        step.inputs["h_prev"] = be.from_host(np.random.default_rng(1).standard_normal((B, H)))
    host = {name: be.to_host(array) for name, array in step.inputs.items()}
    found = step.forward()
    for lane in range(B):
        expected = reference.CELLS[cell.name]([1.0], _lane(cell, host, lane), _parameters(cell, host, lane))
        for name in cell.states:
            np.testing.assert_allclose(be.to_host(found[name])[lane], expected[name], rtol=1e-13, atol=1e-15)


def _lane(cell: Cell, host: Mapping[str, np.ndarray], lane: int) -> dict[str, Any]:
    return {name: host[f"{name}_prev"][lane].tolist() for name in cell.states}


def _parameters(cell: Cell, host: Mapping[str, np.ndarray], lane: int) -> dict[str, Any]:
    """Parameters for which x = [1] gives x U = a, and h(t-1) W = r."""
    h = host["h_prev"][lane]
    W = np.outer(h, host["r"][lane]) / (h @ h)
    biases = {name: host[name].tolist() for name in ("b", *cell.biases)}
    return {"U": [host["a"][lane].tolist()], "W": W.tolist(), **biases}


def test_forward_changes_only_its_outputs(be: Backend, cell: Cell):
    step = Step(be, cell)
    arrays = step.forward()
    written = {"a", "r"} if cell.apart else {"a"}
    for name in set(step.inputs) - written:
        np.testing.assert_array_equal(be.to_host(arrays[name]), be.to_host(step.inputs[name]), err_msg=name)


def test_backward_against_central_differences(be: Backend, cell: Cell):
    step = Step(be, cell)
    after = {name: be.to_host(array) for name, array in step.backward().items()}
    da, da_rec = after["a"], after["r"] if cell.apart else after["a"]
    errors = {"a": da, "r": da_rec, "b": da.sum(axis=0)}
    errors |= {bias: da_rec[:, -H:].sum(axis=0) for bias in cell.biases}
    errors |= {f"{name}_prev": after[f"e_{name}"] for name in cell.errors}
    assert set(errors) == set(step.inputs), "an input of the cell whose error is not checked"
    for name, error in errors.items():
        check_gradient(f"{cell.name}: {name}", error, central_difference(be, step.loss, step.inputs[name]))


def test_saturated_gates_stay_finite(be: Backend, cell: Cell):
    """Pre-activations of ±1000 overflow in a careless sigmoid."""
    step = Step(be, cell)
    rng = np.random.default_rng(2)
    step.inputs["a"] = be.from_host(np.where(rng.random(step.inputs["a"].shape) < 0.5, -1e3, 1e3))
    for name, array in step.backward().items():
        assert np.isfinite(be.to_host(array)).all(), name
