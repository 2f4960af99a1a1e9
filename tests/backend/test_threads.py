"""The CPU's threads: how many there are changes no bit, and they bear other threads, pauses and forks."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from backend.backend_windows import Runner, made_up
from backend.processes import python
from threadpoolctl import threadpool_limits

from gpurnn.backend import Backend
from gpurnn.backend.cpu import CpuBackend
from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.network.heads.loss import WEIGHTED_LOSS

pytestmark = pytest.mark.skipif(
    CpuBackend().describe()["pointwise"] != "compiled",
    reason="needs the compiled operations: install with a C compiler",
)


def cpu(threads: int) -> CpuBackend:
    with threadpool_limits(threads, "blas"):
        return CpuBackend()


def operands(rows: int, depth: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, depth), np.float32), rng.standard_normal((depth, columns), np.float32)


def product(be: Backend, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    out = np.full((len(a), b.shape[1]), np.nan, a.dtype)
    be.gemm(a, b, out)
    return out


@pytest.mark.parametrize("rows", [1, 3, 64])
@pytest.mark.parametrize("columns", [64, 1000, 2048])
def test_products_have_the_same_bits_with_any_number_of_threads(rows: int, columns: int) -> None:
    a, b = operands(rows, 512, columns)
    alone = product(cpu(1), a, b)
    np.testing.assert_allclose(alone, a.astype(np.float64) @ b, atol=2e-4)
    for threads in (2, 3, 5):
        be = cpu(threads)
        for pause in (0, 0.001):  # threads that are awake, and others that have to wake up
            found = []
            for _ in range(50):
                time.sleep(pause)
                found.append(product(be, a, b))
            assert all((one == alone).all() for one in found)


def test_a_bound_row_has_the_same_bits_with_any_number_of_threads() -> None:
    x, matrix = operands(1, 512, 2050)
    alone = product(cpu(1), x, matrix)
    for threads in (2, 3, 5):
        bound = cpu(threads).bind_row(matrix)
        for _ in range(50):
            out = np.full_like(alone, np.nan)
            bound(x, out)
            np.testing.assert_array_equal(out, alone)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_window_has_the_same_bits_with_any_number_of_threads(cell: str, dtype: str) -> None:
    config = ModelConfig(symbols=300, cell=cell, hidden=72, layers=2, dropout=0.3, dtype=dtype)
    windows = [made_up(300, 12, 21, index, boundary=index == 1) for index in range(3)]
    expected = Runner(cpu(1), config, 21, 12).run(windows)
    for threads in (2, 5):
        found = Runner(cpu(threads), config, 21, 12).run(windows)
        for window, one in zip(found, expected, strict=True):
            assert window.keys() == one.keys()
            for name, array in one.items():
                np.testing.assert_array_equal(window[name], array, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("targets", [7, 130, 8192])
def test_the_loss_is_summed_in_one_order(targets: int, dtype: str) -> None:
    rng = np.random.default_rng(targets)
    nats, weight = (10 ** rng.uniform(-6, 1, targets)).astype(dtype), rng.integers(0, 2, targets).astype(dtype)
    scale, expected = np.array([1 / 3], dtype), np.zeros(1)
    CpuBackend(compiled=False).bind(WEIGHTED_LOSS, dtype, N=targets)(nats, weight, scale, expected)
    for threads in (1, 3):  # it is no sum of its own for each thread
        be, loss = cpu(threads), np.zeros(1)
        be.gemm(*operands(256, 256, 256), np.empty((256, 256), np.float32))  # wakes them up
        be.bind(WEIGHTED_LOSS, dtype, N=targets)(nats, weight, scale, loss)
        assert loss == expected


def test_products_at_the_same_time_do_not_disturb_each_other() -> None:
    be, wrong = cpu(3), []

    def work(seed: int) -> None:
        a, b = operands(64, 512, 700, seed)
        alone = product(cpu(1), a, b)
        for n in range(200):
            if not np.array_equal(product(be, a, b), alone):
                wrong.append((seed, n))

    callers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


FORK = """
import os, sys, warnings
from backend.test_threads import cpu, operands, product
warnings.simplefilter("ignore", DeprecationWarning)  # of forks in a process of several threads
be, (a, b) = cpu(3), operands(64, 512, 512)
expected = product(be, a, b)
for _ in range(20):
    child = os.fork()
    if child == 0:
        same = (product(be, a, b) == expected).all() and (product(be, a, b) == expected).all()
        alone = sys.platform == "linux" and len(os.listdir("/proc/self/task")) != 3
        os._exit(0 if same and not alone else 1)
    assert (product(be, a, b) == expected).all()
    assert os.waitpid(child, 0)[1] == 0, "the product in the child"
"""


def test_a_forked_process_computes_with_threads_of_its_own() -> None:
    python(FORK)


MASKS = """
import os, signal
from pathlib import Path
from backend.test_threads import cpu, operands, product
def masks():
    status = {task.name: (task / "status").read_text() for task in Path("/proc/self/task").iterdir()}
    return {task: int(text.split("SigBlk:")[1].split()[0], 16) for task, text in status.items()}
be = cpu(4)
before = masks()
product(be, *operands(64, 512, 2048))
new = [mask for task, mask in masks().items() if task not in before]
assert len(new) == 3, new
assert all(mask >> (number - 1) & 1 for mask in new for number in (signal.SIGINT, signal.SIGTERM)), new
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's list of a process's threads")
def test_signals_are_left_to_the_programs_own_threads() -> None:
    python(MASKS)
