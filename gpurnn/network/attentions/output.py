"""What a step makes of what it saw: out = tanh([c, y] W_o + b)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.network.linear import add_bias
from gpurnn.network.part import Binding, Declared
from gpurnn.network.signal import Rows

_SOURCE = Path(__file__).with_name("output.cu")
_ROWS, _WRITTEN = Argument(("N", "K")), Argument(("N", "K"), written=True)


def bias_tanh(xp: Any, y: Array, b: Array) -> None:
    """y: (N, K), overwritten with tanh(y + b). b: (K,)."""
    add_bias(xp, y, b)
    xp.tanh(y, out=y)


def tanh_error(xp: Any, d: Array, y: Array, dy: Array) -> None:
    """d: (N, K), overwritten with the error of what y is the tanh of. dy: that of y."""
    xp.multiply(y, y, out=d)
    xp.subtract(1, d, out=d)
    xp.multiply(d, dy, out=d)


BIAS_TANH = FusedOp("bias_tanh", {"y": _WRITTEN, "b": Argument(("K",))}, bias_tanh, source=_SOURCE)
TANH_ERROR = FusedOp("tanh_error", {"d": _WRITTEN, "y": _ROWS, "dy": _ROWS}, tanh_error, source=_SOURCE)


class Output:
    """The product, the bias and tanh, and their errors. dc: (T B, E), the error of c after `backward`."""

    def __init__(self, to: Binding, part: Declared, c: Array, x: Rows, y: Rows) -> None:
        value, width, dims = to.value(part), c.shape[1], {"N": to.rows, "K": y.width}
        self._be, self._c, self._x, self._y, self._b = to.be, c, x, y, value["b"]
        self._W_c, self._W_x = value["W_o"][:width], value["W_o"][width:]
        self._bias_tanh = to.be.bind(BIAS_TANH, to.real, **dims)
        if to.train:
            gradient = to.gradient(part)
            self._dW, self._db, self._ones, self._width = gradient["W_o"], gradient["b"], to.ones, width
            self._tanh_error = to.be.bind(TANH_ERROR, to.real, **dims)
            self._d, self.dc = to.empty(to.rows, y.width), to.empty(to.rows, width)

    def forward(self, n: int) -> None:
        """y of the first n rows."""
        y = self._y.value[:n]
        self._be.gemm(self._c[:n], self._W_c, y)
        self._be.gemm(self._x.value[:n], self._W_x, y, accumulate=True)
        self._bias_tanh(y, self._b)

    def backward(self, n: int) -> None:
        """dc, dW_o and db, and x's error as far as it comes by W_o: overwritten. x's may lie where y's does."""
        d = self._d[:n]
        assert self._y.error is not None
        self._tanh_error(d, self._y.value[:n], self._y.error[:n])
        self._be.gemm(d, self._W_c.T, self.dc[:n])
        self.gradients_at(slice(0, n), self._dW, self._db)
        if self._x.error is not None:
            self._be.gemm(d, self._W_x.T, self._x.error[:n])

    def error_at(self, rows: slice) -> Array:
        """The error of x in these rows as far as it comes by W_o. For looking: it allocates."""
        dx = self._be.empty((rows.stop - rows.start, self._x.width), self._d.dtype)
        self._be.gemm(self._d[rows], self._W_x.T, dx)
        return dx

    def gradients_at(self, rows: slice, dW: Array, db: Array) -> None:
        """dW, db: overwritten with those of these rows."""
        d, gemm = self._d[rows], self._be.gemm
        gemm(self._c[rows].T, d, dW[: self._width])
        gemm(self._x.value[rows].T, d, dW[self._width :])
        gemm(self._ones[:, : len(d)], d, db.reshape(1, -1))
