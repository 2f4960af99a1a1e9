"""The loss of a window: J = scale Σ weight loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpurnn.backend import Argument, Array, FusedOp


def weighted_loss(xp: Any, losses: Array, weight: Array, scale: Array, loss: Array, product: Array) -> None:
    """loss: (1,) float64, overwritten. losses, weight: (N,), scale: (1,): read only. product: (N,), scratch."""
    part = product[: len(losses)]
    xp.multiply(losses, weight, out=part)
    xp.multiply(part, scale, out=part)
    xp.sum(part, keepdims=True, dtype=loss.dtype, out=loss)


_N = Argument(("N",))
WEIGHTED_LOSS = FusedOp(
    "weighted_loss",
    {"losses": _N, "weight": _N, "scale": Argument(("1",)), "loss": Argument(("1",), "double", written=True)},
    weighted_loss,
    {"product": _N},
    source=Path(__file__).with_name("loss.cu"),
)
