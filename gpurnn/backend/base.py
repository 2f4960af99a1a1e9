"""The contract of an array backend: only what differs between the array libraries.

Where NumPy and CuPy agree, callers use `backend.xp` with `out=`. The operations below are the few where they do not.

They take arrays of the backend's library with exactly the dtype and shape that is declared, C-contiguous unless stated
otherwise, aligned, writeable where they are written, and where one of them is written apart from all others in memory,
unless its argument says what it `shares`. A subclass of the library's arrays may mean something else by its memory and
is none of them; only `numpy.memmap` is. For anything else they raise TypeError (no array, another dtype, another number
of arrays) or ValueError, in words that name the operation and the argument, before anything is written. Row numbers out
of range are a ValueError on the CPU; a GPU, which would have to be waited for, reads and writes nothing there and gives
NaN.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gpurnn.backend.declared import Argument, FusedOp, PersistentOp, extent
from gpurnn.exceptions import OutOfMemoryError, UsageError

Array = Any
"""An array of the backend's library: numpy.ndarray or cupy.ndarray."""

PRECISIONS = ("float32", "tf32", "bf16")
"""To what the factors of float32 products can be rounded, see `gpurnn.backend.get`; the first is float32 itself."""
_MOST_AXES = 32  # that both libraries have
STAGED_AHEAD = 2
"""How many sets of arrays a `Staging` holds: the one in use and the one on its way."""


@dataclass(frozen=True)
class RowPlan:
    """In which order the gradient of a row gather is summed; made on the host, once per window.

    order: (n,) positions sorted by row, equal rows in their original order.
    starts: (n,) where in `order` each run of equal rows begins; only the first `runs[0]` count.
    rows: (n,) the row of each run; likewise.
    runs: (1,) how many different rows there are.
    """

    order: Array
    starts: Array
    rows: Array
    runs: Array


RowGradient = Callable[[Array, Array, RowPlan, Array], None]
"""See `Backend.row_gradient`."""


class StepProduct(NamedTuple):
    """The product of each step of `Backend.bind_loop`, `writes = reads @ matrix`: names of arrays."""

    reads: str
    matrix: str
    writes: str


class Staging(ABC):
    """Moves host arrays into fixed device buffers, one window ahead of their use."""

    @abstractmethod
    def push(self, host: Mapping[str, np.ndarray]) -> None:
        """Begin to move `host`; the caller leaves these arrays as they are until they are popped.

        Arrays may be shorter than their buffers along the first axis and are cast to their dtype, int64 to int32 too
        where it holds the numbers; buffers that are not named keep what they hold.
        Raises BackendError where two sets are on their way already; TypeError, ValueError for arrays that do not fit.
        """

    @abstractmethod
    def pop(self) -> None:
        """Fill the buffers with the oldest pushed arrays. Raises BackendError where there are none."""


