"""Rows as a step sees them: those of a lane that begins a sequence are zeros."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpurnn.backend import Argument, Array, FusedOp


def mask_rows(xp: Any, x: Array, carry: Array, y: Array) -> None:
    """y: overwritten with x carry. x, carry: read only."""
    xp.multiply(x, carry, out=y)


MASK_ROWS = FusedOp(
    "mask_rows",
    {"x": Argument(("N", "H")), "carry": Argument(("N", "1")), "y": Argument(("N", "H"), written=True)},
    mask_rows,
    source=Path(__file__).with_name("masked.cu"),
)
