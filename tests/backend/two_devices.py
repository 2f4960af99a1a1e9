"""Uses of two devices, in a process of its own: CuPy counts devices once. See test_two_devices.py."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cudahost

cudahost.activate()

import cupy  # noqa: E402
import numpy as np  # noqa: E402
from backend_windows import made_up  # noqa: E402
from test_graphs import SYMBOLS, Training  # noqa: E402

from gpurnn.backend import Backend, get  # noqa: E402


def elsewhere(be: Backend) -> None:
    """Make the other device current."""
    cupy.cuda.runtime.setDevice(1 - int(be.device[-1]))


def uses(be: Backend) -> dict[str, Callable[[], Any]]:
    """Each use by its name in the contract; callables that it gave are called as well."""
    x, index = be.zeros((4, 4), np.float32), be.zeros((4,), be.index_dtype)
    buffers, product = {"x": x}, be.zeros((4, 4), np.float32)
    staging, mask = be.staging(buffers), be.dropout_mask(1, 2, 0.5)
    window, event = be.zeros((1,), np.int64), be.event()
    launch = be.capture(lambda: be.gemm(x, x, product))
    return {
        "empty": lambda: be.empty((2,), np.float32),
        "zeros": lambda: be.zeros((2,), np.float32),
        "from_host": lambda: be.from_host(np.ones((4, 4), np.float32), out=x),
        "to_host": lambda: be.to_host(x),
        "staging": lambda: (staging.push({"x": np.ones((4, 4))}), elsewhere(be), staging.pop()),
        "gemm": lambda: be.gemm(x, x, product),
        "gather_rows": lambda: be.gather_rows(x, index, product),
        "dropout_mask": lambda: mask(x, window),
        "synchronize": be.synchronize,
        "event": be.event,
        "elapsed": lambda: be.elapsed(event, event),
        "memory": be.memory,
        "capture": launch,
        "describe": be.describe,
        "xp": lambda: be.xp.add(x, x, out=x),
    }


def check_uses(pair: list[Backend]) -> None:
    for number, be in enumerate(pair):
        for name, use in uses(be).items():
            elsewhere(be)
            use()
            assert cupy.cuda.runtime.getDevice() == number, name


def check_training(pair: list[Backend]) -> None:
    made = [made_up(SYMBOLS, 4, 3, index, boundary=index % 2 == 1) for index in range(4)]
    trainings = [Training(be, "lstm") for be in pair]
    by_turns = [[training.run([window])[0] for training in trainings] for window in made]
    with ThreadPoolExecutor(1) as thread:  # whose current device is the first
        in_a_thread = thread.submit(Training(pair[1], "lstm").run, made).result()
    for (first, second), third in zip(by_turns, in_a_thread, strict=True):
        for name, array in first.items():
            np.testing.assert_array_equal(array, second[name], err_msg=name)
            np.testing.assert_array_equal(array, third[name], err_msg=name)


if __name__ == "__main__":
    devices = [get("cuda:0"), get("cuda:1")]
    check_uses(devices)
    check_training(devices)
    print("both")
