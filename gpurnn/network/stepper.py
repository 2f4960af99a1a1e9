"""One step of one lane, for making text: what `Model.forward` does, in as few calls as it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpurnn.backend import Array
from gpurnn.exceptions import BackendError, UsageError
from gpurnn.network.cells import CELLS
from gpurnn.network.expect import expect_parameters, expect_state
from gpurnn.network.model import Model
from gpurnn.network.workspace import State
from gpurnn.settings import checked

_Call = tuple[Callable[..., Any], tuple[Any, ...]]


class Stepper:
    """Takes one symbol after another; every step is the same calls on the same arrays, looked up once.

    o: (1, K), the logits after the last step.
    """

    def __init__(self, model: Model) -> None:
        be, config = model.be, model.config
        expect_parameters(model.params)
        self._symbols = config.symbols
        self._model, self._token = model, be.zeros((1,), be.index_dtype)
        self._before, self._after = State(be, config, 1), State(be, config, 1)
        self.o = be.empty((1, config.symbols), config.real)
        self._calls = self._record()
        self._run()  # once, before it can be captured
        try:
            self._work = be.capture(self._run)
        except BackendError:
            self._work = self._run

    def begin(self, state: State) -> None:
        """Go on from a state of one lane, which stays as it is. Raises UsageError for another model's."""
        expect_state(state, self._after.kind)
        for mine, given in zip(self._after.layers, state.layers, strict=True):
            for name, array in mine.items():
                array[...] = given[name]

    def step(self, symbol: int) -> Array:
        """`o` after this symbol: overwritten by the next step. Raises UsageError for one outside the vocabulary."""
        if type(symbol) is not int:
            symbol = checked("symbol", int, symbol)
        if not 0 <= symbol < self._symbols:
            raise UsageError(f"symbol: expected 0 to {self._symbols - 1}, found {symbol}")
        self._token.fill(symbol)
        self._work()
        return self.o

    def _run(self) -> None:
        for call, arguments in self._calls:
            call(*arguments)

    def _record(self) -> list[_Call]:
        """The calls of a step in their order."""
        model, be, config = self._model, self._model.be, self._model.config
        value, real = model.params.value, config.real
        calls: list[_Call] = []
        x = None
        if config.embedding:
            x = be.empty((1, config.embedding), real)
            calls.append((be.gather_rows, (value["embedding.table"], self._token, x)))
        for number in range(config.layers):
            a = be.empty((1, CELLS[config.cell].gates * config.hidden), real)
            U = value[f"layers.{number}.U"]
            calls.append((be.gather_rows, (U, self._token, a)) if x is None else (be.bind_row(U), (x, a)))
            calls += self._layer(number, a)
            x = self._after.layers[number]["h"]
        calls.append((be.bind_row(value["output.V"]), (x, self.o)))
        calls.append((be.xp.add, (self.o, value["output.c"], self.o)))
        return calls

    def _layer(self, number: int, a: Array) -> list[_Call]:
        """The calls of a recurrent layer, from a = x U; the states after the last step are those before this one."""
        be, config = self._model.be, self._model.config
        cell, shape = CELLS[config.cell], (1, config.hidden)
        before, after = self._before.layers[number], self._after.layers[number]
        named = {"a": a, "r": be.empty(a.shape, config.real)}
        for name in cell.states:
            named |= {f"{name}_prev": before[name], name: after[name]}
        named |= {name: be.empty(shape, config.real) for name in cell.saved}
        named |= {b: self._model.params.value[f"layers.{number}.{b}"] for b in ("b", *cell.biases)}
        W = self._model.params.value[f"layers.{number}.W"]
        forward = be.bind(cell.forward, config.real, B=1, H=config.hidden)
        return [
            *((be.xp.copyto, (before[name], after[name])) for name in cell.states),
            (be.bind_row(W), (before["h"], named["r"])),
            (forward, tuple(named[name] for name in cell.forward.arguments)),
        ]
