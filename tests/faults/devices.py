"""A backend for a subject: on the emulated CUDA device where there is no GPU."""

import importlib.util
import sys
from functools import cache

import cudahost
from cudahost.probe import real_driver

from gpurnn import backend
from gpurnn.backend import Backend


@cache
def real() -> bool:
    """Whether this machine has a GPU."""
    return bool(real_driver())


def available() -> dict[str, str]:
    """The devices that can be tested here, and what each is."""
    found = {"cpu": "NumPy"}
    if importlib.util.find_spec("cupy") is not None:
        found["cuda"] = "CuPy on the GPU" if real() else "CuPy on the emulated device"
    return found


def get(device: str, *, graphs: bool = False) -> Backend:
    """The backend; call it in the process that is to use it, never before a fork.

    graphs: whether windows may be captured; where Python strikes inside them, they would leave that out.
    """
    if device == "cpu":
        return backend.get(device)
    if not real() and "cupy" not in sys.modules:
        cudahost.activate()
    return backend.get(device, graphs=graphs)
