"""Matrix products on a cuBLAS handle of our own: CuPy's refuses to work while a CUDA graph is captured.

cuBLAS stores matrices by columns. An array whose rows are contiguous is, to cuBLAS, its own transpose; so
`out = a b` is asked for as `outᵀ = bᵀ aᵀ`, and a transposed view costs an operation flag instead of a copy.
"""

from __future__ import annotations

import ctypes
from typing import Any

import cupy
import numpy as np

from gpurnn.backend.base import Array
from gpurnn.exceptions import BackendError

_WORKSPACE = 32 << 20  # bytes; what cuBLAS recommends for its largest devices. Fixed, so that runs repeat
_TF32 = 3  # CUBLAS_TF32_TENSOR_OP_MATH; the default mode, 0, keeps full float32 products
_ALLOC_FAILED = 3
_PLAIN, _TRANSPOSED = 0, 1


class Blas:
    """A cuBLAS handle with a fixed workspace, following CuPy's current stream."""

    def __init__(self, tf32: bool) -> None:
        self._library = _library()
        self._handle = ctypes.c_void_p()
        self._check(self._library.cublasCreate_v2(ctypes.byref(self._handle)))
        self._workspace = cupy.empty(_WORKSPACE, np.uint8)
        self._stream: int | None = None
        if tf32:
            self._check(self._library.cublasSetMathMode(self._handle, _TF32))
        self._gemm = {
            np.dtype(np.float32): (self._library.cublasSgemm_v2, *_scalars(ctypes.c_float)),
            np.dtype(np.float64): (self._library.cublasDgemm_v2, *_scalars(ctypes.c_double)),
        }

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.cublasDestroy_v2(self._handle)

    def version(self) -> str:
        """The version of the library, for example "13.1.0"."""
        number = ctypes.c_int()
        self._check(self._library.cublasGetVersion_v2(self._handle, ctypes.byref(number)))
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
        self._follow_stream()
        status = routine(
            self._handle,
            *(op_b, op_a, n, m, k, one),
            *(b.data.ptr, ld_b, a.data.ptr, ld_a),
            *(one if accumulate else zero, out.data.ptr, ld_out),
        )
        if status:
            self._check(status)
        return True

    def _follow_stream(self) -> None:
        """Work goes to CuPy's current stream. Setting a stream resets the workspace, hence both and only on change."""
        stream = cupy.cuda.get_current_stream().ptr
        if stream != self._stream:
            self._check(self._library.cublasSetStream_v2(self._handle, stream))
            pointer = self._workspace.data.ptr
            self._check(self._library.cublasSetWorkspace_v2(self._handle, pointer, _WORKSPACE))
            self._stream = stream

    def _check(self, status: int) -> None:
        if status == _ALLOC_FAILED:
            raise BackendError("cuBLAS: out of device memory; lower --lanes, --bptt or --hidden")
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
