"""Kernels from `.cu` files, and fused operations bound to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cupy
import numpy as np

from gpurnn.backend.base import Array
from gpurnn.backend.cuda.arrays import DEVICE
from gpurnn.backend.declared import FusedOp, extent
from gpurnn.backend.signature import Signature
from gpurnn.exceptions import BackendError

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
        signature = Signature(DEVICE, op.name, op.arguments, dtype, dims)
        check, dims = signature.check, signature.dims
        kernel = self.get(op.source, op.name, dtype, dims)
        block = (op.block,)
        if "N" not in dims:
            grid = (min(-(-extent(op.threads, dims) // op.block), op.most_blocks),)

            def call(*arguments: Array) -> None:
                check(*arguments)
                kernel(grid, block, arguments)

            return call

        def call_rows(*arguments: Array) -> None:
            n = check(*arguments)
            threads = extent(op.threads, {**dims, "N": n})
            kernel((-(-threads // op.block),), block, (*arguments, np.int32(n)))

        return call_rows
