"""Real input: x(t) is a row of real numbers, as the window has it."""

from __future__ import annotations

from gpurnn.fields import Field
from gpurnn.network.config import ModelConfig
from gpurnn.network.part import Binding, Lane, Part, Pass
from gpurnn.network.signal import Signal


class Real(Part):
    """x(t) is the field `reals`, F numbers a step."""

    name, kind, inputs = "input", "real", 0

    def __init__(self, config: ModelConfig) -> None:
        self.outputs = config.input_width
        self.fields = (Field("reals", "real", self.outputs),)

    def bind(self, to: Binding, x: Signal) -> Pass:
        return Pass(self, to.dense(to.batch.arrays["reals"], None))

    def step(self, lane: Lane, x: Signal) -> Signal:
        return lane.dense(lane.arrays["reals"])
