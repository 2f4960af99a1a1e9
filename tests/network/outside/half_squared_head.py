"""A head: half the squared error of real goals, Σ (o - goal)² / 2, of a field of its own."""

from __future__ import annotations

from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.fields import Field
from gpurnn.network import ModelConfig
from gpurnn.network.heads import Head


def error(xp: Any, o: Array, goal: Array, weight: Array, scale: Array, losses: Array, squares: Array) -> None:
    """o: (N, K), overwritten with (o - goal) weight scale. losses: (N,), overwritten."""
    loss(xp, o, goal, losses, squares)
    xp.multiply(o, weight[:, None], out=o)
    xp.multiply(o, scale, out=o)


def loss(xp: Any, o: Array, goal: Array, losses: Array, squares: Array) -> None:
    """losses: (N,), overwritten. o: (N, K), overwritten with o - goal."""
    part = squares[: len(o)]
    xp.subtract(o, goal, out=o)
    xp.multiply(o, o, out=part)
    xp.sum(part, axis=1, out=losses)
    xp.multiply(losses, 0.5, out=losses)


_NK, _TO_NK, _TO_N = Argument(("N", "K")), Argument(("N", "K"), written=True), Argument(("N",), written=True)


class HalfSquaredHead(Head):
    """K goals a step."""

    kind, unit = "half-squared", "half the squared error"
    error_op = FusedOp(
        "half_squared_error",
        {"o": _TO_NK, "goal": _NK, "weight": Argument(("N",)), "scale": Argument(("1",)), "losses": _TO_N},
        error,
        {"squares": _NK},
    )
    loss_op = FusedOp("half_squared", {"o": _TO_NK, "goal": _NK, "losses": _TO_N}, loss, {"squares": _NK})

    def __init__(self, config: ModelConfig, inputs: int) -> None:
        super().__init__(config, inputs, Field("goals", "real", config.output_width))
