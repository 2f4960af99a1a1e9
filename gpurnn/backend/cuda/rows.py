"""The row gather and its gradient on the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpurnn.backend.base import Array, RowGradient, RowPlan
from gpurnn.backend.checks import expect_plan, expect_rows
from gpurnn.backend.cuda.arrays import DEVICE, INDEX
from gpurnn.backend.cuda.kernels import WARP, Kernels
from gpurnn.backend.signature import ROW_GRADIENT, Signature

_SOURCE = Path(__file__).with_name("rows.cu")
_PARTS = 16  # of a run of equal rows, summed at the same time
_MOST_THREADS = 256  # of a block that walks along a row
DIMS = {"PARTS": _PARTS}


class Rows:
    """`gather_rows` and `row_gradient` of the contract."""

    def __init__(self, kernels: Kernels) -> None:
        self._kernels = kernels

    def gather(self, table: Array, index: Array, out: Array) -> None:
        """See `Backend.gather_rows`."""
        expect_rows(DEVICE, table, index, out)
        width = table.shape[1]
        if out.size:
            kernel = self._kernels.get(_SOURCE, "gather_rows", table.dtype, DIMS)
            sizes = (INDEX.type(len(table)), INDEX.type(width))
            kernel((len(index),), (_threads(width),), (table, index, out, *sizes))

    def gradient(self, n: int, rows: int, width: int, dtype: Any) -> RowGradient:
        """See `Backend.row_gradient`.

        It reads `d_out` once, whatever the table's size; a product with one-hot rows would be K times the arithmetic.
        """
        signature = Signature(DEVICE, "row_gradient", ROW_GRADIENT, dtype, {"N": n, "K": rows, "E": width})
        kernel = self._kernels.get(_SOURCE, "sum_runs", dtype, DIMS)
        tiles = -(-width // WARP)

        def gradient(d_out: Array, index: Array, plan: RowPlan, d_table: Array) -> None:
            m = signature.check(d_out, index, d_table)
            expect_plan(DEVICE, d_out, plan, d_table)
            d_table.fill(0)
            arguments = (d_out, plan.order, plan.starts, plan.rows, plan.runs, d_table)
            sizes = (INDEX.type(m), INDEX.type(rows), INDEX.type(width))
            kernel((min(m, rows), tiles), (WARP, _PARTS), (*arguments, *sizes))

        return gradient


def _threads(width: int) -> int:
    """Threads of a block that walks along a row: whole warps."""
    return min(-(-width // WARP) * WARP, _MOST_THREADS)
