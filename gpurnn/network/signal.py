"""What one part of a network hands to the next: rows of numbers, or symbols that stand for one-hot rows.

Whoever reads a signal asks it for a product x W and need not know which it is. No one-hot row is ever formed in
training: the product of symbols is a gather of rows of W, and its gradient a sum of rows in a planned order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from gpurnn.backend import Array, Backend, RowPlan


class Call(NamedTuple):
    """A function and its arguments, to be called again and again."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Product(Protocol):
    """y = x W of a signal x, for windows of any number of steps; n = T B of the window at hand."""

    def forward(self, y: Array) -> None:
        """y: (n, M), overwritten with x W."""

    def backward(self, dy: Array) -> None:
        """dW: (E, M), overwritten with the sum of x(t) dy(t); the signal's error, where it has one, with dy W^T.

        dy: (n, M), read only.
        """


class Signal:
    """The rows x (T B, E) of a window. This class itself is what the first part gets: no rows, of width 0.

    error: (T B, E), ∂J/∂x, which whoever reads the signal overwrites; None where nobody wants it. It may lie in the
    same memory as the error of what the reader hands on.
    """

    width: int = 0
    error: Array | None = None

    def product(self, W: Array, dW: Array | None) -> Product:
        """The product with W (E, M), with the buffers that it needs. dW: its gradient; None: forward only."""
        raise NotImplementedError

    def row_times(self, W: Array, y: Array) -> Call:
        """The call that sets y (1, M) to x W, for a signal of one row."""
        raise NotImplementedError

    def at(self, t: int) -> Array:
        """Its rows of step t, (B, E), for looking."""
        raise NotImplementedError


class Rows(Signal):
    """Rows that are there. value: (T B, E)."""

    def __init__(self, be: Backend, value: Array, lanes: int, error: Array | None = None) -> None:
        self._be, self.value, self.error, self._lanes = be, value, error, lanes
        self.width = value.shape[1]

    def product(self, W: Array, dW: Array | None) -> Product:
        return _RowsProduct(self._be, self, W, dW)

    def row_times(self, W: Array, y: Array) -> Call:
        return Call(self._be.bind_row(W), (self.value, y))

    def at(self, t: int) -> Array:
        return self.value[t * self._lanes : (t + 1) * self._lanes]


class Symbols(Signal):
    """One-hot rows of width K that are kept as symbols.

    index: (T B,), each below K. plan: in which order row gradients are summed.
    """

    def __init__(self, be: Backend, index: Array, width: int, real: Any, lanes: int, plan: RowPlan | None) -> None:
        """real: dtype of the rows."""
        self._be, self._real, self._lanes = be, real, lanes
        self.index, self.width, self.plan = index, width, plan

    def product(self, W: Array, dW: Array | None) -> Product:
        return _SymbolsProduct(self._be, self, W, dW)

    def row_times(self, W: Array, y: Array) -> Call:
        return Call(self._be.gather_rows, (W, self.index, y))

    def at(self, t: int) -> Array:
        symbols = self.index[t * self._lanes : (t + 1) * self._lanes]
        return (symbols[:, None] == self._be.xp.arange(self.width)).astype(self._real)


class _RowsProduct:
    def __init__(self, be: Backend, x: Rows, W: Array, dW: Array | None) -> None:
        self._gemm, self._x, self._error, self._W, self._dW = be.gemm, x.value, x.error, W, dW

    def forward(self, y: Array) -> None:
        self._gemm(self._x[: len(y)], self._W, y)

    def backward(self, dy: Array) -> None:
        n = len(dy)
        self._gemm(self._x[:n].T, dy, self._dW)
        if self._error is not None:
            self._gemm(dy, self._W.T, self._error[:n])


class _SymbolsProduct:
    def __init__(self, be: Backend, x: Symbols, W: Array, dW: Array | None) -> None:
        self._gather, self._index, self._W, self._dW = be.gather_rows, x.index, W, dW
        self._plan: Any = x.plan  # None where this backend reads none
        if dW is not None:
            rows, width = W.shape
            self._gradient = be.row_gradient(len(x.index), rows, width, W.dtype)

    def forward(self, y: Array) -> None:
        self._gather(self._W, self._index[: len(y)], y)

    def backward(self, dy: Array) -> None:
        self._gradient(dy, self._index[: len(dy)], self._plan, self._dW)
