"""Host arrays to fixed device buffers, one window ahead: one asynchronous copy and one kernel a window."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import cupy
import numpy as np

from gpurnn.backend.base import STAGED_AHEAD, Array, Staging
from gpurnn.backend.copies import StagingChecks
from gpurnn.backend.cuda.arrays import DEVICE
from gpurnn.backend.cuda.current import on_own_device
from gpurnn.backend.cuda.kernels import Kernels
from gpurnn.exceptions import BackendError

_SOURCE = Path(__file__).with_name("staging.cu")
_ALIGN = 16  # bytes; where each array begins in a block
_THREADS = 256


class _Slot:
    """One block in pinned host memory, its twin on the device, and the events that say when each may be reused."""

    def __init__(self, size: int) -> None:
        self.pinned = cupy.cuda.alloc_pinned_memory(size)
        self.device = cupy.empty(size, np.uint8)
        self.uploaded = cupy.cuda.Event(block=True, disable_timing=True)
        self.unpacked = cupy.cuda.Event(block=True, disable_timing=True)
        self.unpacked.record()  # whatever used this memory before is done when the first upload begins


@on_own_device
class CudaStaging(Staging):
    """Two blocks, each holding every array of a window behind a header of their lengths.

    `push` writes a block and starts its upload on a copy stream; `pop` has the current stream wait for it and unpack
    it. The host waits only for the upload from the very block that it is about to overwrite, two windows ago.
    """

    def __init__(self, kernels: Kernels, buffers: Mapping[str, Array]) -> None:
        self._checks = StagingChecks(DEVICE, buffers)
        self._buffers = dict(buffers)
        self.number = cupy.cuda.runtime.getDevice()
        header = np.dtype(np.int64).itemsize * len(buffers)
        self._offsets: dict[str, int] = {}
        self._size = _aligned(header)
        for name, buffer in buffers.items():
            self._offsets[name] = self._size
            self._size += _aligned(buffer.nbytes)
        table = [(b.data.ptr, self._offsets[name] // 4) for name, b in self._buffers.items()]
        self._table = cupy.array(table, dtype=np.int64)
        self._kernel = kernels.get(_SOURCE, "unpack", np.float32)
        longest = max(b.nbytes for b in buffers.values()) // 4
        self._grid = (min(-(-longest // _THREADS), 1024), len(buffers))
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self._slots = [_Slot(self._size) for _ in range(STAGED_AHEAD)]
        self._views = [self._host_views(slot) for slot in self._slots]
        self._lengths = [np.frombuffer(slot.pinned, np.int64, len(buffers)) for slot in self._slots]
        self._pushed = self._popped = 0

    def __del__(self) -> None:
        """The blocks may be given to others only when uploads on their way no longer read and write them."""
        with suppress(Exception):
            self._stream.synchronize()

    def push(self, host: Mapping[str, np.ndarray]) -> None:
        if self._pushed - self._popped == len(self._slots):
            raise BackendError("staging: two sets are on their way already; pop one before the next push")
        self._checks.arrays(host)
        number = self._pushed % len(self._slots)
        slot, views, lengths = self._slots[number], self._views[number], self._lengths[number]
        slot.uploaded.synchronize()
        lengths[:] = 0
        for position, name in enumerate(self._buffers):
            if name in host:
                source = host[name]
                part = views[name][: len(source)]
                np.copyto(part, source, casting="same_kind")
                lengths[position] = part.nbytes // 4
        stream = self._stream
        stream.wait_event(slot.unpacked)
        kind = cupy.cuda.runtime.memcpyHostToDevice
        cupy.cuda.runtime.memcpyAsync(slot.device.data.ptr, slot.pinned.ptr, self._size, kind, stream.ptr)
        slot.uploaded.record(stream)
        self._pushed += 1

    def pop(self) -> None:
        if self._pushed == self._popped:
            raise BackendError("staging: nothing was pushed")
        slot = self._slots[self._popped % len(self._slots)]
        stream = cupy.cuda.get_current_stream()
        stream.wait_event(slot.uploaded)
        self._kernel(self._grid, (_THREADS,), (slot.device, self._table))
        slot.unpacked.record(stream)
        self._popped += 1

    def _host_views(self, slot: _Slot) -> dict[str, np.ndarray]:
        """The arrays of a block as NumPy sees them."""
        views: dict[str, Any] = {}
        for name, buffer in self._buffers.items():
            count = math.prod(buffer.shape)
            flat = np.frombuffer(slot.pinned, buffer.dtype, count, self._offsets[name])
            views[name] = flat.reshape(buffer.shape)
        return views


def _aligned(size: int) -> int:
    return -(-size // _ALIGN) * _ALIGN
