"""Matrix products from several threads and streams: each with a cuBLAS handle and a workspace of its own."""

from __future__ import annotations

import ctypes
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from gpurnn.backend import Backend, get


class Recorder:
    """cuBLAS with a record of which handle had which stream and workspace at each product."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library, self._now = library, {}
        self.products: list[tuple[int, int, int]] = []

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._library, name)

        def call(handle: Any, *arguments: Any) -> int:
            number = handle.value if isinstance(handle, ctypes.c_void_p) else 0
            if name in ("cublasSetStream_v2", "cublasSetWorkspace_v2"):
                self._now[number, name] = arguments[0]
            if name == "cublasSgemm_v2":
                stream, workspace = (self._now[number, f"cublasSet{what}_v2"] for what in ("Stream", "Workspace"))
                self.products.append((number, stream, workspace))
            return int(function(handle, *arguments))

        return call


@pytest.fixture
def recorded(cuda: Backend, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Backend, Recorder]]:
    from gpurnn.backend.cuda import blas

    recorder = Recorder(blas._library())
    monkeypatch.setattr(blas, "_library", lambda: recorder)
    yield get("cuda"), recorder


def product_of(be: Backend) -> Callable[[], None]:
    """A product whose result is checked by `check`."""
    a = be.from_host(np.full((4, 4), 2, np.float32))
    out = be.zeros((4, 4), np.float32)

    def multiply() -> None:
        be.gemm(a, a, out)

    return multiply


def test_each_thread_has_a_handle_and_each_stream_a_workspace(recorded: tuple[Backend, Recorder]) -> None:
    be, recorder = recorded
    stream_of = be.xp.cuda.Stream
    multiply = product_of(be)

    def work() -> None:
        first, second = stream_of(non_blocking=True), stream_of(non_blocking=True)
        for stream in (first, second, first):
            with stream:
                multiply()
                multiply()
        be.synchronize()

    work()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    handles = [handle for handle, _, _ in recorder.products]
    assert len(set(handles[:6])) == len(set(handles[6:])) == 1
    assert handles[0] != handles[6]
    used: dict[int, set[int]] = {}
    for _, stream, workspace in recorder.products:
        used.setdefault(workspace, set()).add(stream)
    assert all(len(streams) == 1 for streams in used.values()), "a workspace for two streams"


def test_a_thread_takes_over_the_handle_of_one_that_ended(recorded: tuple[Backend, Recorder]) -> None:
    be, recorder = recorded
    multiply = product_of(be)
    multiply()
    for _ in range(3):
        thread = threading.Thread(target=multiply)
        thread.start()
        thread.join()
    mine, *others = [handle for handle, _, _ in recorder.products]
    assert len(set(others)) == 1
    assert mine not in others


def test_captured_products_have_a_workspace_of_their_own(recorded: tuple[Backend, Recorder]) -> None:
    be, recorder = recorded
    multiply = product_of(be)
    multiply()
    first, second = be.capture(multiply), be.capture(multiply)
    multiply()
    workspaces = [workspace for _, _, workspace in recorder.products]
    assert len(set(workspaces[:3])) == 3
    assert workspaces[3] not in workspaces[1:3]
    first()
    second()


def test_threads_do_not_disturb_each_others_products(cuda: Backend) -> None:
    rng = np.random.default_rng(0)
    hosts = [rng.standard_normal((2, 24, 24)) for _ in range(3)]
    wrong: list[int] = []

    def work(number: int) -> None:
        a, b = hosts[number]
        with cuda.xp.cuda.Stream(non_blocking=True):
            x, y, out = cuda.from_host(a), cuda.from_host(b), cuda.empty((24, 24), np.float64)
            for _ in range(20):
                out.fill(np.nan)
                cuda.gemm(x, y, out)
                if not np.allclose(cuda.to_host(out), a @ b, atol=1e-12):
                    wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_backend_and_its_handle_go_without_the_collector(emulated: ModuleType, cuda: Backend) -> None:
    be = get("cuda")
    product_of(be)()
    alive = weakref.ref(be)
    gc.disable()
    try:
        del be
        assert alive() is None
    finally:
        gc.enable()
