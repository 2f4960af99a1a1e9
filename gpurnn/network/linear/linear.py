"""A linear layer over all rows of a window: y = x W + b."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpurnn.backend import Argument, Array, Backend, FusedOp
from gpurnn.network.part import Binding
from gpurnn.network.signal import Signal


def add_bias(xp: Any, y: Array, b: Array) -> None:
    """y: (N, K), b is added to each of its rows. b: (K,)."""
    xp.add(y, b, out=y)


ADD_BIAS = FusedOp(
    "add_bias",
    {"y": Argument(("N", "K"), written=True), "b": Argument(("K",))},
    add_bias,
    source=Path(__file__).with_name("linear.cu"),
)


class Linear:
    """y = x W + b in a workspace: the product, the bias, and their gradients."""

    def __init__(
        self, to: Binding, x: Signal, W: Array, b: Array, dW: Array | None = None, db: Array | None = None
    ) -> None:
        """W: (E, M), b: (M,), dW, db: their gradients; None: forward only."""
        self._be, self._x, self._W, self._b, self._db = to.be, x, W, b, db
        self._xW = x.product(W, dW)
        self._add_bias = to.be.bind(ADD_BIAS, to.real, N=to.rows, K=W.shape[1])
        if db is not None:
            self._ones = to.ones

    def forward(self, y: Array) -> None:
        """y: (n, M), overwritten."""
        self._xW.forward(y)
        self._add_bias(y, self._b)

    def backward(self, dy: Array) -> None:
        """dW, db and the error of x: overwritten, see `Product.backward`. dy: (n, M), read only."""
        self._xW.backward(dy)
        self._sum(dy, self._db)

    def error_at(self, dy: Array) -> Array | None:
        """The error (B, E) of x(t), from that of y(t), dy (B, M); None where nobody wants it."""
        return error_at(self._be, self._x, self._W, dy)

    def gradients_at(self, t: int, dy: Array, dW: Array, db: Array) -> None:
        """dW, db: overwritten with those of step t. dy: (B, M), the error of y(t)."""
        self._be.gemm(self._x.at(t).T, dy, dW)
        self._sum(dy, db)

    def _sum(self, dy: Array, db: Array) -> None:
        self._be.gemm(self._ones[:, : len(dy)], dy, db.reshape(1, -1))


def error_at(be: Backend, x: Signal, W: Array, dy: Array) -> Array | None:
    """dy W^T, the error (B, E) of what was read in one step; None where nobody wants it. For looking: it allocates."""
    if x.error is None:
        return None
    dx = be.empty((len(dy), x.width), dy.dtype)
    be.gemm(dy, W.T, dx)
    return dx
