"""The CPU backend: NumPy."""

from __future__ import annotations

import importlib
import resource
import sys
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from gpurnn.backend.base import STAGED_AHEAD, Array, Backend, FusedOp, RowGradient, RowPlan, Staging, allocate_scratch
from gpurnn.exceptions import BackendError

try:
    _native: Any = importlib.import_module("gpurnn.backend._native")
except ImportError:  # installed without a C compiler: NumPy does the same work, slower
    _native = None

_C_NAMES = {"f": "float", "d": "double"}  # of the dtypes that compiled bodies are there for
_MASK_BLOCK = 1 << 16  # uniforms drawn at a time
_ONE_HOT_ROWS = 256  # up to this size of table the gradient of a row gather is a product with one-hot rows


class _HostStaging(Staging):
    def __init__(self, buffers: Mapping[str, Array]) -> None:
        self._buffers = buffers
        self._pushed: list[Mapping[str, np.ndarray]] = []

    def push(self, host: Mapping[str, np.ndarray]) -> None:
        if len(self._pushed) == STAGED_AHEAD:
            raise BackendError("staging: two sets are on their way already; pop one before the next push")
        self._pushed.append(host)

    def pop(self) -> None:
        if not self._pushed:
            raise BackendError("staging: nothing was pushed")
        for name, source in self._pushed.pop(0).items():
            np.copyto(self._buffers[name][: len(source)], source, casting="same_kind")


