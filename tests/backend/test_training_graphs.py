"""Training with windows that are one launch: never other bits, and eager where a capture cannot be trusted."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from backend_windows import MadeUp, Runner, made_up

from gpurnn import backend
from gpurnn.backend import Array, Backend
from gpurnn.exceptions import BackendError
from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.training.control import Control
from gpurnn.training.optimizer import Optimizer, OptimizerConfig
from gpurnn.training.step import TrainingStep

LANES, STEPS, SYMBOLS = 3, 5, 11
BOUNDARIES = (True, False, False, True, False, True, True, False)


class Training(Runner):
    """A run over windows with and without boundaries, the fifth of them short."""

    def __init__(self, be: Backend, cell: str = "lstm", hidden: int = 6, dtype: str = "float32") -> None:
        super().__init__(be, ModelConfig(SYMBOLS, cell, hidden, layers=2, dropout=0.3, dtype=dtype), LANES, STEPS)
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
    assert captured == [None, be.masked_steps([True, False, True, False, True])]
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
    assert len(asked) == 3, "another thread may have been in the way once or twice"
    (line,) = training.warnings
    assert line == (
        "cuda:0: the work cannot be captured; training goes on without CUDA graphs, which `no_graph` asks for without "
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
    assert (control[Control.UPDATES], control[Control.SKIPPED]) == (4, 1)


def with_boundaries_at(*steps: tuple[int, ...]) -> list[MadeUp]:
    """A window for each tuple, whose carry is 0 in one lane of these steps."""
    made = []
    for index, zeros in enumerate(steps):
        window = made_up(SYMBOLS, STEPS, LANES, index, boundary=False)
        for step in zeros:
            window.host["carry"][step, (index + step) % LANES] = 0
        made.append(MadeUp(window.host, STEPS, [t in zeros for t in range(STEPS)] if zeros else None))
    return made


PLACES = ((2,), (), (0,), (1, 4), (), (0,), (), (0,), (3,), (0, 2), (0,), (4,), (), (0, 1, 2, 3, 4))


@pytest.mark.parametrize("cell", CELLS)
def test_a_graph_has_the_bits_of_eager_windows_where_a_products_bits_depend_on_addresses(
    cuda: Backend, cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As cuBLAS may have it, which looks at how far operands are aligned: here those of every other step are not."""
    from gpurnn.backend.cuda.blas import Blas

    right, odd = Blas.gemm, []

    def gemm(self: Blas, a: Array, b: Array, out: Array, accumulate: bool) -> bool:
        fits = right(self, a, b, out, accumulate)
        if any(x.data.ptr % 16 for x in (a, b)):
            odd.append(a.shape)
            cuda.xp.multiply(out, 1 + 2**-40, out=out)
        return fits

    monkeypatch.setattr(Blas, "gemm", gemm)
    made = with_boundaries_at(*PLACES)
    captured = Training(cuda, cell, hidden=5, dtype="float64")
    found = captured.train(made)
    assert not captured.warnings
    assert odd, "no product shows it"
    assert_same(found, Training(backend.get("cuda", graphs=False), cell, hidden=5, dtype="float64").train(made))


def test_three_graphs_do_for_all_windows(emulated: ModuleType, be: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    training, captured = Training(be), []
    capture = be.capture

    def counted(work: Callable[[], None]) -> Callable[[], None]:
        captured.append(training.ws.batch.boundary)
        return capture(work)

    monkeypatch.setattr(be, "capture", counted)
    training.train(with_boundaries_at(*PLACES, *PLACES[::-1]))
    rest = [False] * (STEPS - 1)
    assert sorted(captured, key=str) == sorted([None, (True, *rest), (True,) * STEPS], key=str)
    emulated.reset_counters()
    training.train(with_boundaries_at(*PLACES))
    assert emulated.counters()["graph_launches"] == len(PLACES)


def test_windows_of_many_kinds_are_not_remembered(be: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a backend masks the very steps, as a CPU does, no two windows need be alike."""
    monkeypatch.setattr(be, "masked_steps", lambda boundary: boundary)
    training, asked = Training(be), []
    monkeypatch.setattr(be, "capture", lambda work: asked.append(training.ws.batch.boundary) or work)
    many = [tuple(t for t in range(STEPS) if number >> t & 1) for number in range(1, 2**STEPS)]
    training.train(with_boundaries_at(*many))
    assert not asked
    training.train(with_boundaries_at(*many[::-1]))
    assert len(asked) == 1


def test_a_training_step_goes_without_the_collector(be: Backend) -> None:
    """So that no collection has to find what it holds, some of it while another one is captured."""
    training = Training(be)
    training.train(windows())
    alive = weakref.ref(training.step), weakref.ref(training.model), weakref.ref(training.ws)
    gc.disable()
    try:
        del training
        assert [reference() for reference in alive] == [None] * 3
    finally:
        gc.enable()
