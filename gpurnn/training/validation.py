"""Forward only over a stream: the loss of each target, with the state carried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from gpurnn.data.stream import Window
from gpurnn.network import Model
from gpurnn.training.feed import Feed


class ForwardPass:
    """Buffers for running a model forward over windows of up to `steps` steps of `lanes` lanes."""

    def __init__(self, model: Model, lanes: int, steps: int) -> None:
        self._model, self._steps = model, steps
        self._ws = model.workspace(lanes, steps, train=False)
        self._feed = Feed(model.be, self._ws.batch)
        self.state = model.state(lanes)

    def losses(self, windows: Iterable[Window]) -> Iterator[tuple[Window, np.ndarray]]:
        """Each window with the nats of its targets, (T, B), a host copy; starts from `state` and carries it on.

        Where windows of one lane follow those of many, they go on from the last lane.
        """
        for window in self._feed.run(self._until_one_lane(windows)):
            self._model.forward(self._ws, self.state)
            self._model.carry_out(self._ws, self.state)
            self._model.loss(self._ws)
            nats = self._ws.nats[: window.tokens.size]
            yield window, self._model.be.to_host(nats).reshape(window.tokens.shape)
        if self._rest is not None:
            first, rest = self._rest
            tail = ForwardPass(self._model, 1, self._steps)
            for name, array in tail.state.named().items():
                array[...] = self.state.named()[name][-1:]
            yield from tail.losses(_chain(first, rest))

    def _until_one_lane(self, windows: Iterable[Window]) -> Iterator[Window]:
        self._rest: tuple[Window, Iterator[Window]] | None = None
        iterator = iter(windows)
        for window in iterator:
            if window.tokens.shape[1] != self._ws.lanes:
                self._rest = (window, iterator)
                return
            yield window


def _chain(first: Window, rest: Iterator[Window]) -> Iterator[Window]:
    yield first
    yield from rest


def mean_nats(passes: Iterable[tuple[Window, np.ndarray]]) -> float:
    """Nats per weighted target over what `ForwardPass.losses` gives; nan where no target has weight."""
    nats = weight = 0.0
    for window, loss in passes:
        nats += float(np.sum(loss * window.weight, dtype=np.float64))
        weight += window.weight_sum
    return nats / weight if weight else float("nan")
