"""What a training window asks of a GPU once it is warm: counted on the emulated device."""

from __future__ import annotations

from types import ModuleType

import pytest
from backend_windows import Runner, made_up

from gpurnn.backend import Backend, get
from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.training.optimizer import Optimizer, OptimizerConfig
from gpurnn.training.step import TrainingStep

STEPS, LANES, SYMBOLS, WINDOWS = 32, 2, 50, 5
BUDGET = {"float32": 21, "float64": 4 * STEPS + 21}  # all steps in one launch; two launches a step
BESIDE_A_GRAPH = 3
WITH_KERNELS = [name for name, cell in CELLS.items() if cell.forward.source]


def counts(device: ModuleType, be: Backend, cell: str, dtype: str) -> dict[str, int]:
    """Over WINDOWS windows with clipping, Adam and an average, after three others."""
    runner = Runner(be, ModelConfig(SYMBOLS, cell, hidden=8, dropout=0.0, dtype=dtype), LANES, STEPS)
    optimizer = Optimizer(be, runner.model.params, OptimizerConfig(average=0.1))
    step = TrainingStep(runner.model, runner.ws, runner.state, optimizer)
    windows = [made_up(SYMBOLS, STEPS, LANES, index, boundary=False) for index in range(WINDOWS + 3)]
    for number, window in enumerate(windows):
        if number == 3:
            be.synchronize()
            device.reset_counters()
        runner.load(window)
        step(0.01)
    return device.counters()


@pytest.mark.parametrize("dtype", BUDGET)
@pytest.mark.parametrize("cell", WITH_KERNELS)
def test_a_window_stays_within_its_budget(emulated: ModuleType, be: Backend, cell: str, dtype: str) -> None:
    found = counts(emulated, get("cuda", graphs=False), cell, dtype)
    assert found["kernels"] <= WINDOWS * BUDGET[dtype]
    assert found["graph_launches"] == 0
    only_what_a_window_needs(found)


@pytest.mark.parametrize("dtype", BUDGET)
@pytest.mark.parametrize("cell", WITH_KERNELS)
def test_a_captured_window_is_one_launch_and_little_else(
    emulated: ModuleType, be: Backend, cell: str, dtype: str
) -> None:
    found = counts(emulated, be, cell, dtype)
    assert found["graph_launches"] == WINDOWS
    assert found["kernels"] <= WINDOWS * BESIDE_A_GRAPH, "copies and memsets that are counted belong to the graph"
    only_what_a_window_needs(found)


def only_what_a_window_needs(found: dict[str, int]) -> None:
    assert 1 <= found["h2d"] <= 2 * WINDOWS
    assert found["sync"] <= WINDOWS, "only for the upload from the block that is written again"
    for name in ("d2h", "malloc", "pinned_malloc", "free", "sync_memcpy", "query", "compiles", "modules"):
        assert found[name] == 0, name
