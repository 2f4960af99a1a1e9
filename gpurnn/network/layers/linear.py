"""A linear layer over all rows of a window: y = x W + b."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpurnn.backend import Argument, Array, Backend, FusedOp


def add_bias(xp: Any, y: Array, b: Array) -> None:
    """y: (N, K), b is added to each of its rows. b: (K,)."""
    xp.add(y, b, out=y)


ADD_BIAS = FusedOp(
    "add_bias",
    {"y": Argument(("N", "K"), written=True), "b": Argument(("K",))},
    add_bias,
    source=Path(__file__).with_name("linear.cu"),
    threads="NK",
)


def linear_forward(be: Backend, x: Array, W: Array, y: Array) -> None:
    """y: (N, M), overwritten with x W; whoever reads y adds the bias, see `ADD_BIAS`. x: (N, E); W: (E, M)."""
    be.gemm(x, W, y)


def linear_backward(
    be: Backend, dy: Array, x: Array, W: Array, dW: Array, db: Array | None, dx: Array | None, ones: Array
) -> None:
    """dW: (E, M), db: (M,), dx: (N, E): overwritten, or left out where None. dy: (N, M); ones: (1, at least N)."""
    be.gemm(x.T, dy, dW)
    if db is not None:
        be.gemm(ones[:, : len(dy)], dy, db.reshape(1, -1))
    if dx is not None:
        be.gemm(dy, W.T, dx)
