"""What operations accept, and what they say of anything else: one rule for every backend.

Here and in signature.py it stands in Python, for NumPy and CUDA and for the words of all; the compiled module looks at
the same in much less time, and what does not fit there comes here, where its error is made.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from gpurnn.backend.base import Array, RowPlan

REALS = (np.dtype(np.float32), np.dtype(np.float64))


@dataclass(frozen=True)
class Library:
    """An array library as far as checks go.

    arrays: their classes. index: its dtype of row numbers. address: where an array begins. owner: what holds the memory
    of an array, and no other; None where that is not known. in_order: whether an array is C-contiguous and aligned,
    given the strides that it has to have then. on_host: whether its elements can be read without waiting.
    """

    name: str
    arrays: tuple[type, ...]
    index: np.dtype[Any]
    address: Callable[[Array], int]
    owner: Callable[[Array], Any]
    in_order: Callable[[Array, tuple[int, ...]], bool]
    on_host: bool = False

    def has(self, array: Any) -> bool:
        """Whether it is an array of the library, and none of a class that means something else by its memory."""
        return type(array) in self.arrays


def _owner(array: np.ndarray) -> Any:
    base = array.base
    return array if base is None else base if type(base) is np.ndarray and base.base is None else None


def _in_order(array: np.ndarray, strides: tuple[int, ...]) -> bool:
    flags = array.flags
    return flags.c_contiguous and flags.aligned


HOST = Library(
    "NumPy",
    (np.ndarray, np.memmap),
    np.dtype(np.intp),
    address=lambda array: int(array.ctypes.data),
    owner=_owner,
    in_order=_in_order,
    on_host=True,
)


def real(operation: str, dtype: Any) -> np.dtype[Any]:
    """`dtype` as NumPy knows it; TypeError unless it is float32 or float64."""
    try:
        found: np.dtype[Any] | None = None if dtype is None else np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found not in REALS:
        raise TypeError(f"{operation}: dtype: expected float32 or float64, found {found or repr(dtype)}")
    return found


def expect(
    library: Library,
    operation: str,
    name: str,
    array: Array,
    dtype: np.dtype[Any] | tuple[np.dtype[Any], ...],
    shape: tuple[int | str, ...],
    *,
    written: bool = False,
    in_order: bool = True,
) -> None:
    """Raises TypeError or ValueError unless `array` is one of `library`, of that dtype and shape, aligned and in order.

    dtype: one, several of which any will do, or () for all. shape: a word instead of a size stands for any.
    written: it has to be writeable.
    in_order: C-contiguous, which some operations do without.
    """
    wanted = f"{operation}: {name}: expected"
    if not library.has(array):
        kind = "its subclass " if isinstance(array, library.arrays) else ""
        raise TypeError(f"{wanted} a {library.name} array, found {kind}{type(array).__name__}")
    dtypes = dtype if isinstance(dtype, tuple) else (dtype,)
    if dtypes and array.dtype not in dtypes:
        raise TypeError(_unlike(wanted, dtypes, shape, array))
    fits = [isinstance(size, str) or size == found for size, found in zip(shape, array.shape, strict=False)]
    if len(shape) != array.ndim or not all(fits):
        raise ValueError(_unlike(wanted, dtypes, shape, array))
    if in_order and not array.flags.c_contiguous:
        raise ValueError(f"{wanted} a contiguous array, found strides {array.strides}")
    if not (library.on_host and array.flags.aligned) and array.size and library.address(array) % array.itemsize:
        raise ValueError(f"{wanted} an aligned array, found one at {library.address(array):#x}")
    if written and library.on_host and not array.flags.writeable:
        raise ValueError(f"{wanted} a writeable array, found a read-only one")


def _unlike(wanted: str, dtypes: tuple[np.dtype[Any], ...], shape: tuple[int | str, ...], array: Array) -> str:
    """What is said of an array of another dtype or shape; it takes as long as a small product, so only then."""
    sizes = f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
    return f"{wanted} {' '.join([sizes, *map(str, dtypes)])}, found {array.shape} {array.dtype}"


def expect_below(operation: str, name: str, index: np.ndarray, below: int) -> None:
    """Raises ValueError unless all numbers are 0 to below - 1."""
    if index.size and (index.min() < 0 or index.max() >= below):
        raise ValueError(f"{operation}: {name}: expected 0 to {below - 1}, found {index.min()} to {index.max()}")


def expect_apart(library: Library, operation: str, written: str, out: Array, others: Mapping[str, Array]) -> None:
    """Raises ValueError where the array `out`, called `written`, has a byte in common with one of the others."""
    for name, array in others.items():
        if share_memory(library, array, out):
            raise ValueError(overlap(operation, name, written))


def overlap(operation: str, name: str, written: str) -> str:
    """What is said of an array in the memory of one that is written."""
    return f"{operation}: {name}: expected memory apart from {written}, which is written"


def share_memory(library: Library, a: Array, b: Array) -> bool:
    """Whether two arrays have a byte in common. Their memory is not looked at: it may be a device's."""
    return not owners_differ(library, a, b) and bool(np.shares_memory(_shadow(library, a), _shadow(library, b)))


