"""Dropout with masks that depend on the seed, the layer and the window only. Source: Srivastava et al. 2014.

Each kept element is divided by 1 - p in training, so that evaluation needs no change.
"""

from __future__ import annotations

from gpurnn.backend import Array, Backend
from gpurnn.exceptions import UsageError
from gpurnn.network.batch import Batch
from gpurnn.network.config import ModelConfig
from gpurnn.network.part import Binding, Lane, Part, Pass
from gpurnn.network.signal import Rows, Signal


def dropout_forward(be: Backend, x: Array, mask: Array, y: Array) -> None:
    """y: overwritten with x * mask. All of one shape."""
    be.xp.multiply(x, mask, out=y)


def dropout_backward(be: Backend, dy: Array, mask: Array, dx: Array) -> None:
    """dx: overwritten with dy * mask; it may be dy."""
    be.xp.multiply(dy, mask, out=dx)


class Dropout(Part):
    """Sets each number to 0 with probability p, in training."""

    kind = "dropout"

    def __init__(self, config: ModelConfig, number: int, inputs: int) -> None:
        self.name, self.number, self.p = f"dropout.{number}", number, config.dropout
        self.inputs = self.outputs = inputs

    def bind(self, to: Binding, x: Signal) -> Pass:
        if not (to.train and self.p):
            return Pass(self, x)
        if not isinstance(x, Rows):
            raise UsageError(f"{self.name}: expected rows of numbers from the part before it, found symbols")
        return DropoutPass(self, to, x)

    def step(self, lane: Lane, x: Signal) -> Signal:
        return x


class DropoutPass(Pass):
    """mask: (T B, E), 0 or 1 / (1 - p), drawn anew for each window."""

    y: Rows

    def __init__(self, part: Dropout, to: Binding, x: Rows) -> None:
        shape = (to.rows, part.outputs)
        super().__init__(part, to.dense(to.empty(*shape), to.error(part.outputs)))
        self._be, self._lanes, self._x = to.be, to.lanes, x
        self.mask = to.empty(*shape)
        self._draw = to.be.dropout_mask(to.seed, part.number, part.p)

    def forward(self, batch: Batch) -> None:
        n = batch.steps * self._lanes
        mask = self.mask[:n]
        self._draw(mask, batch.window)
        dropout_forward(self._be, self._x.value[:n], mask, self.y.value[:n])

    def backward(self, batch: Batch) -> None:
        if self._x.error is not None:
            assert self.y.error is not None
            n = batch.steps * self._lanes
            dropout_backward(self._be, self.y.error[:n], self.mask[:n], self._x.error[:n])

    def errors_at(self, t: int, dy: Array | None) -> tuple[dict[str, Array], Array | None]:
        if dy is None or self._x.error is None:
            return {}, None
        return {}, dy * self.mask[t * self._lanes : (t + 1) * self._lanes]
