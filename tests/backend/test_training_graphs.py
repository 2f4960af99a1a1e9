"""Training with windows that are one launch: never other bits, and eager where a capture cannot be trusted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from backend_windows import MadeUp, Runner, made_up

from gpurnn.backend import Backend
from gpurnn.exceptions import BackendError
from gpurnn.network import ModelConfig
from gpurnn.training.optim import SKIPPED, UPDATES, Optimizer, OptimizerConfig
from gpurnn.training.step import TrainingStep

LANES, STEPS, SYMBOLS = 3, 5, 11
BOUNDARIES = (True, False, False, True, False, True, True, False)


class Training(Runner):
    """A run over windows with and without boundaries, the fifth of them short."""

    def __init__(self, be: Backend) -> None:
        super().__init__(be, ModelConfig(SYMBOLS, "lstm", hidden=6, layers=2, dropout=0.3), LANES, STEPS)
        self.optimizer = Optimizer(be, self.model.params, OptimizerConfig(average=0.2))
        self.warnings: list[str] = []
        self.step = TrainingStep(self.model, self.ws, self.state, self.optimizer, self.warnings.append)

    def train(self, windows: list[MadeUp]) -> dict[str, np.ndarray]:
        for number, window in enumerate(windows):
            self.load(window)
            self.step(0.01 + 0.001 * number)
        named = {"parameters": self.model.params.values, **self.optimizer.flats, "control": self.optimizer.ctl}
        return {name: self.be.to_host(array) for name, array in (named | self.state.named()).items()}


def windows() -> list[MadeUp]:
    made = []
    for index, boundary in enumerate(BOUNDARIES):
        steps = STEPS - 2 if index == 4 else STEPS
        made.append(made_up(SYMBOLS, steps, LANES, index, boundary=boundary))
    return made


def eager(be: Backend, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """What training gives where nothing is captured."""
    with monkeypatch.context() as patch:
        patch.setattr(be, "capture", lambda work: work)
        return Training(be).train(windows())


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_full_windows_are_captured_once_for_each_kind(be: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = eager(be, monkeypatch)
    training, captured, launched = Training(be), [], []

    def capture(work: Callable[[], None]) -> Callable[[], None]:
        captured.append(training.ws.batch.boundary)

        def launch() -> None:
            launched.append(training.ws.batch.boundary is not None)
            training.ws.batch.steps = STEPS
            work()

        return launch

    monkeypatch.setattr(be, "capture", capture)
    assert_same(training.train(windows()), expected)
    assert captured == [None, [True] * STEPS]
    assert launched == [False, True, True, True, False], "the second and later full windows of each kind"
    assert not training.warnings


def test_captured_work_that_differs_is_dropped_with_a_line(be: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = eager(be, monkeypatch)
    training = Training(be)

    def capture(work: Callable[[], None]) -> Callable[[], None]:
        def differs() -> None:
            work()
            values = training.model.params.values
            be.xp.multiply(values[:1], 1 + 1e-6, out=values[:1])

        return differs

    monkeypatch.setattr(be, "capture", capture)
    assert_same(training.train(windows()), expected)
    (line,) = training.warnings
    assert line.startswith("the first captured window differs from the eager one in parameters; training goes on")


def test_a_refused_capture_is_dropped_with_a_line(be: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = eager(be, monkeypatch)
    training, asked = Training(be), []

    def capture(work: Callable[[], None]) -> Callable[[], None]:
        asked.append(work)
        raise BackendError("cuda:0: the work cannot be captured")

    monkeypatch.setattr(be, "capture", capture)
    assert_same(training.train(windows()), expected)
    assert len(asked) == 1
    (line,) = training.warnings
    assert line == (
        "cuda:0: the work cannot be captured; training goes on without CUDA graphs, which --no-graph asks for without "
        "this line"
    )


def test_a_skipped_window_proves_nothing(be: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [made_up(SYMBOLS, STEPS, LANES, index, boundary=False) for index in range(5)]
    made[1].host["scale"] = np.array([np.nan])
    training, launched = Training(be), []

    def capture(work: Callable[[], None]) -> Callable[[], None]:
        def launch() -> None:
            launched.append(int(be.to_host(training.ws.batch.window)[0]))
            work()

        return launch

    monkeypatch.setattr(be, "capture", capture)
    control = training.train(made)["control"]
    assert launched == [2, 3, 4]
    assert (control[UPDATES], control[SKIPPED]) == (4, 1)
