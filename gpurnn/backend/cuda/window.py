"""Whole-window kernels: which of them a device can hold, and how their weights are spread over its chip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpurnn.backend.base import Array, WindowOp, extent
from gpurnn.backend.cuda.kernels import Kernels, checker

PRELUDE = Path(__file__).with_name("window.cu")
_WORKING_REGISTERS = 44  # of a thread, for all but its weights
_MOST_REGISTERS = 255  # that an instruction can name
_MOST_THREADS = 1024


@dataclass(frozen=True)
class Layout:
    """Where a block keeps its weights.

    registers: weights of each thread that stay in registers; shared: bytes of shared memory of a block; dims: what the
    kernel is compiled with.
    """

    threads: int
    registers: int
    shared: int
    dims: dict[str, int]


def layout(op: WindowOp, dims: Mapping[str, int], registers: int, shared: int) -> Layout | None:
    """How a device with these registers and bytes of shared memory for a block holds `op`; None where it cannot."""
    threads, length = extent(op.threads, dims), extent(op.weights, dims)
    if threads > _MOST_THREADS:
        return None
    padded = -(-length // 4) * 4
    warps = -(-threads // 32)
    for_each = min(registers // (warps * 32) // 8 * 8, _MOST_REGISTERS) - _WORKING_REGISTERS
    held = min(padded, for_each // 4 * 4)
    size = 4 * ((padded - held) * threads + op.vectors * padded + threads)
    if held < 4 or size > shared:
        return None
    sizes = {"THREADS": threads, "LENGTH": length, "PADDED": padded, "REGISTERS": held}
    return Layout(threads, held, size, {**dims, **sizes})


def bind(
    kernels: Kernels, device: Any, op: WindowOp, dtype: Any, dims: Mapping[str, int]
) -> Callable[..., None] | None:
    """See `Backend.bind_window`."""
    if np.dtype(dtype) != np.float32:
        return None
    limits = device.attributes
    plan = layout(op, dims, limits["MaxRegistersPerBlock"], limits["MaxSharedMemoryPerBlockOptin"])
    if plan is None:
        return None
    kernel = kernels.get(op.source, op.name, dtype, plan.dims, prelude=PRELUDE)
    if kernel.local_size_bytes:  # weights went to memory off the chip: no gain then
        return None
    kernel.max_dynamic_shared_size_bytes = plan.shared
    check = checker(op, dtype, dims)
    grid, block = (dims["B"],), (plan.threads,)

    def call(*arguments: Array) -> None:
        steps = check(arguments)
        kernel(grid, block, (*arguments, np.int32(steps)), shared_mem=plan.shared)

    return call
