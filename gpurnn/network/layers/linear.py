"""A linear layer over all rows of a window: y = x W + b."""

from __future__ import annotations

from gpurnn.backend import Array, Backend


def linear_forward(be: Backend, x: Array, W: Array, b: Array | None, y: Array) -> None:
    """y: (N, M), overwritten with x W + b. x: (N, E); W: (E, M); b: (M,), or None where the reader of y adds it."""
    be.gemm(x, W, y)
    if b is not None:
        be.xp.add(y, b, out=y)


def linear_backward(
    be: Backend, dy: Array, x: Array, W: Array, dW: Array, db: Array | None, dx: Array | None, ones: Array
) -> None:
    """dW: (E, M), db: (M,), dx: (N, E): overwritten, or left out where None. dy: (N, M); ones: (1, at least N)."""
    be.gemm(x.T, dy, dW)
    if db is not None:
        be.gemm(ones[:, : len(dy)], dy, db.reshape(1, -1))
    if dx is not None:
        be.gemm(dy, W.T, dx)