class Backend(ABC):
    """One array library on one device."""

    name: str
    """"cpu" or "cuda"."""
    device: str
    """"cpu" or "cuda:N"."""
    xp: Any
    """The array module, numpy or cupy."""
    reason: str
    """Why this backend was chosen, for people."""
    index_dtype: Any
    """Integer dtype that row gathers index with."""
    plans_rows: bool = True
    """Whether row gradients here read their plan."""
    precision: str = PRECISIONS[0]
    """To what factors of float32 products are rounded here: one of PRECISIONS."""

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """An uninitialised C-contiguous array."""
        return self._allocate(self.xp.empty, shape, dtype)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """A C-contiguous array of zeros."""
        return self._allocate(self.xp.zeros, shape, dtype)

    def _allocate(self, make: Callable[..., Array], shape: tuple[int, ...], dtype: Any) -> Array:
        try:
            return make(shape, dtype=dtype)
        except (MemoryError, ValueError, OverflowError) as error:  # the last two: more than addresses can tell
            if min(shape, default=0) < 0 or len(shape) > _MOST_AXES:
                raise ValueError(f"{self.device}: shape: expected 0 or more along each axis, found {shape}") from None
            wanted = math.prod(shape) * np.dtype(dtype).itemsize >> 20
            raise OutOfMemoryError(f"{self.device}: out of memory, {wanted} MiB more were asked for") from error

    @abstractmethod
    def from_host(self, host: np.ndarray, out: Array | None = None) -> Array:
        """Copy a host array to the device, into `out` where given (casting to its dtype).

        host: numbers. out: of the shape of `host`, with any strides, and of a dtype to which NumPy casts within the
        same kind and which holds its whole numbers.
        """

    @abstractmethod
    def to_host(self, array: Array) -> np.ndarray:
        """A host copy of `array`; waits for the device."""

    @abstractmethod
    def staging(self, buffers: Mapping[str, Array]) -> Staging:
        """A `Staging` that fills `buffers`: of float32, float64, int32 or int64, and apart in memory."""

    @abstractmethod
    def gemm(self, a: Array, b: Array, out: Array, accumulate: bool = False) -> None:
        """`out = a @ b`, or `out += a @ b`.

        a: (M, K), b: (K, N), out: (M, N); each at least 1, float32 or float64, all alike. Each is contiguous along one
        axis, with room for that between two steps along the other: transposes are fine, and parts of wider arrays.

        Factors of float32 are rounded to `precision` first; they are summed in float32, in any order.
        """

    def bind_row(self, matrix: Array) -> Callable[[Array, Array], None]:
        """A callable `(x, out)` that sets `out = x @ matrix` for one row, with the bits of `gemm`.

        matrix: (K, N), in C order; it may be kept in another form, so a change to it later is not seen. x: (1, K),
        out: (1, N). For what is multiplied with the same matrix again and again.
        """

        def product(x: Array, out: Array) -> None:
            self.gemm(x, matrix, out)

        return product

    @abstractmethod
    def gather_rows(self, table: Array, index: Array, out: Array) -> None:
        """`out[i] = table[index[i]]`. table: (K, E), real; index: (n,) in 0..K-1; out: (n, E), overwritten."""

    @abstractmethod
    def row_gradient(self, n: int, rows: int, width: int, dtype: Any) -> RowGradient:
        """The gradient of `gather_rows` for up to `n` gathered rows of a (rows, width) table, with its scratch.

        The callable `(d_out, index, plan, d_table)` sets `d_table[k]` to the sum of `d_out[i]` over `index[i] == k`,
        in a fixed order. d_out: (m, width), 1 <= m <= n, read only; index: (m,); plan: its `RowPlan`, which is read
        only where `plans_rows` says so; d_table: overwritten.
        """

    @abstractmethod
    def bind(self, op: FusedOp, dtype: Any, **dims: int) -> Callable[..., None]:
        """A callable that runs `op` on arrays of `dtype` with these dimensions; allocates its scratch now.

        dims: at least 1 for each letter in the shapes of `op`, and no others. A dimension "N" may be smaller in a call
        than here, from 1 on: it is read from the first argument's first axis, and stands in first axes only.
        """

    def bind_persistent(self, op: PersistentOp, dtype: Any, **dims: int) -> Callable[..., None] | None:
        """Like `bind`; None where this device cannot keep the weights of `op` on its chip, and always on the CPU."""
        return None

    def why_not_persistent(self, op: PersistentOp, dtype: Any, **dims: int) -> str:
        """Why `bind_persistent` gives None here, in words; empty where it gives a callable."""
        return "whole windows are kernels of a GPU"

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
        """An operation and a product for each of many steps, as one call; None where this backend has no such thing.

        The callable takes the number of steps and carry (T, B, 1), None for all ones. Forward each step computes the
        product, then `op`; backward, from the last step on, `op`, then the product with the matrix transposed. Where
        carry is 0, a step sees zeros for the arguments `masked`, and forward for what the product reads; backward what
        the product writes and the arguments `cleared` are 0 after it.

        arrays: the arguments of `op` by name, and those of the product, the matrix (H, n): (T, B, width) through time,
        (1, B, width) or (B, width) for what all steps share, (width,) for what all lanes share too. They keep their
        places. earlier: arguments that may be the array of another one, a step earlier; what the product reads backward
        may be the array of an argument that `op` writes. carry: of the dtype, for as many steps or more, apart from all
        other arrays.
        """
        return None

    def masked_steps(self, boundary: Sequence[bool]) -> Sequence[bool]:
        """Which steps of a window to mask by carry where these have a lane whose carry is 0: them, and maybe others.

        To mask a step whose carry is 1 changes no value, but a product may then read from another place, which can
        decide its bits. So a backend whose windows can be captured gives the same steps to many windows.
        """
        return boundary

    @abstractmethod
    def dropout_mask(self, seed: int, layer: int, p: float) -> Callable[[Array, Array], None]:
        """A callable `(out, window)` that fills `out` with a dropout mask: 0 with probability `p`, else 1/(1-p).

        Word j of Philox4x64-10 with key (seed, layer) and counter (0, window, 0, 0) gives uniforms 2j (low half) and
        2j+1 (high half), each the upper 24 bits of its 32 over 2**24; an element is kept where its uniform >= p.

        seed, layer: 0 to 2**64 - 1; 0 <= p < 1. out: real, of any shape; window: (1,) int64 array of the backend, the
        index of the window.
        """

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until the device has done all work given to it."""

    @abstractmethod
    def event(self) -> Any:
        """A mark in the device's stream of work; see `elapsed`."""

    @abstractmethod
    def elapsed(self, start: Any, end: Any) -> float:
        """Seconds between two events; waits for `end`."""

    @abstractmethod
    def memory(self) -> dict[str, int]:
        """Bytes: "used" (by arrays here, or resident for the CPU), "total" of the device."""

    @abstractmethod
    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """A callable that repeats `work` with as few launches as the device allows.

        It is `work` itself on the CPU, and where the backend was made without graphs.

        `work` has run before, always does the same to the same arrays, and waits for nothing. Capturing calls it, but
        none of its device work is done until the callable is called.
        Raises BackendError where the device refuses; `work` can then be called as it is.
        """

    def describe(self) -> dict[str, str]:
        """What computes: library, version, device, kernels; strings by name."""
        return {"backend": self.name, "numpy": np.__version__}

    def arithmetic(self) -> dict[str, str]:
        """What of `describe` decides the bits of a result."""
        return self.describe()


def checked_precision(precision: str, tf32: bool = False) -> str:
    """One of PRECISIONS. tf32: True: "tf32", unless `precision` is neither that nor left out. Raises UsageError."""
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    if tf32 and precision not in (PRECISIONS[0], "tf32"):
        raise UsageError(f"precision {precision!r} contradicts tf32; give one of them")
    return "tf32" if tf32 else precision


def allocate_scratch(be: Backend, argument: Argument, dtype: Any, dims: Mapping[str, int]) -> Array:
    """One scratch buffer of a fused operation's NumPy-style body."""
    shape = tuple(extent(axis, dims) for axis in argument.shape)
    if argument.kind == "range":
        return be.xp.arange(shape[0], dtype=be.index_dtype)
    kinds = {"real": dtype, "double": np.float64, "index": be.index_dtype, "flag": np.bool_}
    return be.empty(shape, kinds[argument.kind])
