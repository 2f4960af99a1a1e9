"""CUDA graphs: a captured window gives what the eager one gives, and a refusal leaves all as it was."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType

import numpy as np
import pytest
from backend_windows import MadeUp, Runner, made_up

from gpurnn.backend import Backend, get
from gpurnn.exceptions import BackendError
from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.training.control import Control
from gpurnn.training.optimizer import Optimizer, OptimizerConfig

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
        self.optimizer.ctl[Control.RATE : Control.RATE + 1].fill(0.01)

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


class Garbage:
    """In a cycle with a backend of its own, whose cuBLAS handle goes when the collector finds it."""

    def __init__(self, be: Backend) -> None:
        self.itself, self.be = self, be


@pytest.fixture
def busy_collector() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    yield
    gc.set_threshold(*before)


def test_the_collector_runs_before_a_capture_and_not_inside(
    emulated: ModuleType, be: Backend, busy_collector: None
) -> None:
    total, spare = be.zeros((3,), "float32"), [get("cuda") for _ in range(3)]
    left: list[weakref.ref[Garbage]] = []

    def make_garbage() -> None:
        left.append(weakref.ref(Garbage(spare.pop())))

    def work() -> None:
        assert left[0]() is None, "not collected before"
        make_garbage()
        be.xp.add(total, 1, out=total)
        kept = [[number] for number in range(1000)]
        be.xp.add(total, len(kept), out=total)

    gc.disable()
    make_garbage()
    gc.enable()
    gc.collect()
    work()
    again = be.capture(work)
    again()
    assert be.to_host(total).tolist() == [2002] * 3
    gc.collect()
    assert [garbage() for garbage in left] == [None] * 3


def refused() -> None:
    raise BackendError("refused")


def of_its_own() -> None:
    raise KeyError("mine")


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("work", [refused, of_its_own, lambda: None])
def test_a_capture_leaves_the_collector_as_it_was(cuda: Backend, work: Callable[[], None], enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    try:
        with suppress(BackendError, KeyError):
            cuda.capture(work)
        assert gc.isenabled() is enabled
    finally:
        gc.enable()


def test_one_capture_at_a_time(cuda: Backend) -> None:
    inside, collects = threading.Event(), []

    def second() -> None:
        inside.set()
        collects.append(gc.isenabled())

    thread = threading.Thread(target=cuda.capture, args=(second,))

    def first() -> None:
        thread.start()
        assert not inside.wait(0.2)
        collects.append(gc.isenabled())

    cuda.capture(first)
    thread.join()
    assert collects == [False, False]
    assert gc.isenabled()


def test_other_threads_use_the_device_during_a_capture(emulated: ModuleType, be: Backend) -> None:
    """As a thread does that reads ahead: allocations, uploads, waits for its own stream, and what is freed."""
    total, others = be.zeros((3,), "float32"), be.xp.arange(4.0)
    seen: list[list[float]] = []

    def other() -> None:
        with be.xp.cuda.Stream(non_blocking=True) as stream:
            staging = be.staging({"x": be.zeros((4,), "float32")})
            staging.push({"x": np.ones(4)})
            staging.pop()
            mine = be.from_host(np.arange(4.0))
            be.xp.add(mine, mine, out=mine)
            stream.synchronize()
            seen.append(be.to_host(mine).tolist())
            be.gemm(mine.reshape(2, 2), mine.reshape(2, 2), be.empty((2, 2), "float64"))

    def work() -> None:
        nonlocal others
        be.xp.add(total, 1, out=total)
        if seen:
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
            others = None
        be.xp.add(total, 1, out=total)

    other()
    work()
    seen = seen[:1]
    before = be.to_host(total).tolist()
    be.capture(work)()
    assert be.to_host(total).tolist() == [value + 2 for value in before]
    assert seen == [[0, 2, 4, 6]] * 2


def test_a_capture_gives_no_memory_back_that_its_graph_uses(emulated: ModuleType, be: Backend) -> None:
    x, y = be.zeros((1000,), "float64"), be.zeros((1000,), "float64")

    def work() -> None:
        y[...] = (x + 1) * 2 + (x + 3)

    work()
    emulated.reset_counters()
    again = be.capture(work)
    assert emulated.counters()["free"] == 0
    del again
    be.synchronize()
    assert emulated.counters()["free"] == emulated.counters()["malloc"] > 0
