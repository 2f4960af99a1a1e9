"""Counts what a training window asks of a device, on any device.

A stream that is captured records launches instead of doing them; the nodes of the graph that comes of it are counted.
A capture refuses whatever would make the host wait for that stream, so a window that can be captured never does. The
rest is counted where it is called: the copies and waits of the staging, which are on another stream, and allocations.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import cupy

from gpu_check_lib.way import WayBackend

NAMES = ("kernels", "graph_launches", "h2d", "d2d", "memset", "malloc", "sync")
"""Launches of kernels one by one, and of graphs; copies to the device and on it; memsets; device allocations; waits.

What a graph does within one launch is not counted.
"""

_NODE_KINDS = {0: "kernels", 1: "d2d", 2: "memset"}  # CUgraphNodeType


def count(be: WayBackend, window: Callable[[], None], windows: int = 2) -> dict[str, float]:
    """What one window asks for, by NAMES: the mean over some windows.

    window: trains the next window; it is warm. It is spent afterwards: what it asked for was recorded, not done.
    """
    stream = cupy.cuda.Stream(non_blocking=True)
    be.synchronize()
    with stream:
        for _ in range(2):
            window()  # CuPy's pool keeps memory for each stream
        be.synchronize()
        launched = be.graph_launches
        be.launching = False
        with _calls() as found:
            stream.begin_capture(cupy.cuda.runtime.streamCaptureModeRelaxed)
            for _ in range(windows):
                window()
            graph = stream.end_capture()
    found += node_kinds(graph)
    found["graph_launches"] = be.graph_launches - launched
    return {name: found[name] / windows for name in (*NAMES, *sorted(set(found) - set(NAMES)))}


def node_kinds(graph: Any) -> Counter[str]:
    """How many nodes of each kind a CuPy graph has, by NAMES; a kind that they lack as "node kind N"."""
    driver = ctypes.CDLL("libcuda.so.1")
    handle, size = ctypes.c_void_p(graph.graph), ctypes.c_size_t()
    _check(driver.cuGraphGetNodes(handle, None, ctypes.byref(size)))
    nodes = (ctypes.c_void_p * size.value)()
    _check(driver.cuGraphGetNodes(handle, nodes, ctypes.byref(size)))
    found: Counter[str] = Counter()
    for node in nodes:
        kind = ctypes.c_int()
        _check(driver.cuGraphNodeGetType(ctypes.c_void_p(node), ctypes.byref(kind)))
        found[_NODE_KINDS.get(kind.value, f"node kind {kind.value}")] += 1
    return found


def _check(status: int) -> None:
    if status:
        raise RuntimeError(f"the driver cannot tell what is in a graph: status {status}")


class _Allocations(cupy.cuda.MemoryHook):  # type: ignore[misc]
    """Counts what CuPy's pool asks the device for; what it has already costs nothing."""

    name = "gpu_check"

    def __init__(self, found: Counter[str]) -> None:
        self._found = found

    def alloc_preprocess(self, **kwargs: Any) -> None:
        self._found["malloc"] += 1


@contextmanager
def _calls() -> Iterator[Counter[str]]:
    """What is called inside, but for launches.

    Streams do not wait for events there: the captured one could not wait for an upload that is on another stream, and
    nothing of what was captured will run.
    """
    found: Counter[str] = Counter()
    runtime, copy = cupy.cuda.runtime, cupy.cuda.runtime.memcpyAsync

    def copied(destination: int, source: int, size: int, kind: int, stream: int) -> None:
        found["h2d" if kind == runtime.memcpyHostToDevice else "d2h"] += 1
        copy(destination, source, size, kind, stream)

    def waiting(wait: Callable[..., None]) -> Callable[..., None]:
        def waited(self: Any) -> None:
            found["sync"] += 1
            wait(self)

        return waited

    cuda = cupy.cuda
    with (
        mock.patch.object(runtime, "memcpyAsync", copied),
        mock.patch.object(cuda.Event, "synchronize", waiting(cuda.Event.synchronize)),
        mock.patch.object(cuda.Stream, "synchronize", waiting(cuda.Stream.synchronize)),
        mock.patch.object(cuda.Stream, "wait_event", lambda self, event: None),
        _Allocations(found),
    ):
        yield found
