"""One-hot input: symbols as they are; whoever multiplies them takes rows of a matrix."""

from __future__ import annotations

from gpurnn.fields import Field
from gpurnn.network.config import ModelConfig
from gpurnn.network.part import Binding, Lane, Part, Pass
from gpurnn.network.signal import Signal


class OneHot(Part):
    """x(t) is the one-hot row of the token."""

    name, kind, inputs = "input", "one_hot", 0

    def __init__(self, config: ModelConfig) -> None:
        self.outputs = config.input_width
        self._tokens = Field("tokens", "index", below=self.outputs, planned=True)
        self.fields = (self._tokens,)

    def bind(self, to: Binding, x: Signal) -> Pass:
        return Pass(self, to.symbols(self._tokens))

    def step(self, lane: Lane, x: Signal) -> Signal:
        return lane.symbols(self._tokens)
