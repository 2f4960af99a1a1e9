"""Random wrong calls of every operation of the CPU, compiled or not: all are to be refused."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from backend.test_fused_parity import OPERATIONS, SCRATCH, USED_UP, arguments_of, dims_of

from faults.guarded import Page
from gpurnn.backend import Argument, FusedOp, RowPlan
from gpurnn.backend.cpu import CpuBackend
from gpurnn.backend.declared import extent
from gpurnn.network.cells import CELLS
from gpurnn.network.layers.recurrence import FORWARD

DTYPES = [np.dtype(name) for name in ("f4", "f8", "i4", "i8", "u8", "f2", ">f4", ">f8", "?")]
SIZES = {"B": 3, "C": 2, "H": 5, "K": 6, "L": 3, "N": 4, "P": 37, "Q": 3, "E": 3, "M": 4, "T": 3}
RIGHT_EVERY = 8  # so many calls for one that is right
TOLERANCE = {"float32": 1e-4, "float64": 1e-12}


@dataclass(frozen=True)
class Operation:
    """One way to call the backend with arrays.

    fixed: sizes of letters that are bound before the call; the others are as in the first argument that has them.
    most: the largest size of free letters; least: the smallest. in_order: whether arrays have to be C-contiguous.
    """

    name: str
    arguments: Mapping[str, Argument]
    dtype: str
    fixed: Mapping[str, int]
    run: Callable[..., Any]
    reference: Callable[..., Any]
    make: Callable[[np.random.Generator], list[np.ndarray]]
    most: Mapping[str, int] = field(default_factory=dict)
    least: int = 1
    in_order: bool = True
    through_time: int = 0

    def fits(self, arrays: Sequence[Any]) -> bool:
        """Whether a call is right, decided by other means than the library's."""
        if len(arrays) != len(self.arguments) or not all(type(array) in (np.ndarray, np.memmap) for array in arrays):
            return False
        sizes = dict(self.fixed)
        kinds = {"real": np.dtype(self.dtype), "double": np.dtype("f8"), "index": np.dtype(np.intp)}
        for array, argument in zip(arrays, self.arguments.values(), strict=True):
            if array.dtype != kinds[argument.kind] or not self._shape_fits(array.shape, argument, sizes):
                return False
            if not array.flags.aligned or (argument.written and not array.flags.writeable):
                return False
            if not (array.flags.c_contiguous or (not self.in_order and _matrix(array))):
                return False
            if argument.below and array.size and not (array.min() >= 0 and array.max() < extent(argument.below, sizes)):
                return False
        named = list(zip(self.arguments, self.arguments.values(), arrays, strict=True))
        return not any(
            one.written and not {name, second} & {one.shares, other.shares} and np.shares_memory(array, beside)
            for name, one, array in named
            for second, other, beside in named
            if name != second
        )

    def _shape_fits(self, shape: tuple[int, ...], argument: Argument, sizes: dict[str, int]) -> bool:
        if self.through_time and argument.shape[0] == "B" and len(shape) == 3:
            if shape[0] not in (1, self.through_time):
                return False
            shape = shape[1:]
        if len(shape) != len(argument.shape):
            return False
        for size, axis in zip(shape, argument.shape, strict=True):
            if axis.isalpha() and len(axis) == 1 and axis not in sizes:
                if not self.least <= size <= self.most.get(axis, size):
                    return False
                sizes[axis] = size
            if size != extent(axis, sizes):
                return False
        return True


def _matrix(array: np.ndarray) -> bool:
    """Whether one of the two axes is contiguous and the other one steps over it."""
    return array.size > 0 and any(
        (view.shape[1] == 1 or view.strides[1] == view.itemsize)
        and (view.shape[0] == 1 or view.strides[0] >= view.shape[1] * view.itemsize)
        for view in (array, array.T)
    )


def operations(dtype: str) -> list[Operation]:
    """Every fused operation of the package, and what the backend does by itself."""
    be, plain = CpuBackend(), CpuBackend(compiled=False)
    made = [_fused(be, plain, op, dtype) for op in OPERATIONS.values()]
    loops = [_loop(be, plain, cell.forward, dtype) for cell in CELLS.values()]
    made += [loop for loop in loops if loop is not None]
    return [
        *made,
        _gemm(be, plain, dtype),
        _row(be, plain, dtype),
        _gather(be, plain, dtype),
        _gradient(be, plain, dtype),
    ]


