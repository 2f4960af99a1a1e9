"""Kernels from `.cu` files, and fused operations bound to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cupy
import numpy as np

from gpurnn.backend.base import Array, FusedOp, WindowOp, extent
from gpurnn.exceptions import BackendError

INDEX = np.dtype(np.int32)
_C_NAMES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}


def specialised(source: Path, dtype: Any, dims: Mapping[str, int], prelude: Path | None = None) -> str:
    """The text of a CUDA C file for one dtype and set of sizes, as it is compiled.

    Sizes are defined in the text, not by compiler options: those would also reach the compiler's own headers, where a
    name of one letter is common. N, the number of rows, varies from call to call and is an argument instead.
    prelude: a file that comes before it.
    """
    sizes = "".join(f"#define {name} {size}\n" for name, size in dims.items() if name != "N")
    files = [f'#line 1 "{file.name}"\n{file.read_text("utf-8")}' for file in (prelude, source) if file]
    return f"#define REAL {_C_NAMES[np.dtype(dtype)]}\n{sizes}" + "".join(files)


class Kernels:
    """Compiled CUDA C files, each specialisation once."""

    def __init__(self) -> None:
        self._modules: dict[str, Any] = {}
        self._kernels: dict[tuple[Any, ...], Any] = {}

    def get(
        self,
        source: Path,
        name: str,
        dtype: Any,
        dims: Mapping[str, int] | None = None,
        prelude: Path | None = None,
    ) -> Any:
        """The kernel `name` of a file; compiled and loaded on return."""
        key = (source, name, np.dtype(dtype), tuple((dims or {}).items()))
        if key not in self._kernels:
            self._kernels[key] = self._load(specialised(source, dtype, dims or {}, prelude), name, source)
        return self._kernels[key]

    def _load(self, text: str, name: str, source: Path) -> Any:
        if text not in self._modules:
            self._modules[text] = cupy.RawModule(code=text, backend="nvrtc")
        try:
            return self._modules[text].get_function(name)
        except cupy.cuda.compiler.CompileException as error:
            why = next((line for line in str(error).splitlines() if "error" in line), "unknown error")
            raise BackendError(f"{source.name}: does not compile for this device: {why}") from error

    def bind(self, op: FusedOp, dtype: Any, dims: Mapping[str, int]) -> Callable[..., None]:
        """See `Backend.bind`; for an operation that has CUDA C."""
        assert op.source is not None
        kernel = self.get(op.source, op.name, dtype, dims)
        check = checker(op, dtype, dims)
        block = (op.block,)
        if "N" not in dims:
            grid = (min(-(-extent(op.threads, dims) // op.block), op.most_blocks),)

            def call(*arguments: Array) -> None:
                check(arguments)
                kernel(grid, block, arguments)

            return call

        def call_rows(*arguments: Array) -> None:
            n = check(arguments)
            if n:
                threads = extent(op.threads, {**dims, "N": n})
                kernel((-(-threads // op.block),), block, (*arguments, np.int32(n)))

        return call_rows


def checker(op: FusedOp | WindowOp, dtype: Any, dims: Mapping[str, int]) -> Callable[[tuple[Array, ...]], int]:
    """A function that makes sure of what a kernel takes for granted, and returns the row count N (0 without one)."""
    kinds = {"real": np.dtype(dtype), "double": np.dtype(np.float64), "index": INDEX}
    rows = "N" in dims
    expected = []
    for name, argument in op.arguments.items():
        row = tuple(extent(axis, {**dims, "N": 1}) for axis in argument.shape)
        kind, by_row = kinds[argument.kind], "N" in argument.shape[0]
        expected.append((name, kind, row, by_row, _strides(row, kind.itemsize)))

    def check(arguments: tuple[Array, ...]) -> int:
        n = arguments[0].shape[0] if rows else 0
        for array, (name, kind, row, by_row, strides) in zip(arguments, expected, strict=True):
            shape = (n * row[0], *row[1:]) if by_row else row
            if array.shape != shape or array.dtype != kind:
                raise BackendError(f"{op.name}: {name}: expected {shape} {kind}, found {array.shape} {array.dtype}")
            if array.strides != strides and not array.flags.c_contiguous:  # the flags alone are slow to read
                raise BackendError(f"{op.name}: {name}: expected a contiguous array, found strides {array.strides}")
        return n

    return check


def _strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Those of a C-contiguous array; its first extent does not matter."""
    return tuple(itemsize * math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
