"""What copies between host and device accept; raised in the words of `gpurnn.backend.checks`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gpurnn.backend.base import Array
from gpurnn.backend.checks import HOST, REALS, Library, expect, expect_apart

_STAGED = (*REALS, np.dtype(np.int32), np.dtype(np.int64))


def host_array(host: Any) -> np.ndarray:
    """What `Backend.from_host` copies, as an array; TypeError for anything but numbers."""
    array = np.asarray(host)
    if isinstance(host, np.ndarray) and not HOST.has(host):
        raise TypeError(f"from_host: host: expected a NumPy array, found its subclass {type(host).__name__}")
    if array.dtype.kind not in "biufc":
        raise TypeError(f"from_host: host: expected numbers, found {type(host).__name__} {array.dtype}")
    return array


def expect_copy(library: Library, host: np.ndarray, out: Array) -> None:
    """See `Backend.from_host`."""
    expect(library, "from_host", "out", out, (), host.shape, written=True, in_order=False)
    if not np.can_cast(host.dtype, out.dtype, "same_kind"):
        raise TypeError(f"from_host: out: expected a dtype that {host.dtype} can be cast to, found {out.dtype}")
    expect_held("from_host", "host", host, out.dtype)


def expect_held(operation: str, name: str, array: np.ndarray, dtype: np.dtype[Any]) -> None:
    """Raises ValueError where an array has whole numbers that another dtype of whole numbers does not hold."""
    if dtype.kind not in "iu" or not array.size or np.can_cast(array.dtype, dtype, "safe"):
        return
    least, most, held = int(array.min()), int(array.max()), np.iinfo(dtype)
    if least < held.min or most > held.max:
        raise ValueError(f"{operation}: {name}: expected numbers that {dtype} holds, found {least} to {most}")


class StagingChecks:
    """What a `Staging` accepts. Raises TypeError or ValueError for buffers that it cannot fill."""

    def __init__(self, library: Library, buffers: Mapping[str, Array]) -> None:
        self._buffers = dict(buffers)
        self._dtypes: dict[str, set[np.dtype[Any]]] = {name: set() for name in buffers}  # cast whatever the numbers
        for name, buffer in buffers.items():
            shape = buffer.shape if library.has(buffer) else ("any",)
            expect(library, "staging", name, buffer, _STAGED, shape or ("any",), written=True)
            if not buffer.size:
                raise ValueError(f"staging: {name}: expected 1 element or more, found {buffer.shape}")
            others = {other: array for other, array in buffers.items() if other != name}
            expect_apart(library, "staging", name, buffer, others)

    def arrays(self, host: Mapping[str, np.ndarray]) -> None:
        """Raises TypeError or ValueError for arrays that the buffers cannot take."""
        if type(host) is not dict and not isinstance(host, Mapping):  # the first is quick
            raise TypeError(f"staging: host: expected arrays by name, found {type(host).__name__}")
        for name, array in host.items():
            if name not in self._buffers:
                raise ValueError(f"staging: {name}: expected one of {', '.join(self._buffers)}")
            if type(array) not in HOST.arrays:
                raise TypeError(f"staging: {name}: expected a NumPy array, found {type(array).__name__}")
            buffer = self._buffers[name]
            if array.dtype not in self._dtypes[name]:
                if not np.can_cast(array.dtype, buffer.dtype, "same_kind"):
                    raise TypeError(_unfit(name, buffer, array))
                if buffer.dtype.kind != "i" or np.can_cast(array.dtype, buffer.dtype, "safe"):
                    self._dtypes[name].add(array.dtype)
                else:
                    expect_held("staging", name, array, buffer.dtype)
            if array.ndim != buffer.ndim or array.shape[1:] != buffer.shape[1:] or len(array) > len(buffer):
                raise ValueError(_unfit(name, buffer, array))


def _unfit(name: str, buffer: Array, array: np.ndarray) -> str:
    return f"staging: {name}: expected up to {buffer.shape} {buffer.dtype}, found {array.shape} {array.dtype}"
