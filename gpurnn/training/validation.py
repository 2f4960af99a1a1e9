"""Forward only over a stream: the loss of each target, with the state carried, and what it says of each lane."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from gpurnn.data.stream import Window
from gpurnn.network import Model
from gpurnn.network.heads import Head
from gpurnn.training.feed import Feed, WindowSource


class ForwardPass:
    """Buffers for running a model forward over windows of up to `steps` steps of `lanes` lanes.

    source, sequences, labels: see `Model.workspace`.
    """

    def __init__(
        self, model: Model, lanes: int, steps: int, source: int = 0, sequences: int = 0, labels: int = 0
    ) -> None:
        self._model = model
        self._ws = model.workspace(lanes, steps, source=source, sequences=sequences, labels=labels, train=False)
        self._feed = Feed(model.be, self._ws.batch)
        self.state = model.state(lanes)

    def losses(self, windows: WindowSource | Iterable[Window]) -> Iterator[tuple[Window, np.ndarray]]:
        """Each window with the loss of each target, (T, B), a host copy; starts from `state` and carries it on."""
        for window in self._forward(windows):
            yield window, self._losses(window)

    def outputs(self, windows: WindowSource | Iterable[Window]) -> Iterator[tuple[Window, np.ndarray, np.ndarray]]:
        """The same with the outputs, (T, B, K), a host copy, between window and losses."""
        for window, outputs in self.logits(windows):
            yield window, outputs, self._losses(window)

    def logits(self, windows: WindowSource | Iterable[Window]) -> Iterator[tuple[Window, np.ndarray]]:
        """Each window with the outputs alone, (T, B, K), a host copy."""
        for window in self._forward(windows):
            outputs = self._model.be.to_host(self._ws.o[: window.carry.size])
            yield window, outputs.reshape(*window.carry.shape, -1)

    def _forward(self, windows: WindowSource | Iterable[Window]) -> Iterator[Window]:
        for window in self._feed.run(windows):
            self._model.forward(self._ws, self.state)
            self._model.carry_out(self._ws, self.state)
            yield window

    def _losses(self, window: Window) -> np.ndarray:
        """Uses the outputs up."""
        self._model.loss(self._ws)
        return self._model.be.to_host(self._ws.losses[: window.carry.size]).reshape(window.carry.shape)


@dataclass(frozen=True)
class LaneLosses:
    """The mean loss of weighted targets over several lanes, each read from where a sequence begins.

    mean: over all lanes; nan where no target has weight. median: of the lanes' means. stuck: how many lanes are: their
    mean is above what the head says of the median, see `Head.stuck_from`. So is a lane whose state has come to
    a place that it does not leave again; the model may be good even so. sound: the mean over the lanes that are not
    stuck.
    """

    mean: float
    median: float
    stuck: int
    sound: float

    def judged(self, counted_lanes: str) -> float:
        """What decides which parameters are the best: of all lanes, or of those that are sound."""
        return self.mean if counted_lanes == "all" else self.sound

    def in_words(self) -> str:
        """What a person is told of the mean, where it is finite."""
        return f"{self.mean:.4f} nats a token"

    def to_json(self) -> dict[str, float | int | None]:
        """What the log says of it."""
        return {
            "valid_nats_per_token": self.mean if math.isfinite(self.mean) else None,
            "stuck_lanes": self.stuck,
            "median_nats_per_token": self.median if math.isfinite(self.median) else None,
        }


class LaneSums:
    """Adds up the loss of each of `lanes` lanes, window by window."""

    def __init__(self, lanes: int) -> None:
        self._loss, self._weight = np.zeros(lanes), np.zeros(lanes)
        self._total = 0.0

    def add(self, window: Window, losses: np.ndarray) -> None:
        """losses: (T, B), of each target of the window."""
        weighted = losses * window.weight
        self._total += float(np.sum(weighted, dtype=np.float64))
        self._loss += weighted.sum(axis=0, dtype=np.float64)
        self._weight += window.weight.sum(axis=0, dtype=np.float64)

    def losses(self, head: Head) -> LaneLosses:
        """What was added up so far. head: of the model."""
        seen = self._weight > 0
        loss, weight = self._loss[seen], self._weight[seen]
        if not len(weight):
            return LaneLosses(math.nan, math.nan, 0, math.nan)
        means = np.where(np.isnan(loss), math.inf, loss / weight)
        mean, median = self._total / float(weight.sum()), float(np.median(means))
        if not math.isfinite(median):
            return LaneLosses(mean, median, 0, mean)
        sound = means <= head.stuck_from(median)
        if sound.all():
            return LaneLosses(mean, median, 0, mean)
        return LaneLosses(mean, median, int((~sound).sum()), float(loss[sound].sum() / weight[sound].sum()))


def lane_losses(passes: Iterable[tuple[Window, np.ndarray]], head: Head) -> LaneLosses:
    """What `ForwardPass.losses` gives, by lane. head: of the model."""
    sums: LaneSums | None = None
    for window, losses in passes:
        sums = sums or LaneSums(losses.shape[1])
        sums.add(window, losses)
    return (sums or LaneSums(0)).losses(head)
