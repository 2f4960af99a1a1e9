"""The squared error of real targets, its mean over what a target has.

loss = Σ (o - target)² / K,  do = 2 (o - target) / K weight scale
"""

from __future__ import annotations

from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.fields import Field
from gpurnn.network.config import ModelConfig
from gpurnn.network.heads.base import Head


def squared_with_error(
    xp: Any, o: Array, target: Array, weight: Array, scale: Array, losses: Array, squares: Array, factor: Array
) -> None:
    """o: (N, K), overwritten with its error do. losses: (N,), overwritten. squares: (N, K), factor: (N, 1), scratch.

    target: (N, K), weight: (N,), scale: (1,): read only.
    """
    n, outputs = o.shape
    squared(xp, o, target, losses, squares)
    each = factor[:n]
    xp.multiply(weight, scale, out=each[:, 0])
    xp.multiply(each, 2 / outputs, out=each)
    xp.multiply(o, each, out=o)


def squared(xp: Any, o: Array, target: Array, losses: Array, squares: Array) -> None:
    """losses: (N,), overwritten. o: (N, K), overwritten with o - target (N, K). squares: (N, K), scratch."""
    part = squares[: len(o)]
    xp.subtract(o, target, out=o)
    xp.multiply(o, o, out=part)
    xp.mean(part, axis=1, out=losses)


_N, _NK = Argument(("N",)), Argument(("N", "K"))
_O, _LOSSES = Argument(("N", "K"), written=True), Argument(("N",), written=True)
SQUARED_WITH_ERROR = FusedOp(
    "squared_with_error",
    {"o": _O, "target": _NK, "weight": _N, "scale": Argument(("1",)), "losses": _LOSSES},
    squared_with_error,
    {"squares": _NK, "factor": Argument(("N", "1"))},
)
SQUARED = FusedOp("squared", {"o": _O, "target": _NK, "losses": _LOSSES}, squared, {"squares": _NK})


class Squared(Head):
    """How much: K real numbers."""

    kind, unit = "squared", "squared error"
    error_op, loss_op = SQUARED_WITH_ERROR, SQUARED

    def __init__(self, config: ModelConfig, inputs: int) -> None:
        super().__init__(config, inputs, Field("targets", "real", config.output_width))