def _fused(be: CpuBackend, plain: CpuBackend, op: FusedOp, dtype: str) -> Operation:
    dims = dims_of(op, SIZES)
    fixed = {letter: size for letter, size in dims.items() if letter != "N"}
    most = {"N": dims["N"]} if "N" in dims else {}

    def make(rng: np.random.Generator) -> list[np.ndarray]:
        return arguments_of(op, dims, dtype, rng)

    bound, expected = be.bind(op, dtype, **dims), plain.bind(op, dtype, **dims)
    return Operation(op.name, op.arguments, dtype, fixed, bound, expected, make, most)


def _real(rng: np.random.Generator, dtype: str, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(dtype)


def _gemm(be: CpuBackend, plain: CpuBackend, dtype: str) -> Operation:
    arguments = {"a": Argument(("M", "K")), "b": Argument(("K", "N")), "out": Argument(("M", "N"), written=True)}

    def make(rng: np.random.Generator) -> list[np.ndarray]:
        m, k, n = (int(size) for size in rng.integers(1, 9, 3))
        made = [_real(rng, dtype, m, k), _real(rng, dtype, k, n), _real(rng, dtype, m, n)]
        return [np.asfortranarray(array) if rng.random() < 0.5 else array for array in made]

    def run(a: Any, b: Any, out: Any) -> None:  # a fourth would be `accumulate`
        be.gemm(a, b, out)

    return Operation("gemm", arguments, dtype, {}, run, plain.gemm, make, in_order=False)


def _row(be: CpuBackend, plain: CpuBackend, dtype: str) -> Operation:
    """A row times a matrix that it was bound to."""
    arguments = {"x": Argument(("M", "K")), "out": Argument(("M", "N"), written=True)}
    matrix = _real(np.random.default_rng(0), dtype, 5, 70)

    def make(rng: np.random.Generator) -> list[np.ndarray]:
        return [_real(rng, dtype, 1, 5), _real(rng, dtype, 1, 70)]

    dims = {"M": 1, "K": 5, "N": 70}
    return Operation("row product", arguments, dtype, dims, be.bind_row(matrix), plain.bind_row(matrix), make)


def _gather(be: CpuBackend, plain: CpuBackend, dtype: str) -> Operation:
    index = Argument(("N",), "index", below="K")
    arguments = {"table": Argument(("K", "E")), "index": index, "out": Argument(("N", "E"), written=True)}

    def make(rng: np.random.Generator) -> list[np.ndarray]:
        return [_real(rng, dtype, 6, 3), rng.integers(0, 6, 4), _real(rng, dtype, 4, 3)]

    return Operation("gather_rows", arguments, dtype, {}, be.gather_rows, plain.gather_rows, make, least=0)


def _gradient(be: CpuBackend, plain: CpuBackend, dtype: str) -> Operation:
    index = Argument(("N",), "index", below="K")
    arguments = {"d_out": Argument(("N", "E")), "index": index, "d_table": Argument(("K", "E"), written=True)}

    def run(backend: CpuBackend) -> Callable[..., None]:
        gradient = backend.row_gradient(4, 6, 3, dtype)
        plan = RowPlan(*(np.zeros(4, np.intp) for _ in range(4)))
        return lambda d_out, index, d_table: gradient(d_out, index, plan, d_table)

    def make(rng: np.random.Generator) -> list[np.ndarray]:
        return [_real(rng, dtype, 4, 3), rng.integers(0, 6, 4), _real(rng, dtype, 6, 3)]

    return Operation("row_gradient", arguments, dtype, {"K": 6, "E": 3}, run(be), run(plain), make, {"N": 4})


def _loop(be: CpuBackend, plain: CpuBackend, op: FusedOp, dtype: str) -> Operation | None:
    """The loop over the steps forward, bound to the arrays and called; None where there is no compiled one."""
    steps, dims = SIZES["T"], {letter: SIZES[letter] for letter in "TBH"}
    before = [name for name in op.arguments if name.endswith("_prev")]
    columns = op.arguments["r"].shape[1]
    arguments = {**op.arguments, "h_prev": Argument(("T", "B", "H")), "W": Argument(("H", columns))}
    arguments["r"] = Argument(("B", columns), written=True)
    names = list(arguments)

    def run(*arrays: Any) -> None:
        if len(arrays) > len(names):
            raise TypeError("a mapping holds an array a name")
        loop = be.bind_loop(op, dtype, dict(zip(names, arrays, strict=False)), FORWARD, backward=False, masked=before)
        assert loop is not None
        loop(steps, None)

    def reference(*arrays: np.ndarray) -> None:
        named, step = dict(zip(names, arrays, strict=True)), plain.bind(op, dtype, B=dims["B"], H=dims["H"])
        for t in range(steps):
            now = {name: array[t] if array.ndim == 3 else array for name, array in named.items()}
            plain.gemm(now["h_prev"], now["W"], now["r"])
            step(*(now[name] for name in op.arguments))

    def make(rng: np.random.Generator) -> list[np.ndarray]:
        made = []
        for argument in arguments.values():
            shape = tuple(extent(axis, dims) for axis in argument.shape)
            made.append(_real(rng, dtype, *((steps,) if argument.shape[0] == "B" else ()), *shape))
        return made

    right = dict(zip(names, make(np.random.default_rng(0)), strict=True))
    if be.bind_loop(op, dtype, right, FORWARD, backward=False, masked=before) is None:
        return None
    return Operation(f"loop of {op.name}", arguments, dtype, dims, run, reference, make, through_time=steps)


class Wrecker:
    """Makes one array of a call wrong, mostly; the arrays lie in guarded pages."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._pages = [Page() for _ in range(24)]

    def place(self, arrays: Sequence[np.ndarray]) -> list[Any]:
        """The same arrays, each in a page of its own."""
        placed = []
        for page, array in zip(self._pages, arrays, strict=False):
            order = array.T if array.flags.f_contiguous and not array.flags.c_contiguous else array
            there = page.array(order.shape, array.dtype, at_end=self._random.random() < 0.7)
            there[...] = order
            placed.append(there if order is array else there.T)
        return placed

    def wreck(self, arrays: list[Any]) -> tuple[list[Any], str]:
        """The arrays of another call, and what was done to them."""
        at = self._random.randrange(len(arrays))
        ways = [self._dtype, self._size, self._axes, self._strides, self._place, self._right, self._number, self._kind]
        way = self._random.choice([*ways, self._count, self._overlap])
        if way in (self._count, self._overlap):
            return way(arrays, at), way.__name__
        wrecked = list(arrays)
        wrecked[at] = way(arrays[at], self._pages[at])
        return wrecked, f"{way.__name__} of array {at}"

    def _again(self, page: Page, shape: tuple[int, ...], dtype: np.dtype, shift: int = 0) -> np.ndarray:
        array = page.array(shape, dtype, at_end=self._random.random() < 0.7, shift=shift)
        array.fill(0)
        return array

    def _dtype(self, array: np.ndarray, page: Page) -> Any:
        return self._again(page, array.shape, self._random.choice(DTYPES))

    def _size(self, array: np.ndarray, page: Page) -> Any:
        shape = list(array.shape)
        axis = self._random.randrange(len(shape))
        shape[axis] = self._random.choice([0, 1, max(0, shape[axis] - 1), shape[axis] + 1, 2 * shape[axis]])
        return self._again(page, tuple(shape), array.dtype)

    def _axes(self, array: np.ndarray, page: Page) -> Any:
        shape = array.shape
        choices = [(1, *shape), (*shape, 1), shape[::-1], shape[1:], (array.size,), ()]
        return self._again(page, self._random.choice(choices), array.dtype)

    def _strides(self, array: np.ndarray, page: Page) -> Any:
        columns = array.shape[-1]
        if self._random.random() < 0.5:
            wide = self._again(page, (*array.shape[:-1], 2 * columns), array.dtype)
            return self._random.choice([wide[..., ::2], wide[..., :columns]])
        return self._random.choice([array[..., ::-1], np.broadcast_to(array[..., :1], array.shape), array.copy("F")])

    def _place(self, array: np.ndarray, page: Page) -> Any:
        return self._again(page, array.shape, array.dtype, shift=self._random.randrange(1, 8))

    def _right(self, array: np.ndarray, page: Page) -> Any:
        view = array.view()
        view.flags.writeable = False
        return view

    def _number(self, array: np.ndarray, page: Page) -> Any:
        if array.dtype.kind == "i" and array.size:
            array.reshape(-1)[self._random.randrange(array.size)] = self._random.choice([-1, 6, 99, 2**40, -(2**63)])
        return array

    def _kind(self, array: np.ndarray, page: Page) -> Any:
        return self._random.choice([None, 3.5, "x", array.tolist(), memoryview(array), array.tobytes(), object()])

    def _count(self, arrays: list[Any], at: int) -> list[Any]:
        return self._random.choice([arrays[:at], [*arrays, arrays[at]], []])

    def _overlap(self, arrays: list[Any], at: int) -> list[Any]:
        other = self._random.randrange(len(arrays))
        wrecked, (mine, theirs) = list(arrays), (arrays[at], arrays[other])
        if mine.nbytes <= theirs.nbytes and theirs.flags.c_contiguous and mine.flags.c_contiguous:
            shared = theirs.reshape(-1).view(np.uint8)[-mine.nbytes :] if mine.nbytes else theirs[:0]
            wrecked[at] = shared.view(mine.dtype).reshape(mine.shape)
        return wrecked

    def intact(self, arrays: Sequence[Any]) -> bool:
        """Whether nothing beside the arrays in their pages was written."""
        return all(page.intact() for page in self._pages[: len(arrays)])

    def contents(self) -> list[bytes]:
        """All that the pages hold."""
        return [page.contents() for page in self._pages]


def call_wrongly(count: int, seed: int, scratch: str = "") -> dict[str, Any]:
    """Random calls, `RIGHT_EVERY`-th of them right. Call it in a process of its own: a wrong one may end it.

    Returns {"wrong", "right": calls, "operations": how many, "violations": a line each}.
    """
    wrecker, rng = Wrecker(seed), np.random.default_rng(seed)
    known = [operation for dtype in TOLERANCE for operation in operations(dtype)]
    report: dict[str, Any] = {"wrong": 0, "right": 0, "operations": len(known), "violations": []}
    case = 0
    while report["wrong"] < count:
        operation = known[case % len(known)]
        arrays = operation.make(rng)
        wrong = case // len(known) % RIGHT_EVERY != 0
        placed = wrecker.place(arrays)
        placed, how = wrecker.wreck(placed) if wrong else (placed, "right")
        complaint = _try(operation, placed, arrays, wrecker, compare=not wrong)
        report["right" if complaint == "" and operation.fits(placed) else "wrong"] += 1
        if complaint:
            report["violations"].append(f"case {case}, {operation.name} {operation.dtype}, {how}: {complaint}")
        case += 1
    return report


def _try(operation: Operation, placed: list[Any], arrays: list[np.ndarray], wrecker: Wrecker, *, compare: bool) -> str:
    """What is wrong with how a call went; empty: nothing."""
    fits, before = operation.fits(placed), wrecker.contents()
    try:
        with np.errstate(all="ignore"):
            operation.run(*placed)
    except (TypeError, ValueError) as error:
        if fits:
            return f"refused: {error}"
        if wrecker.contents() != before:
            return "refused after something was written"
        named = any(f" {name}:" in str(error) for name in operation.arguments)
        return "" if named or len(placed) != len(operation.arguments) else f"names no argument: {error}"
    if not fits:
        return "accepted"
    if not wrecker.intact(placed):
        return "wrote beside its arrays"
    return _difference(operation, placed, arrays) if compare else ""


def _difference(operation: Operation, placed: list[np.ndarray], arrays: list[np.ndarray]) -> str:
    expected = [array.copy(order="K") for array in arrays]
    with np.errstate(all="ignore"):
        operation.reference(*expected)
    for (name, argument), found, right, was in zip(operation.arguments.items(), placed, expected, arrays, strict=True):
        if not argument.written and found.tobytes() != was.tobytes():
            return f"{name} changed"
        used_up = operation.name in USED_UP and name == "o"
        if not used_up and name not in SCRATCH:
            scale = max(1.0, float(np.abs(np.nan_to_num(right)).max()))
            if not np.allclose(found, right, rtol=0, atol=scale * TOLERANCE[operation.dtype], equal_nan=True):
                return f"{name}: other values than without the compiled body"
    return ""
