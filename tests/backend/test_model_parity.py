"""The whole model, forward and backward, on this backend against the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from backend_windows import Runner, made_up

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS

TOLERANCE = {"float32": 5e-6, "float64": 1e-13}
LANES, STEPS = 3, 5


def windows(symbols: int):
    """Whole, short with boundaries, whole with boundaries, a single step."""
    shapes = [(STEPS, False), (STEPS - 2, True), (STEPS, True), (1, False)]
    return [made_up(symbols, steps, LANES, i, boundary=boundary) for i, (steps, boundary) in enumerate(shapes)]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("symbols", "embedding", "layers"), [(7, 0, 2), (300, 4, 2), (300, 0, 1)])
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_gives_what_the_cpu_gives(
    cuda: Backend, be: Backend, cell: str, symbols: int, embedding: int, layers: int, dtype: str
) -> None:
    config = ModelConfig(symbols, cell, hidden=6, layers=layers, embedding=embedding, dropout=0.3, dtype=dtype)
    expected = Runner(backend.get("cpu"), config, LANES, STEPS).run(windows(symbols))
    found = Runner(cuda, config, LANES, STEPS).run(windows(symbols))
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        for name, array in theirs.items():
            where = f"window {number}: {name}"
            assert number or np.any(array), f"{where}: all zeros"
            if name.startswith("mask"):
                np.testing.assert_array_equal(ours[name], array, err_msg=where)
            scale = max(1e-3, float(np.abs(array).max()))
            np.testing.assert_allclose(ours[name], array, rtol=0, atol=scale * TOLERANCE[dtype], err_msg=where)


@pytest.mark.parametrize("cell", CELLS)
def test_runs_repeat_bit_for_bit(be: Backend, cell: str) -> None:
    config = ModelConfig(300, cell, hidden=9, layers=2, embedding=4, dropout=0.2)
    first, second = (Runner(be, config, LANES, STEPS).run(windows(300)) for _ in range(2))
    for ours, theirs in zip(first, second, strict=True):
        for name, array in theirs.items():
            np.testing.assert_array_equal(ours[name], array, err_msg=name)
