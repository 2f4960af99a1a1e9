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
        self._model = model
        self._ws = model.workspace(lanes, steps, train=False)
        self._feed = Feed(model.be, self._ws.batch)
        self.state = model.state(lanes)

    def losses(self, windows: Iterable[Window]) -> Iterator[tuple[Window, np.ndarray]]:
        """Each window with the nats of its targets, (T, B), a host copy; starts from `state` and carries it on."""
        for window in self._feed.run(windows):
            self._model.forward(self._ws, self.state)
            self._model.carry_out(self._ws, self.state)
            self._model.loss(self._ws)
            nats = self._ws.nats[: window.tokens.size]
            yield window, self._model.be.to_host(nats).reshape(window.tokens.shape)


def mean_nats(passes: Iterable[tuple[Window, np.ndarray]]) -> float:
    """Nats per weighted target over what `ForwardPass.losses` gives; nan where no target has weight."""
    nats = weight = 0.0
    for window, loss in passes:
        nats += float(np.sum(loss * window.weight, dtype=np.float64))
        weight += window.weight_sum
    return nats / weight if weight else float("nan")