class CpuBackend(Backend):
    """NumPy arrays in host memory."""

    name = "cpu"
    device = "cpu"
    xp = np
    index_dtype = np.intp

    def __init__(self, reason: str = "the CPU was asked for", *, compiled: bool = True) -> None:
        """compiled: whether fused operations use their compiled bodies, where this installation has them."""
        self.reason = reason
        self._native = _native if compiled else None
        self.plans_rows = self._native is None
        self._threads = max((lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"), default=1)

    def from_host(self, host: np.ndarray, out: Array | None = None) -> Array:
        if out is None:
            return np.array(host, order="C")
        np.copyto(out, host)
        return out

    def to_host(self, array: Array) -> np.ndarray:
        return np.array(array)

    def staging(self, buffers: Mapping[str, Array]) -> Staging:
        return _HostStaging(buffers)

    def gemm(self, a: Array, b: Array, out: Array, accumulate: bool = False) -> None:
        if self._native is not None:
            self._native.gemm(a, b, out, accumulate, self._threads)
        elif accumulate:
            np.add(out, a @ b, out=out)
        else:
            np.matmul(a, b, out=out)

    def gather_rows(self, table: Array, index: Array, out: Array) -> None:
        np.take(table, index, axis=0, out=out, mode="clip")  # "clip" writes straight into out; indices are checked

    def row_gradient(self, n: int, rows: int, width: int, dtype: Any) -> RowGradient:
        if self._native is not None:
            return self._add_rows
        if rows <= _ONE_HOT_ROWS:
            return _one_hot_gradient(self.gemm, n, rows, width, dtype)
        return _segment_gradient(n, rows, width, dtype)

    def _add_rows(self, d_out: Array, index: Array, plan: RowPlan, d_table: Array) -> None:
        assert self._native is not None
        self._native.add_rows(d_out, index, d_table, self._threads)

    def bind(self, op: FusedOp, dtype: Any, **dims: int) -> Callable[..., None]:
        if self._native is not None:
            call = self._compiled(op, dtype, dims)
            if call is not None:
                return call
        scratch = tuple(allocate_scratch(self, argument, dtype, dims) for argument in op.scratch.values())
        body = op.body

        def run(*arguments: Array) -> None:
            body(np, *arguments, *scratch)

        return run

    def _compiled(self, op: FusedOp, dtype: Any, dims: Mapping[str, int]) -> Callable[..., None] | None:
        """The compiled body of `op`, None without one. Threads share the rows that are called N or P."""
        assert self._native is not None
        letters = sorted(dims)
        row = next((letter for letter in letters if letter in "NP"), None)
        by_row = sum(1 << i for i, argument in enumerate(op.arguments.values()) if argument.shape[0] == row)
        call: Callable[..., None] | None = self._native.bind(
            f"{op.name}_{_C_NAMES[np.dtype(dtype).char]}",
            len(op.arguments),
            letters.index(row) if row else -1,
            by_row,
            self._threads,
            tuple(dims[letter] for letter in letters),
        )
        return call

    def bind_loop(
        self,
        op: FusedOp,
        dtype: Any,
        arrays: Mapping[str, Array],
        *,
        backward: bool,
        before: Collection[str],
        errors: Collection[str] = (),
    ) -> Callable[[int, Array | None], None] | None:
        if self._native is None:
            return None
        steps, lanes, _ = arrays["h_prev"].shape
        ends = ("da_rec", "dh_rec") if backward else ("h_prev", "r")
        run: Callable[[int, Array | None], None] | None = self._native.loop(
            f"{op.name}_{_C_NAMES[np.dtype(dtype).char]}",
            backward,
            steps,
            lanes,
            np.dtype(dtype).itemsize,
            self._threads,
            arrays["W"],
            tuple(arrays[name] for name in ends),
            tuple(arrays[name] for name in op.arguments),
            *(sum(1 << i for i, name in enumerate(op.arguments) if name in chosen) for chosen in (before, errors)),
        )
        return run

    def dropout_mask(self, seed: int, layer: int, p: float) -> Callable[[Array, Array], None]:
        key, scale = np.array([seed, layer], np.uint64), 1 / (1 - p)
        if self._native is not None:
            return self._compiled_mask(key, np.array([p, scale]))
        uniforms = np.empty(_MASK_BLOCK, np.float32)

        def fill(out: Array, window: Array) -> None:
            counter = np.array([0, int(window[0]), 0, 0], np.uint64)
            generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
            flat = out.reshape(-1)
            for start in range(0, flat.size, _MASK_BLOCK):
                part = flat[start : start + _MASK_BLOCK]
                drawn = generator.random(dtype=np.float32, out=uniforms[: part.size])
                np.greater_equal(drawn, np.float32(p), out=part)
                np.multiply(part, scale, out=part)

        return fill

    def _compiled_mask(self, key: np.ndarray, chance: np.ndarray) -> Callable[[Array, Array], None]:
        assert self._native is not None
        bodies = {c: self._native.bind(f"dropout_mask_{n}", 4, 0, 1, self._threads, (0,)) for c, n in _C_NAMES.items()}

        def fill(out: Array, window: Array) -> None:
            bodies[out.dtype.char](out.reshape(-1), window, key, chance)

        return fill

    def describe(self) -> dict[str, str]:
        blas = sorted(
            f"{lib['internal_api']} {lib['version']} {lib.get('architecture', '')}, {lib['num_threads']} threads"
            for lib in threadpool_info()
            if lib["user_api"] == "blas"
        )
        return {
            "backend": "cpu",
            "numpy": np.__version__,
            "blas": "; ".join(blas) or "unknown",
            "pointwise": "compiled" if self._native else "numpy",
        }

    def synchronize(self) -> None:
        pass

    def event(self) -> float:
        return time.perf_counter()

    def elapsed(self, start: float, end: float) -> float:
        return end - start

    def memory(self) -> dict[str, int]:
        unit = 1 if sys.platform == "darwin" else 1024
        return {"used": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        return work


def _one_hot_gradient(gemm: Callable[..., None], n: int, rows: int, width: int, dtype: Any) -> RowGradient:
    """For small tables: one product with the one-hot rows of the index."""
    one_hot = np.zeros((n, rows), dtype)
    first = np.arange(n, dtype=np.intp) * rows
    position = np.empty(n, np.intp)

    def gradient(d_out: Array, index: Array, plan: RowPlan, d_table: Array) -> None:
        m = len(d_out)
        where = np.add(first[:m], index, out=position[:m])
        flat = one_hot.reshape(-1)
        flat[where] = 1
        gemm(one_hot[:m].T, d_out, d_table)
        flat[where] = 0

    return gradient


def _segment_gradient(n: int, rows: int, width: int, dtype: Any) -> RowGradient:
    """For large tables: rows brought into the plan's order, then one sum per run of equal rows."""
    ordered = np.empty((n, width), dtype)
    sums = np.empty((min(n, rows), width), dtype)

    def gradient(d_out: Array, index: Array, plan: RowPlan, d_table: Array) -> None:
        m, runs = len(d_out), int(plan.runs[0])
        np.take(d_out, plan.order[:m], axis=0, out=ordered[:m], mode="clip")
        np.add.reduceat(ordered[:m], plan.starts[:runs], axis=0, out=sums[:runs])
        d_table.fill(0)
        d_table[plan.rows[:runs]] = sums[:runs]

    return gradient
