"""Training on arrays of sequences: each is a lane of a window, from its first step to its last."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.backend import Array, Backend
from gpurnn.data.arrays.arrays import Layout, Numbers, Scaling, inputs_of, known_sequences, numbers_of, scaling_of
from gpurnn.data.arrays.windows import SequenceStream
from gpurnn.exceptions import TrainingError, UsageError
from gpurnn.network import Model
from gpurnn.settings import BelowOne, checked
from gpurnn.training.config import TrainConfig
from gpurnn.training.control import Control
from gpurnn.training.feed import Feed
from gpurnn.training.optimizer import Optimizer
from gpurnn.training.schedule import learning_rate
from gpurnn.training.step import TrainingStep
from gpurnn.training.validation import ForwardPass


@dataclass(frozen=True, eq=False)
class Parts:
    """Arrays to learn from. x: (N, T, E). y: (N, T, K), or (N, 1, K) of the last step; layout: as they were given.

    x_scaling, y_scaling: of the sequences that are learnt from. train, valid: which those are, and those held back;
    a sequence without any target is in neither.
    """

    x: Numbers
    y: Numbers
    layout: Layout
    x_scaling: Scaling
    y_scaling: Scaling
    train: NDArray[np.int64]
    valid: NDArray[np.int64]

    @property
    def outputs(self) -> int:
        """K."""
        return int(self.y.shape[2])


def parts_of_arrays(x: Any, y: Any, valid: float, seed: int) -> Parts:
    """x and y looked over, and a share `valid` of their sequences held back, drawn by `seed`; of one alone none is.

    Raises UsageError, which names the argument, for what is no such array, for infinite numbers, and without a target.
    """
    x = inputs_of(x)
    y = numbers_of("y", y)
    layout = Layout.of(x, y)
    y = layout.unfold(y)
    share = checked("valid", BelowOne, valid)
    known = np.flatnonzero(known_sequences(y))
    if not len(known):
        raise UsageError("y: expected targets, found NaN alone")
    drawn = np.random.default_rng((seed, 0)).permutation(known)
    held = min(len(drawn) - 1, max(1, round(share * len(drawn)))) if share else 0
    train, held_back = np.sort(drawn[held:]), np.sort(drawn[:held])
    chosen = np.zeros(len(x), np.bool_)
    chosen[train] = True
    x_scaling, _ = scaling_of("x", x, chosen)
    y_scaling, counts = scaling_of("y", y, chosen)
    if not counts.all():
        raise UsageError(f"y: output {int(np.argmin(counts))} has no target in the sequences that are learnt from")
    return Parts(x, y, layout, x_scaling, y_scaling, train, held_back)


class Fitting:
    """A model in training on arrays. config: its lanes are the sequences of a window, its bptt their steps.

    best: the lowest mean loss over the sequences that were held back, inf before the first.
    """

    def __init__(self, be: Backend, config: TrainConfig, parts: Parts) -> None:
        self._config, self._parts = config, parts
        self._model = Model(be, config.model)
        self._model.params.initialise(be, config.seed)
        self._optimizer = Optimizer(be, self._model.params, config.optimizer)
        self._workspace = self._model.workspace(config.lanes, config.bptt, seed=config.seed)
        self._step = TrainingStep(self._model, self._workspace, self._model.state(config.lanes), self._optimizer)
        average = self._optimizer.average
        self._values: Array = self._model.params.values if average is None else average
        self.validated = Model(be, config.model, self._model.params.with_values(self._values))
        self._forward = ForwardPass(self.validated, config.lanes, config.bptt) if len(parts.valid) else None
        self.best, self._stale, self._plateaus = math.inf, 0, 0

    def run(self, epochs: int, on_line: Callable[[dict[str, Any]], None]) -> Model:
        """So many epochs at most, fewer where the loss gets no better; the model as it was best.

        on_line: called after each epoch with what it was like. Raises TrainingError where no epoch leads anywhere.
        """
        be, kept = self._model.be, None
        for epoch in range(epochs):
            rate = learning_rate(self._config.schedule, epoch, self._plateaus)
            line = {"epoch": epoch + 1, "loss": self._learn(epoch, rate), "learning_rate": rate}
            if self._forward is not None:
                loss = self._validate(self._forward)
                line["valid_loss"] = loss
                if self._better(loss):
                    kept = be.to_host(self._values).copy()
            on_line(line)
            if self._config.patience and self._stale >= self._config.patience:
                break
        if kept is not None:
            be.from_host(kept, out=self._values)
        return self.validated

    def _stream(self, order: NDArray[np.int64]) -> SequenceStream:
        parts, config = self._parts, self._config
        return SequenceStream(
            parts.x,
            parts.x_scaling,
            order,
            lanes=config.lanes,
            steps=config.bptt,
            outputs=parts.outputs,
            y=parts.y,
            y_scaling=parts.y_scaling,
            real=config.model.real,
        )

    def _learn(self, epoch: int, rate: float) -> float:
        """Every sequence once, in an order of the epoch's own; the mean loss."""
        order = np.random.default_rng((self._config.seed, 1 + epoch)).permutation(self._parts.train)
        self._optimizer.restart_sums()
        for _ in Feed(self._model.be, self._workspace.batch).run(self._stream(order)):
            self._step(rate)
        ctl = self._model.be.to_host(self._optimizer.ctl)
        if not ctl[Control.WEIGHT]:
            raise TrainingError(f"epoch {epoch + 1}: no window had a finite loss; start again with a lower `lr`")
        return float(ctl[Control.LOSS] / ctl[Control.WEIGHT])

    def _validate(self, forward: ForwardPass) -> float:
        loss = weight = 0.0
        for window, losses in forward.losses(self._stream(self._parts.valid).recycled()):
            loss += float(np.sum(losses * window.weight, dtype=np.float64))
            weight += window.weight_sum
        return loss / weight

    def _better(self, loss: float) -> bool:
        """Whether a validation was the best one so far; notes what follows."""
        if loss < self.best:
            self.best, self._stale = loss, 0
            return True
        self._stale += 1
        self._plateaus += self._stale % self._config.schedule.decay_patience == 0
        return False
