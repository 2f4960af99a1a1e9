"""The CPU backend: NumPy."""

from __future__ import annotations

import importlib
import math
import os
import resource
import sys
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_info

from gpurnn.backend.base import (
    PRECISIONS,
    STAGED_AHEAD,
    Array,
    Backend,
    RowGradient,
    RowPlan,
    Staging,
    StepProduct,
    allocate_scratch,
    checked_precision,
)
from gpurnn.backend.bf16 import rounded
from gpurnn.backend.checks import (
    HOST,
    expect,
    expect_apart,
    expect_chance,
    expect_mask,
    expect_plan,
    expect_product,
    expect_rows,
    real,
)
from gpurnn.backend.copies import StagingChecks, expect_copy, host_array
from gpurnn.backend.declared import FusedOp, body_takes
from gpurnn.backend.loops import LoopChecks
from gpurnn.backend.signature import ROW_GRADIENT, Expected, Signature
from gpurnn.exceptions import BackendError

try:
    _native: Any = importlib.import_module("gpurnn.backend._native")
except ImportError:  # installed without a C compiler: NumPy does the same work, slower
    _native = None

FORCED = "GPURNN_INSTRUCTIONS"
"""The environment variable that names the instruction set of compiled bodies."""
_LINE = 64  # bytes of a line of the cache
_MASK_BLOCK = 1 << 16  # uniforms drawn at a time
_ONE_HOT_ROWS = 256  # up to this size of table the gradient of a row gather is a product with one-hot rows


class Instructions(NamedTuple):
    """An instruction set that compiled bodies are there for and that this processor has.

    fuses: whether a multiplication and the addition after it are rounded once. Those that do give the same bits.
    """

    number: int
    name: str
    fuses: bool


def instructions(precision: str = PRECISIONS[0]) -> list[Instructions]:
    """All of them, the best first; none where nothing is compiled."""
    return [] if _native is None else [Instructions(*found) for found in _native.instructions(precision == "bf16")]


class _HostStaging(Staging):
    def __init__(self, buffers: Mapping[str, Array]) -> None:
        self._buffers, self._checks = dict(buffers), StagingChecks(HOST, buffers)
        self._pushed: list[Mapping[str, np.ndarray]] = []

    def push(self, host: Mapping[str, np.ndarray]) -> None:
        if len(self._pushed) == STAGED_AHEAD:
            raise BackendError("staging: two sets are on their way already; pop one before the next push")
        self._checks.arrays(host)
        self._pushed.append(dict(host))

    def pop(self) -> None:
        if not self._pushed:
            raise BackendError("staging: nothing was pushed")
        for name, source in self._pushed.pop(0).items():
            self._buffers[name][: len(source)] = source


