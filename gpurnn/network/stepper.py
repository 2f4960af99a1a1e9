"""One step of one lane, for making text: what `Model.forward` does, in as few calls as it takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpurnn.backend import Array
from gpurnn.exceptions import BackendError, UsageError
from gpurnn.fields import Field, joined
from gpurnn.network.expect import expect_parameters, expect_state
from gpurnn.network.model import Model
from gpurnn.network.part import Lane
from gpurnn.network.signal import Rows, Signal
from gpurnn.network.state import State, carrying
from gpurnn.settings import checked


class Stepper:
    """Takes one symbol, or one row of real numbers, after another; every step is the same calls on the same arrays.

    o: (1, K), the outputs after the last step. x: (1,) or (1, F), what the next step reads. state: that of one lane
    after the last step, which the next one goes on from. Who steps through many sequences in turn writes both himself:
    `x`, and the arrays of `state`, and calls `run`.
    Raises UsageError for a model whose parts, but for the head, read more than one field.
    """

    def __init__(self, model: Model) -> None:
        be, real, parts = model.be, model.config.real, model.parts
        expect_parameters(model.params)
        fields = joined((part.name, field) for part in parts[:-1] for field in part.step_fields)
        if len(fields) != 1:
            names = ", ".join(field.name for field in fields) or "none"
            raise UsageError(f"model: expected parts that read one field to step with, found {names}")
        self._be, self._field = be, fields[0]
        self.x = be.zeros(self._field.shape(1), be.index_dtype if self._field.kind == "index" else real)
        self._before, self.state = State(be, parts, real, 1), State(be, parts, real, 1)
        before, after = (
            {part.name: layer for part, layer in zip(carrying(parts), state.layers, strict=True)}
            for state in (self._before, self.state)
        )
        lane = Lane(be, model.params, {self._field.name: self.x}, before, after)
        signal = Signal()
        for part in parts:
            signal = part.step(lane, signal)
        assert isinstance(signal, Rows)
        self.o = signal.value
        self._calls = lane.calls
        self._run()  # once, before it can be captured
        try:
            self._work = be.capture(self._run)
        except BackendError:
            self._work = self._run

    def begin(self, state: State) -> None:
        """Go on from a state of one lane, which stays as it is. Raises UsageError for another model's."""
        expect_state(state, self.state.kind)
        for mine, given in zip(self.state.layers, state.layers, strict=True):
            for name, array in mine.items():
                array[...] = given[name]

    def step(self, x: Any) -> Array:
        """`o` after this input: overwritten by the next step.

        x: a symbol, or as many finite real numbers as the input reads. Raises UsageError for any other.
        """
        if self._field.kind == "index" and not self._field.width:
            self.x.fill(_symbol(self._field, x))
        else:
            self._be.from_host(_numbers(self._field, x, self.x.dtype), out=self.x)
        self._work()
        return self.o

    def run(self) -> Array:
        """`o` after the input in `x`, which is not looked at: finite numbers, or a symbol that there is."""
        self._work()
        return self.o

    def _run(self) -> None:
        for call, arguments in self._calls:
            call(*arguments)


def _symbol(field: Field, x: Any) -> int:
    symbol: int = x if type(x) is int else checked("symbol", int, x)
    if not 0 <= symbol < field.below:
        raise UsageError(f"symbol: expected 0 to {field.below - 1}, found {symbol}")
    return symbol


def _numbers(field: Field, x: Any, dtype: Any) -> np.ndarray:
    row = np.asarray(x)
    if row.shape != field.shape() or row.dtype.kind not in "iuf" or not (np.abs(row) <= np.finfo(dtype).max).all():
        raise UsageError(f"{field.name}: expected finite real numbers, {field.shape()}, found {row.shape} {row.dtype}")
    return row.reshape(field.shape(1)).astype(dtype)
