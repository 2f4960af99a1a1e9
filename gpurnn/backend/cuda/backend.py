"""The CUDA backend: what the contract asks for, put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import cupy
import numpy as np

from gpurnn.backend.base import Array, Backend, RowGradient, Staging, allocate_scratch, checked_precision
from gpurnn.backend.checks import expect_chance, expect_mask, expect_product, owners_differ
from gpurnn.backend.copies import expect_copy, host_array
from gpurnn.backend.cuda import graphs, persistent
from gpurnn.backend.cuda.arrays import DEVICE, INDEX
from gpurnn.backend.cuda.blas import Blas
from gpurnn.backend.cuda.current import OnOwnDevice, on_own_device
from gpurnn.backend.cuda.device import checked_number
from gpurnn.backend.cuda.kernels import Kernels
from gpurnn.backend.cuda.rows import Rows
from gpurnn.backend.cuda.staging import CudaStaging
from gpurnn.backend.declared import FusedOp, PersistentOp
from gpurnn.backend.signature import Signature
from gpurnn.exceptions import BackendError, OutOfMemoryError

_MASKS = Path(__file__).with_name("masks.cu")
_MASK_THREADS = 128
_OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation
_T = TypeVar("_T")


@on_own_device
class CudaBackend(Backend):
    """CuPy arrays in the memory of one CUDA device.

    number: the device's; every use makes it the current device of the calling thread, as the arrays' own operators
    need it. precision: "float32", or "tf32" for TF32 tensor cores, which round the factors of float32 products to 11
    bits. tf32: True is precision="tf32". graphs: whether `capture` makes CUDA graphs.

    Raises BackendError for a device that is missing or out of memory, and for another precision.
    """

    name = "cuda"
    xp = OnOwnDevice()
    index_dtype = INDEX.type

    def __init__(
        self,
        number: int = 0,
        reason: str = "a GPU was asked for",
        *,
        precision: str = "float32",
        tf32: bool = False,
        graphs: bool = True,
    ) -> None:
        self.device = f"cuda:{checked_number(number)}"
        self.reason = reason
        self.precision = checked_precision(precision, tf32)
        if self.precision not in ("float32", "tf32"):
            raise BackendError(f"{self.device}: precision {self.precision} is not there for a GPU yet; use tf32")
        self._graphs = graphs
        self._device = cupy.cuda.Device(number)
        self._device.use()
        self.number = number
        self._kernels = Kernels()
        self._blas = self._within_memory(lambda: Blas(self.precision == "tf32"))
        self._rows = Rows(self._kernels)

    def _allocate(self, make: Callable[..., Array], shape: tuple[int, ...], dtype: Any) -> Array:
        def made(shape: tuple[int, ...], dtype: Any) -> Array:
            with _memory_errors():
                return make(shape, dtype=dtype)

        return super()._allocate(made, shape, dtype)

    def from_host(self, host: np.ndarray, out: Array | None = None) -> Array:
        host = host_array(host)
        if out is not None:
            expect_copy(DEVICE, host, out)
        else:
            out = self.empty(host.shape, host.dtype)
        staged = np.empty(out.shape, out.dtype)
        np.copyto(staged, host)
        if out.flags.c_contiguous:
            out.set(staged)
        else:
            out[...] = cupy.asarray(staged)
        return out

    def to_host(self, array: Array) -> np.ndarray:
        host: np.ndarray = array.get(order="C")
        return host

    def staging(self, buffers: Mapping[str, Array]) -> Staging:
        return self._within_memory(lambda: CudaStaging(self._kernels, buffers))

    def gemm(self, a: Array, b: Array, out: Array, accumulate: bool = False) -> None:
        if not (owners_differ(DEVICE, out, a, b) and self._blas.gemm(a, b, out, accumulate)):
            expect_product(DEVICE, a, b, out)
            self._blas.gemm(a, b, out, accumulate)

    def gather_rows(self, table: Array, index: Array, out: Array) -> None:
        self._rows.gather(table, index, out)

    def row_gradient(self, n: int, rows: int, width: int, dtype: Any) -> RowGradient:
        return self._within_memory(lambda: self._rows.gradient(n, rows, width, dtype))

    def bind(self, op: FusedOp, dtype: Any, **dims: int) -> Callable[..., None]:
        if op.source is not None:
            return self._kernels.bind(op, dtype, dims)
        signature = Signature(DEVICE, op.name, op.arguments, dtype, dims)
        scratch = tuple(allocate_scratch(self, argument, dtype, dims) for argument in op.scratch.values())

        def call(*arguments: Array) -> None:
            signature.check(*arguments)
            op.body(cupy, *arguments, *scratch)

        return call

    def bind_persistent(self, op: PersistentOp, dtype: Any, **dims: int) -> Callable[..., None] | None:
        return persistent.bind(self._kernels, self._device, op, dtype, dims)

    def why_not_persistent(self, op: PersistentOp, dtype: Any, **dims: int) -> str:
        prepared = persistent.prepare(self._kernels, self._device, op, dtype, dims)
        return prepared if isinstance(prepared, str) else ""

    def masked_steps(self, boundary: Sequence[bool]) -> Sequence[bool]:
        """The first step, or all of them: two graphs do for all windows with a boundary."""
        return (True, *[any(boundary[1:])] * (len(boundary) - 1))

    def dropout_mask(self, seed: int, layer: int, p: float) -> Callable[[Array, Array], None]:
        expect_chance(seed, layer, p)
        constants = (np.uint64(seed), np.uint64(layer), np.float32(p), np.float64(1 / (1 - p)))

        def fill(out: Array, window: Array) -> None:
            expect_mask(DEVICE, out, window)
            if out.size:
                kernel = self._kernels.get(_MASKS, "dropout_mask", out.dtype)
                blocks = -(-out.size // (8 * _MASK_THREADS))
                kernel((blocks,), (_MASK_THREADS,), (out, window, *constants, np.int64(out.size)))

        return fill

    def synchronize(self) -> None:
        self._device.synchronize()

    def event(self) -> Any:
        event = cupy.cuda.Event(block=True)
        event.record()
        return event

    def elapsed(self, start: Any, end: Any) -> float:
        end.synchronize()
        return float(cupy.cuda.get_elapsed_time(start, end)) / 1000

    def memory(self) -> dict[str, int]:
        _, total = self._device.mem_info
        return {"used": int(cupy.get_default_memory_pool().used_bytes()), "total": int(total)}

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        return graphs.capture(work, self.device) if self._graphs else work

    def describe(self) -> dict[str, str]:
        runtime = cupy.cuda.runtime
        properties = runtime.getDeviceProperties(self._device.id)
        return super().describe() | {
            "cupy": cupy.__version__,
            "driver": str(runtime.driverGetVersion()),
            "runtime": str(runtime.runtimeGetVersion()),
            "cublas": self._blas.version(),
            "device": properties["name"].decode(),
            "compute_capability": self._device.compute_capability,
            "tf32": "on" if self.precision == "tf32" else "off",
        }

    def _within_memory(self, make: Callable[[], _T]) -> _T:
        """`make()`, with a line for people where the device is out of memory."""
        try:
            with _memory_errors():
                return make()
        except MemoryError as error:
            raise OutOfMemoryError(f"{self.device}: out of memory") from error


@contextmanager
def _memory_errors() -> Iterator[None]:
    """CuPy's pool raises MemoryError when the device is full; without the pool the error is the runtime's."""
    try:
        yield
    except cupy.cuda.runtime.CUDARuntimeError as error:
        if error.status != _OUT_OF_MEMORY:
            raise
        raise MemoryError(str(error)) from error
