"""Many sequences that a decoder makes side by side, one step of all of them at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.stream import Cursor, Window
from gpurnn.fields import Sizes
from gpurnn.network import Model
from gpurnn.network.tables import ATTENTIONS
from gpurnn.training.feed import Feed


class DecoderLanes:
    """The buffers of a model for so many lanes, each of which makes one sequence.

    lanes: B. source: steps of the longest source that they have room for.
    """

    def __init__(self, model: Model, lanes: int, source: int) -> None:
        self.lanes, self.source = lanes, source
        self._model, self._be = model, model.be
        self._ws = model.workspace(lanes, 1, source=source, sequences=lanes, train=False)
        self._feed = Feed(model.be, self._ws.batch)
        self._state = model.state(lanes)
        self._attention: Any = next((each for each in self._ws.passes if each.part.kind in ATTENTIONS), None)
        self._first = True
        self._source: tuple[Any, ...] = ()

    def begin(self, sources: Sequence[NDArray[Any]], copies: int = 1) -> None:
        """Each lane begins another sequence: `copies` of them the first source, as many the next, and so on.

        sources: (n,) symbols, or a vector; of as many as there is room for.
        """
        batch = self._ws.batch
        self._feed.load(self._window(sources, copies))
        self._model.encode(self._ws)
        self._source = batch.source_steps, batch.source_boundary
        self._state.reset()
        self._first = True

    def step(self, symbols: NDArray[np.int32]) -> NDArray[Any]:
        """The outputs of all lanes, (B, K), a host copy, after they have read another symbol each, (B,)."""
        batch, model = self._ws.batch, self._model
        self._be.from_host(symbols, out=batch.tokens)
        batch.carry.fill(0 if self._first else 1)
        batch.begin(1, [True] if self._first else None, *self._source)
        model.decode(self._ws, self._state)
        model.carry_out(self._ws, self._state)
        self._first = False
        return self._be.to_host(self._ws.o)

    def attended(self) -> NDArray[np.int32]:
        """The step of its source that each lane has looked at the most in its last step, (B,)."""
        weights = self._be.to_host(self._attention.weights)
        most: NDArray[np.int32] = weights.argmax(axis=1).astype(np.int32)
        return most

    def move(self, lanes: NDArray[np.int64]) -> None:
        """Each lane goes on from what one of these lanes has read, (B,)."""
        self._take(self, lanes)

    def adopt(self, other: Self, lanes: NDArray[np.int64], sources: Sequence[NDArray[Any]], copies: int) -> None:
        """The first lanes go on from what these lanes of another have read. sources, copies: theirs, as in `begin`."""
        if self._attention is not None or not self._ws.encoded:
            self.begin(sources, copies)  # without attention nothing is seen of a source after the first step
        self._take(other, lanes)
        self._first = other._first

    def _take(self, other: Self, lanes: NDArray[np.int64]) -> None:
        index = self._be.from_host(lanes)
        for mine, theirs in zip(self._state.layers, other._state.layers, strict=True):
            for name, array in mine.items():
                array[: len(lanes)] = theirs[name][index]

    def _window(self, sources: Sequence[NDArray[Any]], copies: int) -> Window:
        """One step of each lane, beside the source of each."""
        count, longest = len(sources) * copies, 1
        if self._ws.batch.sizes.source:
            longest = max(map(len, sources))
        sizes = Sizes(self.lanes, 1, longest, self.lanes)
        types = {"index": np.int32, "real": np.float32}
        arrays = {
            each.name: np.zeros(each.shape(*sizes.leading(each.per)), types[each.kind]) for each in self._model.fields
        }
        every = np.arange(self.lanes)
        last = np.zeros(self.lanes, np.int64)
        for number, each in enumerate(sources):
            lanes = slice(number * copies, (number + 1) * copies)
            if "vectors" in arrays:
                arrays["vectors"][lanes] = each
            else:
                arrays["source"][: len(each), lanes] = each[:, None]
                arrays["source_carry"][1 : len(each), lanes] = 1
                last[lanes] = len(each) - 1
        places = {
            "pair": every[None],
            "source_first": every,
            "source_last": last * self.lanes + every,
            "target_first": every,
            "target_last": every,
            "there": every < count,
        }
        for name in arrays.keys() & places.keys():
            arrays[name][...] = places[name]
        steps = np.zeros((1, self.lanes), np.float32)
        return Window(
            0,
            0,
            carry=steps,
            weight=steps,
            has_boundary=True,
            uniform=False,
            weight_sum=0.0,
            cursor=Cursor(1, self.lanes, 1, 0),
            fields=arrays,
        )
