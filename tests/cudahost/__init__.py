"""An emulated CUDA device for the real CuPy wheel, on a machine without a GPU. See README.md.

`activate()` comes before the first `import cupy`; after it CuPy runs as it is, until it calls a CUDA library.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from .build import Build, build
from .redirect import redirect_runtime

__all__ = [
    "activate",
    "active",
    "clear_error",
    "counters",
    "reset_counters",
    "set_order",
    "set_streams",
    "strict",
    "two_devices",
]

Order = Literal["forward", "reverse", "random"]

COUNTERS = (
    "kernels",  # launched one by one
    "graph_kernels",  # launched by graphs
    "graph_launches",
    "h2d",  # copies: host to device, device to host, device to device
    "d2h",
    "d2d",
    "memset",
    "sync",  # waits for a stream, an event or the device
    "sync_memcpy",  # copies that made the host wait
    "query",  # questions whether a stream or an event is done
    "malloc",  # device allocations
    "free",
    "pinned_malloc",
    "compiles",
    "blas",
    "modules",
)

_device: ctypes.CDLL | None = None
_loaded: list[ctypes.CDLL] = []  # the libraries must stay loaded


def activate() -> None:
    """Build the device where that is not done yet, and put it in the place of CUDA for this process.

    Raises RuntimeError where cupy is imported already, or where something that the build needs is missing.
    """
    global _device
    if _device is not None:
        return
    if "cupy" in sys.modules or "cupy_backends" in sys.modules:
        raise RuntimeError("cudahost.activate() must come before the first import of cupy")
    made = build()
    os.environ["CUPY_ACCELERATORS"] = ""  # CUB and cuTENSOR are binary device code
    os.environ["CUPY_CACHE_DIR"] = str(made.folder / "kernels")  # never mixed with a real device's
    device = ctypes.CDLL(str(made.folder / "libcudahost.so"), mode=ctypes.RTLD_GLOBAL)
    _loaded.extend(ctypes.CDLL(str(made.folder / name), mode=ctypes.RTLD_GLOBAL) for name in made.sonames)
    _configure(device, made)
    redirect_runtime(made.cupy / "cupy_backends" / "cuda" / "api", device)
    device.hk_set_devices(int(os.environ.get("CUDAHOST_DEVICES", "1")))
    _device = device
    set_order(os.environ.get("CUDAHOST_ORDER", "forward"), int(os.environ.get("CUDAHOST_SEED", "1")))
    set_streams(os.environ.get("CUDAHOST_STREAMS", "lazy"))


def _configure(device: ctypes.CDLL, made: Build) -> None:
    device.hk_counter.restype = ctypes.c_long
    settings = {
        "compiler": made.compiler,
        "flags": made.kernel_flags,
        "shims": made.folder / "shim",
        "build": made.folder.name,
        "nvrtc_check": made.folder / "nvrtc_check",
        "nvrtc": made.nvrtc,
    }
    for name, value in settings.items():
        device.hk_configure(name.encode(), str(value).encode())
    device.hk_install_handlers()


def active() -> bool:
    """Whether this process runs on the emulated device."""
    return _device is not None


def _activated() -> ctypes.CDLL:
    if _device is None:
        raise RuntimeError("cudahost.activate() has not been called")
    return _device


def counters() -> dict[str, int]:
    """What the device was asked to do since it started or since `reset_counters`, by the names of COUNTERS."""
    device = _activated()
    return {name: device.hk_counter(i) for i, name in enumerate(COUNTERS)}


def reset_counters() -> None:
    """Set all counters to zero."""
    _activated().hk_counters_reset()


def clear_error() -> None:
    """Forget the error that a faulty kernel left, and captures that were not ended; really it takes a new process."""
    _activated().hk_clear_error()


def set_order(order: Order | str, seed: int = 1) -> None:
    """The order in which threads and blocks run from now on; `seed` is for "random"."""
    orders = ("forward", "reverse", "random")
    if order not in orders:
        raise ValueError(f"order: expected one of {', '.join(orders)}; found {order!r}")
    _activated().hk_set_order(orders.index(order), seed)


def set_streams(when: Literal["lazy", "eager"] | str) -> None:
    """When streams do their work from now on: as late as CUDA permits, or at once."""
    if when not in ("lazy", "eager"):
        raise ValueError(f"streams: expected lazy or eager; found {when!r}")
    _activated().hk_set_lazy(when == "lazy")


@contextmanager
def strict(order: Order = "reverse", seed: int = 1) -> Iterator[None]:
    """Inside, threads run in `order`, streams run late, and each array is an allocation of its own.

    An allocation of its own ends at a guard page and begins as NaN; CuPy's memory pool would hide both.
    """
    import cupy

    allocator = cupy.get_default_memory_pool().malloc
    set_order(order, seed)
    set_streams("lazy")
    cupy.cuda.set_allocator(None)
    try:
        yield
        cupy.cuda.Device().synchronize()
    finally:
        cupy.cuda.set_allocator(allocator)
        set_order("forward")
