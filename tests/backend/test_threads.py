"""The CPU's threads: how many there are changes no bit, and they bear other threads, pauses and forks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from backend.backend_windows import Runner, made_up
from threadpoolctl import threadpool_limits

import gpurnn
from gpurnn.backend import Backend
from gpurnn.backend.cpu import CpuBackend
from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS

pytestmark = pytest.mark.skipif(
    CpuBackend().describe()["pointwise"] != "compiled",
    reason="needs the compiled operations: install with a C compiler",
)


def cpu(threads: int) -> CpuBackend:
    with threadpool_limits(threads, "blas"):
        return CpuBackend()


def product(be: Backend, rows: int, depth: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A product in float32, computed and as it should be."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((rows, depth), np.float32), rng.standard_normal((depth, columns), np.float32)
    out = np.empty((rows, columns), np.float32)
    be.gemm(a, b, out)
    return out, a.astype(np.float64) @ b


@pytest.mark.parametrize("rows", [1, 3, 64])
@pytest.mark.parametrize("columns", [64, 1000, 2048])
def test_products_have_the_same_bits_with_any_number_of_threads(rows: int, columns: int) -> None:
    alone, exact = product(cpu(1), rows, 512, columns)
    np.testing.assert_allclose(alone, exact, atol=2e-4)
    for threads in (2, 3, 5):
        for _ in range(20):  # with threads that sleep, that wake up and that are awake
            np.testing.assert_array_equal(product(cpu(threads), rows, 512, columns)[0], alone)


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


def test_products_at_the_same_time_do_not_disturb_each_other() -> None:
    be, wrong = cpu(3), []

    def work(seed: int) -> None:
        for n in range(50):
            found, exact = product(be, 64, 512, 700, seed)
            if not np.allclose(found, exact, atol=2e-4):
                wrong.append((seed, n))
            if n % 10 == 0:
                time.sleep(seed * 1e-4)

    callers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def in_new_process(code: str) -> str:
    """What it prints; it must end well."""
    path = os.pathsep.join([str(Path(gpurnn.__file__).parents[1]), str(Path(__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


FORK = """
import os, sys, warnings
import numpy as np
from backend.test_threads import cpu
warnings.simplefilter("ignore", DeprecationWarning)  # of forks in a process of several threads
be, rng = cpu(3), np.random.default_rng(0)
a, b = rng.standard_normal((64, 512), np.float32), rng.standard_normal((512, 512), np.float32)
def result():
    out = np.empty((64, 512), np.float32)
    be.gemm(a, b, out)
    return out
expected = result()
for _ in range(20):
    child = os.fork()
    if child == 0:
        same = (result() == expected).all() and (result() == expected).all()
        alone = sys.platform == "linux" and len(os.listdir("/proc/self/task")) != 3
        os._exit(0 if same and not alone else 1)
    assert (result() == expected).all()
    assert os.waitpid(child, 0)[1] == 0, "the product in the child"
"""


def test_a_forked_process_computes_with_threads_of_its_own() -> None:
    in_new_process(FORK)


MASKS = """
import os, signal
from pathlib import Path
from backend.test_threads import cpu, product
def masks():
    status = {task.name: (task / "status").read_text() for task in Path("/proc/self/task").iterdir()}
    return {task: int(text.split("SigBlk:")[1].split()[0], 16) for task, text in status.items()}
be = cpu(4)
before = masks()
product(be, 64, 512, 2048)
new = [mask for task, mask in masks().items() if task not in before]
assert len(new) == 3, new
assert all(mask >> (number - 1) & 1 for mask in new for number in (signal.SIGINT, signal.SIGTERM)), new
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's list of a process's threads")
def test_signals_are_left_to_the_programs_own_threads() -> None:
    in_new_process(MASKS)
