"""Embedding input: x(t) is a row of a learnt table."""

from __future__ import annotations

from gpurnn.backend import Array
from gpurnn.exceptions import UsageError
from gpurnn.fields import Field
from gpurnn.network.batch import Batch
from gpurnn.network.config import ModelConfig
from gpurnn.network.params import Spec
from gpurnn.network.part import Binding, Lane, Named, Part, Pass
from gpurnn.network.signal import Rows, Signal


class Embedding(Part):
    """table: (K, E), one row a symbol."""

    name, kind, inputs = "embedding", "embedding", 0

    def __init__(self, config: ModelConfig) -> None:
        """Raises UsageError where the width is 0."""
        if not config.embedding:
            raise UsageError("embedding: expected at least 1 for the input embedding, found 0")
        self.outputs = config.embedding
        self.tokens = Field("tokens", "index", below=config.input_width, planned=True)
        self.fields = (self.tokens,)

    def specs(self) -> list[Spec]:
        return [Spec("embedding.table", (self.tokens.below, self.outputs), "normal")]

    def bind(self, to: Binding, x: Signal) -> Pass:
        return _EmbeddingPass(self, to)

    def step(self, lane: Lane, x: Signal) -> Signal:
        row = lane.empty(1, self.outputs)
        lane.calls.append(lane.symbols(self.tokens).row_times(lane.value(self)["table"], row))
        return lane.dense(row)


class _EmbeddingPass(Pass):
    """Rows of the table are the product of one-hot rows and it."""

    y: Rows

    def __init__(self, part: Embedding, to: Binding) -> None:
        super().__init__(part, to.dense(to.empty(to.rows, part.outputs), to.error(part.outputs)))
        self._be, self._lanes, self._symbols = to.be, to.lanes, to.symbols(part.tokens)
        gradient = to.gradient(part)["table"] if to.train else None
        self._rows = self._symbols.product(to.value(part)["table"], gradient)

    def forward(self, batch: Batch) -> None:
        self._rows.forward(self.y.value[: batch.steps * self._lanes])

    def backward(self, batch: Batch) -> None:
        assert self.y.error is not None
        self._rows.backward(self.y.error[: batch.steps * self._lanes])

    def errors_at(self, t: int, dy: Array | None) -> tuple[dict[str, Array], Array | None]:
        """Its error is the last that is written in a backward pass, so it is still there."""
        assert self.y.error is not None
        return {"embedding.dx": self.y.error[t * self._lanes : (t + 1) * self._lanes]}, None

    def gradients_at(self, t: int, dy: Array | None, gradient: Named) -> None:
        errors, _ = self.errors_at(t, dy)
        self._be.gemm(self._symbols.at(t).T, errors["embedding.dx"], gradient["table"])
