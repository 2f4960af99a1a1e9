"""Matrix products on a cuBLAS handle of our own: CuPy's refuses to work while a CUDA graph is captured.

cuBLAS stores matrices by columns. An array whose rows are contiguous is, to cuBLAS, its own transpose; so
`out = a b` is asked for as `outᵀ = bᵀ aᵀ`, and a transposed view costs an operation flag instead of a copy.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from threading import local
from typing import Any

import cupy
import numpy as np

from gpurnn.backend.base import Array
from gpurnn.exceptions import BackendError, OutOfMemoryError

_WORKSPACE = 32 << 20  # bytes; what cuBLAS recommends for its largest devices. Fixed, so that runs repeat
_TF32 = 3  # CUBLAS_TF32_TENSOR_OP_MATH; the default mode, 0, keeps full float32 products
_ALLOC_FAILED = 3
_PLAIN, _TRANSPOSED = 0, 1


class _Handle:
    """A cuBLAS handle for one thread. It follows CuPy's current stream, with a workspace that no other stream uses."""

    def __init__(self, library: ctypes.CDLL, tf32: bool) -> None:
        self._library = library
        self.pointer = ctypes.c_void_p()
        self._stream: Any = None
        _check(library.cublasCreate_v2(ctypes.byref(self.pointer)))
        if tf32:
            _check(library.cublasSetMathMode(self.pointer, _TF32))

    def __del__(self) -> None:
        if self.pointer:
            self._library.cublasDestroy_v2(self.pointer)

    def follow_stream(self) -> None:
        """Have work go to CuPy's current stream.

        Setting a stream resets the workspace, hence both, and only on change. The memory of the old one is freed to
        its own stream, whose work may still use it; that of a stream which captures belongs to the graph. The stream
        is kept: another one that had its address would be taken for it.
        """
        stream = cupy.cuda.get_current_stream()
        if stream is not self._stream:
            workspace = _workspace()
            self._stream = None
            _check(self._library.cublasSetStream_v2(self.pointer, stream.ptr))
            _check(self._library.cublasSetWorkspace_v2(self.pointer, workspace.data.ptr, _WORKSPACE))
            self._stream, self._workspace = stream, workspace


class _Lease:
    """A thread's hold on a handle. The next thread gets it: to destroy one waits for the device, and ends a capture."""

    def __init__(self, free: list[_Handle], make: Callable[[], _Handle]) -> None:
        self._free = free
        try:
            self.handle = free.pop()
        except IndexError:
            self.handle = make()

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self._free.append(self.handle)


class Blas:
    """Products on cuBLAS handles with fixed workspaces: a thread has its own handle, a stream its own workspace."""

    def __init__(self, tf32: bool) -> None:
        self._library, self._tf32 = _library(), tf32
        self._free: list[_Handle] = []
        self._leases = local()
        self._handle().follow_stream()  # what is missing shows now
        self._gemm = {
            np.dtype(np.float32): (self._library.cublasSgemm_v2, *_scalars(ctypes.c_float)),
            np.dtype(np.float64): (self._library.cublasDgemm_v2, *_scalars(ctypes.c_double)),
        }

    def _handle(self) -> _Handle:
        """The calling thread's."""
        lease: _Lease | None = getattr(self._leases, "mine", None)
        if lease is None:
            lease = self._leases.mine = _Lease(self._free, lambda: _Handle(self._library, self._tf32))
        return lease.handle

    def version(self) -> str:
        """The version of the library, for example "13.1.0"."""
        number = ctypes.c_int()
        _check(self._library.cublasGetVersion_v2(self._handle().pointer, ctypes.byref(number)))
        major, rest = divmod(number.value, 10000)
        return f"{major}.{rest // 100}.{rest % 100}"

    def gemm(self, a: Array, b: Array, out: Array, accumulate: bool) -> bool:
        """See `Backend.gemm`; False where the matrices do not fit."""
        if not (a.ndim == b.ndim == out.ndim == 2 and a.dtype == b.dtype == out.dtype in self._gemm):
            return False
        routine, one, zero = self._gemm[out.dtype]
        (m, k), (_, n) = a.shape, b.shape
        if b.shape[0] != k or out.shape != (m, n) or not m * k * n:
            return False
        op_out, ld_out = _layout(out)
        if op_out == _TRANSPOSED:  # out stored by columns: ask for its transpose
            a, b, out, m, n = b.T, a.T, out.T, n, m
        op_a, ld_a = _layout(a)
        op_b, ld_b = _layout(b)
        if min(ld_a, ld_b, ld_out) < 1:
            return False
        handle = self._handle()
        handle.follow_stream()
        status = routine(
            handle.pointer,
            *(op_b, op_a, n, m, k, one),
            *(b.data.ptr, ld_b, a.data.ptr, ld_a),
            *(one if accumulate else zero, out.data.ptr, ld_out),
        )
        if status:
            _check(status)
        return True


def _workspace() -> Array:
    try:
        return cupy.empty(_WORKSPACE, np.uint8)
    except MemoryError:
        _check(_ALLOC_FAILED)
        raise


def _check(status: int) -> None:
    if status == _ALLOC_FAILED:
        raise OutOfMemoryError("cuBLAS: out of device memory")
    if status:
        raise BackendError(f"cuBLAS failed with status {status}; does the driver fit the installed CUDA libraries?")


def _layout(x: Array) -> tuple[int, int]:
    """How cuBLAS has to read a row-major operand, and its leading dimension; 0 where it cannot."""
    (rows, columns), (down, across), size = x.shape, x.strides, x.itemsize
    if x.data.ptr % size or down % size or across % size:
        return _PLAIN, 0
    if across == size or columns == 1:
        leading = down // size if rows > 1 else max(columns, 1)
        if leading >= columns:
            return _PLAIN, leading
    if down == size or rows == 1:
        leading = across // size if columns > 1 else max(rows, 1)
        if leading >= rows:
            return _TRANSPOSED, leading
    return _PLAIN, 0


def _scalars(real: Any) -> tuple[Any, Any]:
    """1 and 0 as cuBLAS takes them: by address."""
    return ctypes.byref(real(1)), ctypes.byref(real(0))


def _library() -> ctypes.CDLL:
    """The cuBLAS that CuPy has loaded."""
    from cupy_backends.cuda.libs import cublas  # noqa: F401  (loads the library)

    library = ctypes.CDLL(f"libcublas.so.{cupy.cuda.runtime.runtimeGetVersion() // 1000}")
    integer, pointer = ctypes.c_int, ctypes.c_void_p
    product = [pointer, *[integer] * 5, pointer, pointer, integer, pointer, integer, pointer, pointer, integer]
    signatures = {
        "cublasCreate_v2": [pointer],
        "cublasDestroy_v2": [pointer],
        "cublasGetVersion_v2": [pointer, pointer],
        "cublasSetStream_v2": [pointer, pointer],
        "cublasSetWorkspace_v2": [pointer, pointer, ctypes.c_size_t],
        "cublasSetMathMode": [pointer, integer],
        "cublasSgemm_v2": product,
        "cublasDgemm_v2": product,
    }
    for name, types in signatures.items():
        function = getattr(library, name)
        function.argtypes, function.restype = types, integer
    return library
