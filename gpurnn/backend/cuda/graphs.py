"""CUDA graphs: a fixed sequence of launches recorded once and launched as one."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import RLock
from typing import Any

import cupy

from gpurnn.exceptions import BackendError

_ONE_AT_A_TIME = RLock()  # the garbage collector is the process's


class _Launcher:
    """Launches a graph on the current stream; keeps alive what the graph reads and writes."""

    def __init__(self, graph: Any, work: Callable[[], None], memory: list[Any]) -> None:
        self._graph, self._alive = graph, (work, memory)

    def __call__(self) -> None:
        self._graph.launch(cupy.cuda.get_current_stream())


def capture(work: Callable[[], None], device: str) -> Callable[[], None]:
    """See `Backend.capture`.

    `work` is recorded on a private stream, in the mode that lets other threads, and this one, use CUDA meanwhile.
    Each piece of device memory that it asks for is its own as long as the graph lives, so that nothing else is ever
    put where the graph writes; a pool would give back what is free when memory runs short.
    """
    memory: list[Any] = []

    def allocate(size: int) -> Any:
        memory.append(cupy.cuda.Memory(size))
        return cupy.cuda.MemoryPointer(memory[-1], 0)

    try:
        with _no_collection():
            stream = cupy.cuda.Stream(non_blocking=True)
            with stream, cupy.cuda.using_allocator(allocate):
                graph = _recorded(work, stream)
    except (RuntimeError, MemoryError, BackendError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BackendError(f"{device}: the work cannot be captured as a CUDA graph ({why}); run it as it is") from error

    return _Launcher(graph, work, memory)


def _recorded(work: Callable[[], None], stream: Any) -> Any:
    stream.begin_capture(cupy.cuda.runtime.streamCaptureModeRelaxed)
    try:
        work()
    except BaseException:
        with suppress(Exception):
            stream.end_capture()
        raise
    return stream.end_capture()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Garbage is collected before, and not inside.

    What a collection finds may hold a cuBLAS handle: to destroy one waits for the device, and that ends a capture.
    """
    with _ONE_AT_A_TIME:
        gc.collect()
        enabled = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if enabled:
                gc.enable()
