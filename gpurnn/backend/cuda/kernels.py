"""Kernels from `.cu` files, and fused operations bound to them."""

from __future__ import annotations

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
            grid = (-(-extent(op.threads, dims) // op.block),)

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
    names = list(op.arguments)
    dtypes = [kinds[argument.kind] for argument in op.arguments.values()]
    tails = []
    for argument in op.arguments.values():
        whole = tuple(extent(axis, {**dims, "N": 1}) for axis in argument.shape)
        tails.append((whole, "N" in argument.shape[0]))

    def check(arguments: tuple[Array, ...]) -> int:
        n = arguments[0].shape[0] if "N" in dims else 0
        for name, array, expected, (shape, by_row) in zip(names, arguments, dtypes, tails, strict=True):
            wanted = (n * shape[0], *shape[1:]) if by_row else shape
            if array.shape != wanted or array.dtype != expected or not _contiguous(array):
                layout = "" if _contiguous(array) else ", not contiguous"
                raise BackendError(
                    f"{op.name}: {name}: expected {wanted} {expected}, found {array.shape} {array.dtype}{layout}"
                )
        return n

    return check


def _contiguous(array: Array) -> bool:
    """Raw kernels see an address only, so strides must be those of a C-contiguous array."""
    return bool(array.flags.c_contiguous)
