"""The row gather and its gradient on the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpurnn.backend.base import Array, RowGradient, RowPlan
from gpurnn.backend.cuda.kernels import INDEX, Kernels
from gpurnn.exceptions import BackendError

_SOURCE = Path(__file__).with_name("rows.cu")
_PARTS = 16  # of a run of equal rows, summed at the same time
DIMS = {"PARTS": _PARTS}


class Rows:
    """`gather_rows` and `row_gradient` of the contract."""

    def __init__(self, kernels: Kernels) -> None:
        self._kernels = kernels

    def gather(self, table: Array, index: Array, out: Array) -> None:
        """See `Backend.gather_rows`."""
        width = table.shape[1]
        if out.shape != (*index.shape, width) or table.dtype != out.dtype or index.dtype != INDEX:
            raise BackendError(
                f"gather_rows: found table {table.shape} {table.dtype}, index {index.shape} {index.dtype}, "
                f"out {out.shape} {out.dtype}; expected (K, E), (n,) {INDEX}, (n, E)"
            )
        _expect_contiguous("gather_rows", table=table, index=index, out=out)
        if out.size:
            kernel = self._kernels.get(_SOURCE, "gather_rows", table.dtype, DIMS)
            kernel((len(index),), (_threads(width),), (table, index, out, INDEX.type(width)))

    def gradient(self, n: int, rows: int, width: int, dtype: Any) -> RowGradient:
        """See `Backend.row_gradient`: a sum for each run of equal rows in the plan's order.

        It reads `d_out` once, whatever the table's size; a product with one-hot rows would be K times the arithmetic.
        """
        kernel = self._kernels.get(_SOURCE, "sum_runs", dtype, DIMS)
        tiles = -(-width // 32)

        def gradient(d_out: Array, index: Array, plan: RowPlan, d_table: Array) -> None:
            m = len(d_out)
            _expect_contiguous("row_gradient", d_out=d_out, d_table=d_table)
            d_table.fill(0)
            arguments = (d_out, plan.order, plan.starts, plan.rows, plan.runs, d_table)
            sizes = (INDEX.type(m), INDEX.type(width))
            kernel((min(m, rows), tiles), (32, _PARTS), (*arguments, *sizes))

        return gradient


def _threads(width: int) -> int:
    """Threads of a block that walks along a row: whole warps, at most 256."""
    return min(-(-width // 32) * 32, 256)


def _expect_contiguous(operation: str, **arrays: Array) -> None:
    for name, array in arrays.items():
        if not array.flags.c_contiguous:
            raise BackendError(f"{operation}: {name}: expected a contiguous array, found strides {array.strides}")
