"""CUDA graphs: a fixed sequence of launches recorded once and launched as one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cupy

from gpurnn.exceptions import BackendError


class _Launcher:
    """Launches a graph on the current stream; keeps alive what the graph reads and writes."""

    def __init__(self, graph: Any, work: Callable[[], None], pool: Any) -> None:
        self._graph, self._alive = graph, (work, pool)

    def __call__(self) -> None:
        self._graph.launch(cupy.cuda.get_current_stream())


def capture(work: Callable[[], None], device: str) -> Callable[[], None]:
    """See `Backend.capture`.

    `work` is recorded on a private stream. Device memory that it asks for meanwhile comes from a pool that lives as
    long as the graph, so that nothing else is ever put where the graph writes.
    """
    stream = cupy.cuda.Stream(non_blocking=True)
    pool = cupy.cuda.MemoryPool()
    try:
        with stream, cupy.cuda.using_allocator(pool.malloc):
            stream.begin_capture(cupy.cuda.runtime.streamCaptureModeRelaxed)
            try:
                work()
            except BaseException:
                with suppress(Exception):
                    stream.end_capture()
                raise
            graph = stream.end_capture()
    except (RuntimeError, MemoryError, BackendError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BackendError(f"{device}: the work cannot be captured as a CUDA graph ({why}); run it as it is") from error

    return _Launcher(graph, work, pool)
