"""What the layers have made of a sequence when its last step was read."""

from __future__ import annotations

from gpurnn.exceptions import UsageError
from gpurnn.network.config import ModelConfig
from gpurnn.network.part import Binding, Lane, Part, Pass
from gpurnn.network.signal import Signal


class Last(Part):
    """Of layers in one direction: what they hand on."""

    name, kind = "pool", "last"

    def __init__(self, config: ModelConfig, inputs: int) -> None:
        if "both_directions" in config.stack:
            raise UsageError("pool: last is for layers in one direction")
        self.inputs = self.outputs = inputs

    def bind(self, to: Binding, x: Signal) -> Pass:
        return Pass(self, x)

    def step(self, lane: Lane, x: Signal) -> Signal:
        return x
