"""CUDA graphs: a captured window gives what the eager one gives, and a refusal leaves all as it was."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from backend_windows import MadeUp, Runner, made_up

from gpurnn.backend import Backend
from gpurnn.exceptions import BackendError
from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.training.optim import RATE, Optimizer, OptimizerConfig

LANES, STEPS, SYMBOLS = 3, 4, 11


def config_of(cell: str) -> ModelConfig:
    return ModelConfig(SYMBOLS, cell, hidden=6, layers=2, embedding=3, dropout=0.3)


def windows(*, boundary: bool) -> list[MadeUp]:
    made = [made_up(SYMBOLS, STEPS, LANES, index, boundary=boundary) for index in range(5)]
    return [MadeUp(w.host, w.steps, [True] * STEPS if boundary else None) for w in made]  # the same work every time


class Training(Runner):
    """With an update after each window."""

    def __init__(self, be: Backend, cell: str) -> None:
        super().__init__(be, config_of(cell), LANES, STEPS)
        self.optimizer = Optimizer(be, self.model.params, OptimizerConfig())
        self.optimizer.ctl[RATE : RATE + 1].fill(0.01)

    def work(self) -> None:
        super().work()
        self.optimizer.step(self.ws.loss, self.ws.batch.scale)

    def results(self) -> dict[str, np.ndarray]:
        values = {name: self.be.to_host(array) for name, array in self.model.params.value.items()}
        return super().results() | values | {"ctl": self.be.to_host(self.optimizer.ctl)}


@pytest.mark.parametrize("boundary", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_captured_window_is_bit_for_bit_the_eager_one(be: Backend, cell: str, boundary: bool) -> None:
    first, *rest = windows(boundary=boundary)
    eager, captured = Training(be, cell), Training(be, cell)
    for training in (eager, captured):
        training.run([first])
    launch = be.capture(captured.work)
    for ours, theirs in zip(captured.run(rest, launch), eager.run(rest), strict=True):
        for name, array in theirs.items():
            np.testing.assert_array_equal(ours[name], array, err_msg=name)


def test_a_captured_window_is_one_launch(emulated: ModuleType, be: Backend) -> None:
    training = Training(be, "lstm")
    first, *rest = windows(boundary=False)
    training.run([first])
    launch = be.capture(training.work)
    emulated.reset_counters()
    for window in rest:
        training.load(window)
        launch()
    count = emulated.counters()
    assert count["graph_launches"] == len(rest)
    assert count["kernels"] == len(rest), "only the one that unpacks the staged block"
    assert count["h2d"] == len(rest)
    assert count["sync"] <= len(rest), "the upload from the block that is written again"
    for name in ("d2h", "malloc", "pinned_malloc", "sync_memcpy", "compiles", "blas"):  # d2d, memset: of the graph
        assert count[name] == 0, name


def test_work_that_waits_cannot_be_captured_and_leaves_no_trace(cuda: Backend, be: Backend) -> None:
    total = be.zeros((3,), "float32")
    product = be.zeros((1, 1), "float32")

    def waits() -> None:
        be.xp.add(total, 1, out=total)
        be.to_host(total)

    waits()
    with pytest.raises(BackendError, match=r"cuda:0: the work cannot be captured as a CUDA graph \(.+\); run it as it"):
        be.capture(waits)
    assert be.to_host(total).tolist() == [1, 1, 1]
    waits()
    be.gemm(total.reshape(1, 3), total.reshape(3, 1), product)
    assert be.to_host(product).tolist() == [[12]]
    again = be.capture(lambda: be.xp.add(total, 1, out=total))
    again()
    assert be.to_host(total).tolist() == [3, 3, 3]


def test_an_error_of_the_work_itself_is_passed_on(cuda: Backend, be: Backend) -> None:
    def fails() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        be.capture(fails)
    be.synchronize()


def test_temporaries_of_captured_work_are_nobody_elses(be: Backend) -> None:
    x, y = be.zeros((1000,), "float64"), be.zeros((1000,), "float64")

    def work() -> None:
        y[...] = (x + 1) * 2 + (x + 3)

    work()
    again = be.capture(work)
    x.fill(1)
    others = [be.xp.full((1000,), 7.0) for _ in range(8)]
    again()
    assert be.to_host(y).tolist() == [8.0] * 1000
    assert all((be.to_host(other) == 7).all() for other in others)
