"""Twenty windows of training on this backend against the same twenty on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from backend_windows import Runner, made_up

from gpurnn.backend import Backend
from gpurnn.backend.cpu import CpuBackend
from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.training.control import Control
from gpurnn.training.optimizer import Optimizer, OptimizerConfig
from gpurnn.training.step import TrainingStep

WINDOWS, STEPS, LANES, SYMBOLS = 20, 6, 3, 11
LOSS = {"float32": 1e-6, "float64": 1e-12}  # relative
PARAMETERS = {"float32": 2e-5, "float64": 1e-12}  # of the largest


def trained(be: Backend, config: ModelConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The losses and gradient norms of all windows, and the parameters after them."""
    runner = Runner(be, config, LANES, STEPS)
    optimizer = Optimizer(be, runner.model.params, OptimizerConfig("adam", clip=0.2, average=0))
    step = TrainingStep(runner.model, runner.ws, runner.state, optimizer)
    losses, norms = [], []
    for index in range(WINDOWS):
        runner.load(made_up(SYMBOLS, STEPS, LANES, index, boundary=index % 2 == 1))
        step(0.001)
        losses.append(be.to_host(runner.ws.loss)[0])
        norms.append(be.to_host(optimizer.ctl)[Control.NORM])
    return np.array(losses), np.array(norms), be.to_host(runner.model.params.values)


@pytest.mark.parametrize("dtype", LOSS)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_training_is_that_of_the_cpu(cuda: Backend, cell: str, layers: int, dtype: str) -> None:
    config = ModelConfig(SYMBOLS, cell, hidden=16, layers=layers, dropout=0.2, dtype=dtype)
    expected = trained(CpuBackend(), config)
    found = trained(cuda, config)
    assert (expected[1] > 0.2).any(), "no window was clipped"
    np.testing.assert_allclose(found[0], expected[0], rtol=LOSS[dtype], atol=0)
    scale = float(np.abs(expected[2]).max())
    np.testing.assert_allclose(found[2], expected[2], rtol=0, atol=scale * PARAMETERS[dtype])
