"""The array shim: NumPy on a CPU or CuPy on a GPU behind one small contract. Usable alone.

>>> from gpurnn import backend
>>> be = backend.get("cpu")
>>> a = be.from_host(be.xp.arange(6.0).reshape(2, 3))
>>> out = be.empty((2, 2), a.dtype)
>>> be.gemm(a, a.T, out)
>>> be.to_host(out).tolist()
[[5.0, 14.0], [14.0, 50.0]]
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

from gpurnn.backend.base import (
    PRECISIONS,
    Array,
    Backend,
    RowGradient,
    RowPlan,
    Staging,
    StepProduct,
    checked_precision,
)
from gpurnn.backend.declared import Argument, FusedOp, PersistentOp, extent
from gpurnn.exceptions import BackendError, UsageError

__all__ = [
    "PRECISIONS",
    "Argument",
    "Array",
    "Backend",
    "FusedOp",
    "PersistentOp",
    "RowGradient",
    "RowPlan",
    "Staging",
    "StepProduct",
    "array_namespace",
    "available",
    "extent",
    "get",
]

_INSTALL = "install the GPU extra: pip install 'gpurnn[cuda12]' or 'gpurnn[cuda13]', to fit your driver"


def get(device: str = "auto", *, precision: str = "float32", tf32: bool = False, graphs: bool = True) -> Backend:
    """The backend for a device.

    device: "cpu"; "cuda" or "cuda:N" for a GPU; "auto" for the first GPU where CuPy and a device are there, else the
    CPU. `Backend.reason` says why it was chosen.
    precision: to what the factors of float32 products are rounded, for speed: "float32", not at all; "tf32", to 11
    significant bits on a GPU, on a CPU not at all; "bf16", to the 8 of bfloat16, on a CPU with such instructions. Sums
    and all other numbers stay float32; float64 is never rounded. tf32: True is precision="tf32".
    graphs: whether `Backend.capture` may make CUDA graphs; without, it gives the work back as it is.

    Raises BackendError where a GPU is asked for and CuPy or the device is missing, or a precision that the device does
    not have; UsageError for any other name.
    """
    from gpurnn.backend.cpu import CpuBackend

    precision = checked_precision(precision, tf32)
    if device == "cpu":
        return CpuBackend(precision=precision)
    if device == "auto":
        missing = _why_no_cuda()
        found = "a GPU was found"
        return CpuBackend(missing, precision=precision) if missing else _cuda(0, found, precision, graphs)
    name, _, number = device.partition(":") if isinstance(device, str) else ("", "", "")
    if name != "cuda" or (number and not (number.isascii() and number.isdecimal())) or device.endswith(":"):
        raise UsageError(f"device {device!r}: expected auto, cpu, cuda or cuda:N")
    missing = _why_no_cuda()
    if missing:
        raise BackendError(f"device {device!r}: {missing}; {_INSTALL}")
    return _cuda(int(number or 0), f"{device} was asked for", precision, graphs)


def available() -> tuple[str, ...]:
    """The devices that `get` would give, the best first, for example ("cuda:0", "cpu")."""
    if _why_no_cuda():
        return ("cpu",)
    count = importlib.import_module("gpurnn.backend.cuda").device_count()
    return (*(f"cuda:{n}" for n in range(count)), "cpu")


def array_namespace(x: Array) -> Any:
    """The array module that made `x`: numpy or cupy. Raises UsageError for anything else."""
    module = type(x).__module__.partition(".")[0]
    if module in ("numpy", "cupy"):
        return sys.modules[module]
    raise UsageError(f"array_namespace: expected a numpy or cupy array, found {type(x).__name__}")


def _why_no_cuda() -> str:
    """What is missing for a GPU, in words; empty where nothing is."""
    if importlib.util.find_spec("cupy") is None:
        return "CuPy is not installed"
    why: str = importlib.import_module("gpurnn.backend.cuda").why_unusable()
    return why


def _cuda(number: int, reason: str, precision: str, graphs: bool) -> Backend:
    cuda = importlib.import_module("gpurnn.backend.cuda")
    backend: Backend = cuda.CudaBackend(number, reason, precision=precision, graphs=graphs)
    return backend
