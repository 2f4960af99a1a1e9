"""Persistent kernels: which of them a device can hold, and how their weights are spread over its chip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpurnn.backend.base import Array
from gpurnn.backend.cuda.arrays import DEVICE
from gpurnn.backend.cuda.kernels import WARP, Kernels
from gpurnn.backend.declared import PersistentOp, extent
from gpurnn.backend.signature import Signature

PRELUDE = Path(__file__).with_name("persistent.cu")
_WORKING_REGISTERS = (44, 48, 56)  # of a thread, for all but its weights: as many as the compiler gets along with
_MOST_REGISTERS = 255  # that an instruction can name
_GRANTED = 8  # registers that a thread is granted at a time
_MOST_THREADS = 1024
_VECTOR = 4  # weights that are read at a time, as a float4
_FLOAT = 4  # bytes
_PARTS = 4  # of a multiprocessor, each with as many of its registers; a block's warps are dealt out to them


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


def most_registers(threads: int, registers: int) -> int:
    """How many registers each thread of a block can have, of those that a multiprocessor has."""
    warps_of_a_part = -(-threads // (WARP * _PARTS))
    granted = registers // _PARTS // (WARP * warps_of_a_part) // _GRANTED * _GRANTED
    return min(granted, _MOST_REGISTERS)


def layout(op: PersistentOp, dims: Mapping[str, int], registers: int, shared: int, working: int) -> Layout | str:
    """How a block with these registers and bytes of shared memory holds `op`; or why it cannot.

    working: registers of each thread that hold no weight.
    """
    threads, length = extent(op.threads, dims), extent(op.weights, dims)
    if threads > _MOST_THREADS:
        return f"it needs {threads} threads; a block has at most {_MOST_THREADS}"
    padded = -(-length // _VECTOR) * _VECTOR
    held = min(padded, (most_registers(threads, registers) - working) // _VECTOR * _VECTOR)
    if held < _VECTOR:
        return f"{threads} threads leave no registers for weights"
    size = _FLOAT * ((padded - held) * threads + op.vectors * padded + threads)
    if size > shared:
        return f"it needs {size / 1024:.1f} KiB of shared memory; a block has {shared / 1024:.1f}"
    sizes = {"THREADS": threads, "LENGTH": length, "PADDED": padded, "REGISTERS": held}
    return Layout(threads, held, size, {**dims, **sizes})


def fit(
    op: PersistentOp, dims: Mapping[str, int], registers: int, shared: int, spilled: Callable[[Layout], int]
) -> Layout | str:
    """The layout with the most weights in registers; or why there is none.

    spilled: compiles a layout and says how many bytes of a thread the compiler keeps in memory off the chip instead of
    in registers: with any there is no gain.
    """
    lost = 0
    for working in _WORKING_REGISTERS:
        plan = layout(op, dims, registers, shared, working)
        if isinstance(plan, str):
            return plan
        lost = spilled(plan)
        if not lost:
            return plan
    return f"the compiler keeps {lost} bytes of each thread in memory off the chip"


def prepare(
    kernels: Kernels, device: Any, op: PersistentOp, dtype: Any, dims: Mapping[str, int]
) -> tuple[Any, Layout] | str:
    """The compiled kernel of `op` and its layout; or why this device runs the loop over steps instead."""
    if np.dtype(dtype) != np.float32:
        return f"whole windows are computed in float32, not {np.dtype(dtype)}"

    def kernel(plan: Layout) -> Any:
        return kernels.get(op.source, op.name, dtype, plan.dims, prelude=PRELUDE)

    limits = device.attributes
    registers, shared = limits["MaxRegistersPerBlock"], limits["MaxSharedMemoryPerBlockOptin"]
    plan = fit(op, dims, registers, shared, lambda plan: int(kernel(plan).local_size_bytes))
    return plan if isinstance(plan, str) else (kernel(plan), plan)


def bind(
    kernels: Kernels, device: Any, op: PersistentOp, dtype: Any, dims: Mapping[str, int]
) -> Callable[..., None] | None:
    """See `Backend.bind_persistent`."""
    prepared = prepare(kernels, device, op, dtype, dims)
    if isinstance(prepared, str):
        return None
    kernel, plan = prepared
    kernel.max_dynamic_shared_size_bytes = plan.shared
    check = Signature(DEVICE, op.name, op.arguments, dtype, dims).check
    grid, block = (dims["B"],), (plan.threads,)

    def call(*arguments: Array) -> None:
        steps = check(*arguments)
        kernel(grid, block, (*arguments, np.int32(steps)), shared_mem=plan.shared)

    return call
