"""What checks have to know of CuPy's arrays."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from gpurnn.backend.base import Array
from gpurnn.backend.checks import Library

INDEX = np.dtype(np.int32)


def _owner(array: Array) -> Any:
    memory = array.data.mem
    return None if isinstance(memory, cupy.cuda.UnownedMemory) else memory


def _in_order(array: Array, strides: tuple[int, ...]) -> bool:
    """Flags alone are slow to read."""
    return (array.strides == strides or array.flags.c_contiguous) and not array.data.ptr % array.itemsize


DEVICE = Library(
    "CuPy", (cupy.ndarray,), INDEX, address=lambda array: int(array.data.ptr), owner=_owner, in_order=_in_order
)