def owners_differ(library: Library, a: Array, *others: Array) -> bool:
    """Whether these are arrays of the library, and no other one can lie in the memory of `a`, as a glance tells."""
    if not all(map(library.has, (a, *others))):
        return False
    owner, owners = library.owner(a), list(map(library.owner, others))
    return owner is not None and all(other is not None and other is not owner for other in owners)


class _Shadow:
    """Tells NumPy where an array lies."""

    def __init__(self, interface: dict[str, Any]) -> None:
        self.__array_interface__ = interface


def _shadow(library: Library, array: Array) -> np.ndarray:
    if library.on_host:
        return np.asarray(array)
    place = {"data": (library.address(array), True), "shape": array.shape, "strides": array.strides}
    return np.asarray(_Shadow({"version": 3, "typestr": array.dtype.str, **place}))


def expect_product(library: Library, a: Array, b: Array, out: Array) -> None:
    """See `Backend.gemm`."""
    expect(library, "gemm", "out", out, REALS, ("M", "N"), written=True, in_order=False)
    expect(library, "gemm", "a", a, out.dtype, (out.shape[0], "K"), in_order=False)
    expect(library, "gemm", "b", b, out.dtype, (a.shape[1], out.shape[1]), in_order=False)
    for name, matrix in (("a", a), ("b", b), ("out", out)):
        if not matrix.size:
            raise ValueError(f"gemm: {name}: expected 1 row and column or more, found {matrix.shape}")
        if not (_rows_apart(matrix) or _rows_apart(matrix.T)):
            raise ValueError(
                f"gemm: {name}: expected a matrix contiguous along one axis, found {matrix.shape} "
                f"{matrix.dtype} strides {matrix.strides}"
            )
    expect_apart(library, "gemm", "out", out, {"a": a, "b": b})


def _rows_apart(matrix: Array) -> bool:
    """Whether each row is contiguous and begins behind the one before."""
    (rows, columns), (down, across), size = matrix.shape, matrix.strides, matrix.itemsize
    return bool(across == size or columns == 1) and bool(rows == 1 or (down >= columns * size and down % size == 0))


def expect_rows(library: Library, table: Array, index: Array, out: Array) -> None:
    """See `Backend.gather_rows`."""
    expect(library, "gather_rows", "table", table, REALS, ("K", "E"))
    expect(library, "gather_rows", "index", index, library.index, ("n",))
    expect(library, "gather_rows", "out", out, table.dtype, (len(index), table.shape[1]), written=True)
    expect_apart(library, "gather_rows", "out", out, {"table": table, "index": index})
    if library.on_host:
        expect_below("gather_rows", "index", index, len(table))


def expect_plan(library: Library, d_out: Array, plan: RowPlan, d_table: Array) -> None:
    """See `Backend.row_gradient`; the arrays beside the plan are right."""
    operation, m, rows = "row_gradient", len(d_out), len(d_table)
    if not isinstance(plan, RowPlan):
        raise TypeError(f"{operation}: plan: expected a RowPlan, found {type(plan).__name__}")
    most = min(m, rows)  # runs of equal rows
    for name, least in (("order", m), ("starts", most), ("rows", most), ("runs", 1)):
        array = getattr(plan, name)
        expect(library, operation, f"plan.{name}", array, library.index, ("n",))
        if len(array) < least:
            raise ValueError(f"{operation}: plan.{name}: expected {least} or more, found {len(array)}")
        expect_apart(library, operation, "d_table", d_table, {f"plan.{name}": array})
    if not library.on_host:
        return
    expect_below(operation, "plan.runs", plan.runs[:1] - 1, most)
    runs = int(plan.runs[0])
    for name, used, below in (("order", m, m), ("starts", runs, m), ("rows", runs, rows)):
        expect_below(operation, f"plan.{name}", getattr(plan, name)[:used], below)


def expect_count(operation: str, name: str, size: Any) -> int:
    """`size` as an int; raises TypeError or ValueError unless it is a whole number from 1 on."""
    count = _whole(operation, name, size)
    if count < 1:
        raise ValueError(f"{operation}: {name}: expected 1 or more, found {count}")
    return count


def _whole(operation: str, name: str, number: Any) -> int:
    try:
        if isinstance(number, bool | np.bool_):
            raise TypeError
        return operator.index(number)
    except TypeError:
        raise TypeError(f"{operation}: {name}: expected a whole number, found {number!r:.60}") from None


def expect_chance(seed: int, layer: int, p: float) -> None:
    """See `Backend.dropout_mask`."""
    for name, number in (("seed", seed), ("layer", layer)):
        if not 0 <= _whole("dropout_mask", name, number) < 1 << 64:
            raise ValueError(f"dropout_mask: {name}: expected 0 to 2**64 - 1, found {number}")
    if not isinstance(p, Real) or isinstance(p, bool):
        raise TypeError(f"dropout_mask: p: expected a number, found {p!r:.60}")
    if not 0 <= p < 1:
        raise ValueError(f"dropout_mask: p: expected 0 or more and less than 1, found {p}")


def expect_mask(library: Library, out: Array, window: Array) -> None:
    """See `Backend.dropout_mask`."""
    shape = out.shape if library.has(out) else ("any",)
    expect(library, "dropout_mask", "out", out, REALS, shape, written=True)
    expect(library, "dropout_mask", "window", window, np.dtype(np.int64), (1,))
    expect_apart(library, "dropout_mask", "out", out, {"window": window})
