"""Kernels from `.cu` files, and fused operations bound to them.

Each file is compiled with REAL (float or double), WARP, sizes and constants defined in front of it. In front of the
kernel of an operation stands how it is launched, in words that its file knows:

    LAUNCH(threads, threads of a block)
    LAUNCH(threads, threads of a block, most blocks)    whose threads take turns where there are more elements
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cupy
import numpy as np

from gpurnn.backend.base import Array
from gpurnn.backend.cuda.arrays import DEVICE
from gpurnn.backend.declared import FusedOp
from gpurnn.backend.signature import Signature
from gpurnn.exceptions import BackendError

WARP = 32
"""Threads that a multiprocessor runs in step."""
_C_NAMES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}


def specialised(source: Path, dtype: Any, dims: Mapping[str, int], prelude: Path | None = None) -> str:
    """The text of a CUDA C file for one dtype and set of sizes and constants, as it is compiled.

    Sizes are defined in the text, not by compiler options: those would also reach the compiler's own headers, where a
    name of one letter is common. N, the number of rows, varies from call to call and is an argument instead.
    prelude: a file that comes before it.
    """
    named = {"WARP": WARP, **dims}
    sizes = "#define LAUNCH(...)\n" + "".join(f"#define {name} {size}\n" for name, size in named.items() if name != "N")
    files = [f'#line 1 "{file.name}"\n{file.read_text("utf-8")}' for file in (prelude, source) if file]
    return f"#define REAL {_C_NAMES[np.dtype(dtype)]}\n{sizes}" + "".join(files)


@dataclass(frozen=True)
class Launch:
    """How a kernel is launched: how many threads it wants, in blocks of how many, and the most blocks that it takes."""

    threads: str
    block: int
    most_blocks: int

    def blocks(self, sizes: Mapping[str, int]) -> int:
        """How many blocks for these dimensions and constants."""
        return min(-(-_value(self.threads, sizes) // self.block), self.most_blocks)


def launch_of(source: Path, name: str, constants: Mapping[str, int]) -> Launch:
    """What stands in front of the kernel `name` of a file. Raises ValueError where nothing does."""
    text = source.read_text("utf-8")
    found = re.search(rf"^LAUNCH\(([^()]*)\)\n[^\n]* {name}\(", text, re.MULTILINE)
    if not found:
        raise ValueError(
            f"{source.name}: {name}: expected LAUNCH(threads, threads of a block) on the line in front of it"
        )
    known = {name: int(value) for name, value in re.findall(r"^#define (\w+) (\d+)$", text, re.MULTILINE)}
    known |= constants
    threads, block, *most = (word.strip() for word in found[1].split(","))
    fixed = " * ".join(str(known.get(word, word)) for word in threads.split(" * "))
    return Launch(fixed, _value(block, known), _value(most[0], known) if most else 2**31 - 1)


def _value(expression: str, sizes: Mapping[str, int]) -> int:
    """The value of words that are multiplied: numbers and names of sizes."""
    words = expression.split(" * ")
    return math.prod(int(word) if word.isdecimal() else sizes[word] for word in words)


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
        kernel = self.get(op.source, op.name, dtype, {**dims, **op.constants})
        launch = launch_of(op.source, op.name, {"WARP": WARP, **op.constants})
        block = (launch.block,)
        if "N" not in dims:
            grid = (launch.blocks(dims),)

            def call(*arguments: Array) -> None:
                check(*arguments)
                kernel(grid, block, arguments)

            return call

        def call_rows(*arguments: Array) -> None:
            n = check(*arguments)
            kernel((launch.blocks({**dims, "N": n}),), block, (*arguments, np.int32(n)))

        return call_rows