class CpuBackend(Backend):
    """NumPy arrays in host memory."""

    name = "cpu"
    device = "cpu"
    xp = np
    index_dtype = np.intp

    def __init__(
        self,
        reason: str = "the CPU was asked for",
        *,
        precision: str = "float32",
        compiled: bool = True,
        instructions: str | None = None,
    ) -> None:
        """precision: "tf32" is float32 here. compiled: whether operations use their compiled bodies, where this
        installation has them; without, NumPy rounds the factors of products where `precision` asks for that.

        instructions: the instruction set of compiled bodies, such as "x86-64-v3", or for precision bf16 "amx-bf16";
        without it what the environment variable GPURNN_INSTRUCTIONS names, or else the best that the processor has.
        Raises BackendError where there is none of that name, or none for that precision.
        """
        self.precision = "bf16" if checked_precision(precision) == "bf16" else PRECISIONS[0]
        self.reason = reason
        self._native = _native if compiled else None
        if compiled and self.precision == "bf16" and _native is None:
            raise BackendError("cpu: precision bf16: gpurnn was installed without a C compiler; use float32")
        if self._native is not None:
            self._instructions = _choose(instructions or os.environ.get(FORCED), self.precision)
            self._set = self._instructions.number
        self.plans_rows = self._native is None
        self._spare: list[np.ndarray] = []
        self._threads = max((lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"), default=1)

    def from_host(self, host: np.ndarray, out: Array | None = None) -> Array:
        host = host_array(host)
        if out is None:
            return np.array(host, order="C")
        expect_copy(HOST, host, out)
        np.copyto(out, host)
        return out

    def to_host(self, array: Array) -> np.ndarray:
        return np.array(array)

    def staging(self, buffers: Mapping[str, Array]) -> Staging:
        return _HostStaging(buffers)

    def _allocate(self, make: Callable[..., Array], shape: tuple[int, ...], dtype: Any) -> Array:
        """At a line of the cache: vectors that cross one are read twice."""

        def aligned(shape: tuple[int, ...], dtype: Any) -> Array:
            if min(shape, default=0) < 0:
                raise ValueError
            size = math.prod(shape) * np.dtype(dtype).itemsize
            memory = make(size + _LINE, dtype=np.uint8)
            first = -memory.ctypes.data % _LINE
            return memory[first : first + size].view(dtype).reshape(shape)

        return super()._allocate(aligned, shape, dtype)

    def gemm(self, a: Array, b: Array, out: Array, accumulate: bool = False) -> None:
        if self._native is not None and self._native.gemm(a, b, out, accumulate, self._threads, self._set):
            return
        expect_product(HOST, a, b, out)
        if self.precision == "bf16" and out.dtype == np.float32:
            a, b = rounded(a), rounded(b)
        if accumulate:
            self._add_product(a, b, out)
        else:
            np.matmul(a, b, out=out)

    def _add_product(self, a: Array, b: Array, out: Array) -> None:
        """`out += a @ b`. The memory of the product is kept for the next one; threads at once take one each."""
        try:
            spare = self._spare.pop()
        except IndexError:
            spare = np.empty(0, np.uint8)
        if spare.nbytes < out.nbytes:
            spare = np.empty(out.nbytes, np.uint8)
        product = spare[: out.nbytes].view(out.dtype).reshape(out.shape)
        np.matmul(a, b, out=product)
        np.add(out, product, out=out)
        self._spare.append(spare)

    def bind_row(self, matrix: Array) -> Callable[[Array, Array], None]:
        plain = super().bind_row(matrix)
        if self._native is None:
            return plain

        def refuse(x: Array, out: Array) -> None:
            expect(HOST, "row product", "x", x, matrix.dtype, (1, len(matrix)))
            expect(HOST, "row product", "out", out, matrix.dtype, (1, matrix.shape[1]), written=True)
            expect_apart(HOST, "row product", "out", out, {"x": x})

        bound: Callable[[Array, Array], None] | None
        bound = self._native.bind_product(matrix, self._threads, self._set, refuse)
        return bound or plain

    def gather_rows(self, table: Array, index: Array, out: Array) -> None:
        if self._native is not None and self._native.gather_rows(table, index, out, self._threads):
            return
        expect_rows(HOST, table, index, out)
        np.take(table, index, axis=0, out=out, mode="clip")  # "clip" writes straight into out; indices are checked

    def row_gradient(self, n: int, rows: int, width: int, dtype: Any) -> RowGradient:
        signature = Signature(HOST, "row_gradient", ROW_GRADIENT, dtype, {"N": n, "K": rows, "E": width})
        if self._native is None:
            if rows <= _ONE_HOT_ROWS:
                return _one_hot_gradient(self, signature)
            return _segment_gradient(self, signature)
        add_rows, threads, chosen = self._native.add_rows, self._threads, self._set

        def add(d_out: Array, index: Array, d_table: Array) -> None:
            add_rows(d_out, index, d_table, threads, chosen)

        checked = self._checked(signature, add)

        def gradient(d_out: Array, index: Array, plan: RowPlan, d_table: Array) -> None:
            checked(d_out, index, d_table)

        return gradient

    def bind(self, op: FusedOp, dtype: Any, **dims: int) -> Callable[..., None]:
        signature = Signature(HOST, op.name, op.arguments, dtype, dims)
        takes = body_takes(op)
        if self._native is not None and self._native.has(op.name, takes, self._set, signature.dtype.itemsize):
            return self._checked(signature, None, takes, shared="B" if op.in_turn else op.apart)
        scratch = tuple(allocate_scratch(self, each, signature.dtype, signature.dims) for each in op.scratch.values())
        body = op.body

        def run(*arguments: Array) -> None:
            body(np, *arguments, *scratch)

        return self._checked(signature, run)

    def _checked(
        self, signature: Signature, run: Callable[..., None] | None, takes: str = "", *, shared: str = ""
    ) -> Callable[..., None]:
        """`run`, or the compiled body that takes such arguments, behind a check of its arrays, in C if possible."""
        native, check = self._native, signature.check
        expected = signature.expected
        axes = max(len(want.shape) for want in expected)
        if native is not None and len(expected) <= native.MOST_ARGUMENTS and axes <= native.MOST_AXES:
            return self._compiled(signature, run, takes, shared)
        assert run is not None

        def checked(*arguments: Array) -> None:
            check(*arguments)
            run(*arguments)

        return checked

    def _compiled(
        self, signature: Signature, run: Callable[..., None] | None, takes: str, shared: str
    ) -> Callable[..., None]:
        """Threads share the rows of a compiled body that are called N or P, where all that it writes has such rows.

        shared: they share this dimension instead: B, since the rows follow from one another, or one that is apart.
        """
        assert self._native is not None
        row = next((letter for letter in signature.dims if letter in "NP"), "")
        dims = signature.dims if run is None else {}
        of_rows = all(want.leading == row for want in signature.expected if want.written)
        split = shared if shared not in ("", "B") else row
        call: Callable[..., None] = self._native.bind(
            signature.name,
            takes,
            self._set,
            signature.dtype.itemsize,
            run,
            signature.check,
            "" if run is not None else shared or row,
            signature.rows,
            self._threads if of_rows or split != row else 1,
            "".join(dims),
            tuple(dims.values()),
            tuple(_in_c(want, split) for want in signature.expected),
        )
        return call

    def bind_loop(
        self,
        op: FusedOp,
        dtype: Any,
        arrays: Mapping[str, Array],
        product: StepProduct,
        *,
        backward: bool,
        masked: Collection[str],
        cleared: Collection[str] = (),
        earlier: Mapping[str, str] | None = None,
    ) -> Callable[[int, Array | None], None] | None:
        takes, item = body_takes(op), real(op.name, dtype).itemsize
        if self._native is None or not self._native.has(op.name, takes, self._set, item):
            return None
        checks = LoopChecks(
            op, dtype, arrays, product, backward=backward, masked=masked, cleared=cleared, earlier=earlier or {}
        )
        run: Callable[[int, Array | None], None] = self._native.loop(
            op.name,
            takes,
            self._set,
            backward,
            checks.steps,
            checks.lanes,
            item,
            self._threads,
            arrays[product.matrix],
            (arrays[product.reads], arrays[product.writes]),
            tuple(arrays[name] for name in op.arguments),
            *(sum(1 << i for i, name in enumerate(op.arguments) if name in chosen) for chosen in (masked, cleared)),
            checks.check,
        )
        return run

    def dropout_mask(self, seed: int, layer: int, p: float) -> Callable[[Array, Array], None]:
        expect_chance(seed, layer, p)
        key, scale = np.array([seed, layer], np.uint64), 1 / (1 - p)
        if self._native is not None:
            return self._compiled_mask(seed, layer, p)
        uniforms = np.empty(_MASK_BLOCK, np.float32)

        def fill(out: Array, window: Array) -> None:
            expect_mask(HOST, out, window)
            counter = np.array([0, int(window[0]), 0, 0]).astype(np.uint64)
            generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
            flat = out.reshape(-1)
            for start in range(0, flat.size, _MASK_BLOCK):
                part = flat[start : start + _MASK_BLOCK]
                drawn = generator.random(dtype=np.float32, out=uniforms[: part.size])
                np.greater_equal(drawn, np.float32(p), out=part)
                np.multiply(part, scale, out=part)

        return fill

    def _compiled_mask(self, seed: int, layer: int, p: float) -> Callable[[Array, Array], None]:
        assert self._native is not None
        mask, scale, threads, chosen = self._native.mask, 1 / (1 - p), self._threads, self._set

        def fill(out: Array, window: Array) -> None:
            if not mask(out, window, seed, layer, p, scale, threads, chosen):
                expect_mask(HOST, out, window)

        return fill

    def describe(self) -> dict[str, str]:
        blas = sorted(
            f"{lib['internal_api']} {lib['version']} {lib.get('architecture', '')}, {lib['num_threads']} threads"
            for lib in threadpool_info()
            if lib["user_api"] == "blas"
        )
        described = {
            "backend": "cpu",
            "numpy": np.__version__,
            "blas": "; ".join(blas) or "unknown",
            "pointwise": "compiled" if self._native else "numpy",
        }
        if self._native is not None:
            described["instructions"] = self._instructions.name
            if not self._instructions.fuses:
                described["rounding"] = "products before sums"
        if self.precision != PRECISIONS[0]:
            described["precision"] = self.precision
        return described

    def arithmetic(self) -> dict[str, str]:
        described = self.describe()
        if self.precision == PRECISIONS[0]:  # otherwise each rounds in its own way
            described.pop("instructions", None)
        return described

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


def _choose(name: str | None, precision: str) -> Instructions:
    """The instruction set of that name, the best one without. Raises BackendError where it is not there."""
    found = instructions(precision)
    if not found:
        raise BackendError(
            f"cpu: precision {precision}: this processor and this installation have neither AMX_BF16 nor AVX512_BF16; "
            "use float32"
        )
    for each in found:
        if name in (None, "", each.name):
            return each
    there = ", ".join(each.name for each in found)
    raise BackendError(f"instructions {name}: this processor and this installation have {there} for {precision}")


def _in_c(want: Expected, split: str) -> tuple[Any, ...]:
    """What is expected of an argument, for the compiled module. split: the axis that threads share where it leads."""
    formats = "ilq" if want.dtype.kind == "i" else want.dtype.char
    shape = (-want.shape[0], *want.shape[1:]) if want.by_row else want.shape
    hazards = sum(1 << position for position in want.hazards)
    return formats, want.dtype.itemsize, want.written, want.leading == split, want.below, hazards, shape


def _one_hot_gradient(be: CpuBackend, signature: Signature) -> RowGradient:
    """For small tables: one product with the one-hot rows of the index."""
    n, rows = signature.dims["N"], signature.dims["K"]
    one_hot = be.zeros((n, rows), signature.dtype)
    first = np.arange(n, dtype=np.intp) * rows
    position = be.empty((n,), np.intp)

    def gradient(d_out: Array, index: Array, plan: RowPlan, d_table: Array) -> None:
        m = signature.check(d_out, index, d_table)
        where = np.add(first[:m], index, out=position[:m])
        flat = one_hot.reshape(-1)
        flat[where] = 1
        np.matmul(one_hot[:m].T, d_out, out=d_table)  # a sum of rows: never of rounded ones
        flat[where] = 0

    return gradient


def _segment_gradient(be: CpuBackend, signature: Signature) -> RowGradient:
    """For large tables: rows brought into the plan's order, then one sum per run of equal rows."""
    n, rows, width = (signature.dims[letter] for letter in "NKE")
    ordered = be.empty((n, width), signature.dtype)
    sums = be.empty((min(n, rows), width), signature.dtype)

    def gradient(d_out: Array, index: Array, plan: RowPlan, d_table: Array) -> None:
        m = signature.check(d_out, index, d_table)
        expect_plan(HOST, d_out, plan, d_table)
        runs = int(plan.runs[0])
        np.take(d_out, plan.order[:m], axis=0, out=ordered[:m], mode="clip")
        np.add.reduceat(ordered[:m], plan.starts[:runs], axis=0, out=sums[:runs])
        d_table.fill(0)
        d_table[plan.rows[:runs]] = sums[:runs]

    return gradient
