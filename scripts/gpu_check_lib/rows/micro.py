"""Small measurements that settle the constants of the model; each checks what its kernels computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cupy
import numpy as np

from gpu_check_lib.clock import SmClock, warm_up
from gpu_check_lib.counting import node_kinds
from gpu_check_lib.row import Context, LeftOut
from gpurnn import backend

_SOURCE = Path(__file__).with_name("micro.cu")
_NODES = 100
_PRODUCTS = ((64, 512, 2048), (64, 2048, 512), (16, 128, 512))
"""M, K, N of products as the loop over the steps asks for them."""


def _kernel(name: str) -> Any:
    return cupy.RawModule(code=_SOURCE.read_text("utf-8"), options=("-std=c++17",)).get_function(name)


def _warm(context: Context, work: Callable[[], None]) -> None:
    work()
    cupy.cuda.Device().synchronize()
    if not context.emulated:
        warm_up(work, cupy.cuda.Device().synchronize, SmClock(context.device.get("pci_address", "")))


def _expect(what: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise ArithmeticError(f"{what}: expected {wanted}, found {found}")


def shared_loads(context: Context) -> dict[str, Any]:
    """Cycles of the shared-memory pipe for 16 bytes that all threads of a warp read at one address."""
    rounds = 2 if context.emulated else 1000
    kernel, found = _kernel("uniform_loads"), {}
    for warps in (4, 8, 16, 32):
        cycles, total = cupy.zeros(1, np.int64), cupy.zeros(32 * warps, np.float32)

        def work(warps: int = warps, cycles: Any = cycles, total: Any = total) -> None:
            kernel((1,), (32 * warps,), (np.int32(rounds), np.int32(0), cycles, total))

        _warm(context, work)
        each = sum(range(64)) + 64 * 6
        _expect(f"{warps} warps: what a thread read adds up", set(total.get().tolist()), {float(rounds * each)})
        found[str(warps)] = None if context.emulated else int(cycles[0]) / (rounds * 64 * warps)
    return {"cycles_of_a_load": found}


def second_cache(context: Context) -> dict[str, Any]:
    """Cycles of one read that the second cache answers."""
    n, steps = 1 << 18, 64 if context.emulated else 20_000  # 1 MiB
    order = np.random.default_rng(1).permutation(n)
    ring = np.empty(n, np.int32)
    ring[order] = np.roll(order, -1)
    at = 0
    for _ in range(steps):
        at = int(ring[at])
    following, cycles, last = cupy.asarray(ring), cupy.zeros(1, np.int64), cupy.zeros(1, np.int32)
    kernel = _kernel("chase")
    _warm(context, lambda: kernel((1,), (1,), (following, np.int32(steps), cycles, last)))
    _expect("the end of the chase", int(last[0]), at)
    return {"cycles_of_a_read": None if context.emulated else int(cycles[0]) / steps}


def graph_nodes(context: Context) -> dict[str, Any]:
    """Microseconds from one node of a graph to the next: of kernels that do nothing."""
    kernel, count = _kernel("nothing"), cupy.zeros(1, np.int32)
    kernel((1,), (32,), (count,))
    stream = cupy.cuda.Stream(non_blocking=True)
    cupy.cuda.Device().synchronize()
    with stream:
        stream.begin_capture()
        for _ in range(_NODES):
            kernel((1,), (32,), (count,))
        graph = stream.end_capture()
        _expect("nodes", node_kinds(graph)["kernels"], _NODES)
        graph.launch(stream)
        stream.synchronize()
        _expect("kernels that ran", int(count.get()[0]), _NODES + 1)
        seconds = _seconds(context, lambda: graph.launch(stream))
    return {"microseconds_of_a_node": None if seconds is None else 1e6 * seconds / _NODES}


def skinny_products(context: Context) -> dict[str, Any]:
    """Microseconds and nodes of products with few rows, without TF32 and with it."""
    rows = []
    for m, k, n in _PRODUCTS:
        rng = np.random.default_rng(m + k + n)
        a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((m, k), (k, n)))
        for tf32 in (False, True):
            be = backend.get("cuda", tf32=tf32)
            x, y, out = be.from_host(a), be.from_host(b), be.empty((m, n), np.float32)

            def work(be: Any = be, x: Any = x, y: Any = y, out: Any = out) -> None:
                be.gemm(x, y, out)

            work()
            distance = float(np.abs(be.to_host(out) - a @ b).max() / np.sqrt(k))
            if distance > (5e-3 if tf32 else 1e-4):
                raise ArithmeticError(f"{m} x {k} x {n}, TF32 {tf32}: {distance:.2g} apart from NumPy's")
            seconds = _seconds(context, work)
            row = {"m": m, "k": k, "n": n, "tf32": tf32, "nodes": _nodes_of(work), "distance": distance}
            rows.append(row | {"microseconds": None if seconds is None else 1e6 * seconds})
    return {"products": rows}


def barrier(context: Context, *, blocks: int) -> dict[str, Any]:
    """Microseconds in which so many blocks meet, by a counter in the second cache."""
    if context.emulated and blocks > 1:
        raise LeftOut("the emulated device runs one block after the other: they never meet")
    rounds = 10 if context.emulated else 1000
    kernel, arrived, done = _kernel("barrier"), cupy.zeros(1, np.int32), cupy.zeros(blocks, np.int32)

    def work() -> None:
        arrived.fill(0)
        kernel((blocks,), (32,), (np.int32(rounds), arrived, done))

    _warm(context, work)
    _expect("rounds in which all blocks met", set(done.get().tolist()), {rounds})
    seconds = _seconds(context, work)
    return {"blocks": blocks, "microseconds_of_a_barrier": None if seconds is None else 1e6 * seconds / rounds}


def _seconds(context: Context, work: Callable[[], None]) -> float | None:
    """Of one call of many in a row, the least of five rounds; None on the emulated device."""
    if context.emulated:
        return None
    _warm(context, work)
    least = float("inf")
    for _ in range(5):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record()
        for _ in range(50):
            work()
        end.record()
        end.synchronize()
        least = min(least, cupy.cuda.get_elapsed_time(begin, end) / 1e3 / 50)
    return least


def _nodes_of(work: Callable[[], None]) -> int:
    """Into how many nodes a captured call of `work` falls."""
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.synchronize()
        stream.begin_capture()
        work()
        graph = stream.end_capture()
    return sum(node_kinds(graph).values())
