"""The encoder: a stack of layers over the source of a window, of which the steps see what starts and attention show.

It stands before the first part and hands no rows on to it: its rows reach whoever asks the binding for them.
"""

from __future__ import annotations

from dataclasses import replace

from gpurnn.backend import Array
from gpurnn.exceptions import UsageError
from gpurnn.fields import SOURCE_CARRY, Field
from gpurnn.network.batch import Batch
from gpurnn.network.config import ModelConfig
from gpurnn.network.params import Spec
from gpurnn.network.part import Binding, Lane, Named, Part, Pass
from gpurnn.network.signal import Rows, Signal
from gpurnn.network.stack import stacked


class Encoder(Part):
    """parts: its own input and layers, over windows whose tokens are the source.

    Their parameters have its name in front of theirs.
    """

    name, kind = "encoder", "encoder"
    inputs = outputs = 0

    def __init__(self, config: ModelConfig) -> None:
        """Raises UsageError where its last layer hands on rows of another width than `encoded_width`."""
        self.parts = stacked(
            ModelConfig(
                symbols=config.source,
                cell=config.cell,
                hidden=config.hidden,
                layers=config.layers,
                embedding=config.source_embedding,
                dropout=config.dropout,
                dtype=config.dtype,
                init=config.init,
                recurrent_init=config.recurrent_init,
                forget_bias=config.forget_bias,
                stack=config.encoder,
            )
        )
        found, expected = self.parts[-1].outputs, config.encoded_width
        if found != expected:
            raise UsageError(f"encoder: its last layer hands on rows of {found}; expected {expected}")
        (tokens,) = self.parts[0].fields
        self.fields = (replace(tokens, name="source", per="source"), Field(SOURCE_CARRY, "real", per="source"))

    def specs(self) -> list[Spec]:
        return [replace(spec, name=f"{self.name}.{spec.name}") for part in self.parts for spec in part.specs()]

    @property
    def step_fields(self) -> tuple[Field, ...]:
        """None: a step goes on from a state, whatever that came from."""
        return ()

    def bind(self, to: Binding, x: Signal) -> Pass:
        return EncoderPass(self, to)

    def step(self, lane: Lane, x: Signal) -> Signal:
        """Nothing: it is done before the first step."""
        return x


class EncoderPass(Pass):
    """rows: what it hands on, (S B, E), and its error, 0 after `encode`."""

    part: Encoder

    def __init__(self, part: Encoder, to: Binding) -> None:
        super().__init__(part, Signal())
        (tokens,), outer = part.parts[0].fields, to.batch
        self._batch = Batch(to.be, (), to.real, to.lanes, to.source, train=False)
        self._batch.fields, self._batch.arrays = (tokens,), {tokens.name: outer.arrays["source"]}
        if "source" in outer.plans:
            self._batch.plans[tokens.name] = outer.plans["source"]
        self._batch.carry = outer.arrays[SOURCE_CARRY].reshape(to.source, to.lanes, 1)
        self._batch.window = outer.window
        within, signal = to.within(part, self._batch), Signal()
        passes: list[Pass] = []
        for each in part.parts:
            passes.append(each.bind(within, signal))
            signal = passes[-1].y
        if not isinstance(signal, Rows):
            raise UsageError(f"{part.name}: expected rows of numbers from its last layer, found symbols")
        self._working = [each for each in passes if type(each) is not Pass]
        self.rows = to.encoded = signal
        self._gradient = to.gradient(part) if to.train else {}

    def encode(self, batch: Batch) -> None:
        self._follow(batch)
        for each in self._working:
            each.encode(self._batch)
        for each in self._working:
            each.forward(self._batch)
        if self.rows.error is not None:
            self.rows.error.fill(0)

    def backward(self, batch: Batch) -> None:
        """From the error of its rows, which is whole by now: it stands before all who read them."""
        self._follow(batch)
        for each in reversed(self._working):
            each.backward(self._batch)

    def gradients_at(self, t: int, dy: Array | None, gradient: Named) -> None:
        """All of them are of step 0, before which it was done."""
        for name, each in gradient.items():
            if t:
                each.fill(0)
            else:
                each[...] = self._gradient[name]

    def _follow(self, batch: Batch) -> None:
        """What the host knows of the source; anew in each pass, since a captured window runs none of this."""
        self._batch.begin(batch.source_steps, batch.source_boundary)
