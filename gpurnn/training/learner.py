"""A model that learns: what one window changes, what a checkpoint holds of it, and its loss over the valid split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import Window, WindowStream
from gpurnn.fields import expect_fields
from gpurnn.network import Model
from gpurnn.network.chain import readers
from gpurnn.runs.checkpoint import Checkpoint
from gpurnn.training.config import TrainConfig
from gpurnn.training.control import Control
from gpurnn.training.feed import Feed
from gpurnn.training.optimizer import Optimizer
from gpurnn.training.sampling import OwnSymbols
from gpurnn.training.schedule import learning_rate
from gpurnn.training.snapshot import Progress, pack, unchanging, unpack, validated_parameters
from gpurnn.training.step import TrainingStep
from gpurnn.training.tasks import Task, task_of
from gpurnn.training.tasks.base import Validation


class Learner:
    """A model in training on the train split of a corpus; `Loop` decides what happens when.

    be: where it computes. corpus: open. config: every setting. on_warning: called with one line for a person.
    task: what it learns, by the kind of the corpus.
    validated: the model that is validated, and that others use: with the average of the parameters where one is kept.
    Raises DataError where the corpus lacks a field that a part of the model reads, or is too short.
    """

    def __init__(self, be: Backend, corpus: Corpus, config: TrainConfig, on_warning: Callable[[str], None]) -> None:
        self.corpus, self.config = corpus, config
        self.task: Task = task_of(corpus, config)
        self.windows_per_epoch = self.task.windows_per_epoch
        self.model = Model(be, config.model)
        expect_fields(readers(self.model.parts), str(corpus.path), self.task.fields)
        self.model.params.initialise(be, config.seed)
        self.state = self.model.state(config.lanes)
        self.optimizer = Optimizer(be, self.model.params, config.optimizer)
        self.validated = self._validated_model()
        self._before = be.empty((self.model.params.size,), self.model.params.values.dtype)
        self.progress = Progress()
        self._workspace = self.model.workspace(**self.task.sizes._asdict(), seed=config.seed)
        share = config.scheduled_sampling
        own = OwnSymbols(self._workspace, share, config.seed) if share else None
        self._step = TrainingStep(self.model, self._workspace, self.state, self.optimizer, on_warning, own)
        self._always = unchanging(config, corpus, self.task.meaning, be)

    @property
    def whole(self) -> bool:
        """Whether it stands between two windows, so that a checkpoint of now would be one to go on from."""
        return self._step.whole

    @property
    def skipped(self) -> int:
        """Windows skipped since the run's beginning; waits for the device."""
        return int(self.model.be.to_host(self.optimizer.ctl)[Control.SKIPPED])

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on where a checkpoint stood. Raises CheckpointError where it does not fit."""
        self.progress = unpack(checkpoint, self.model, self.optimizer, self.state)

    def initialise_from(self, checkpoint: Checkpoint) -> None:
        """Begin with another run's parameters. Raises CheckpointError where their shapes differ."""
        self.model.params.load(self.model.be, validated_parameters(checkpoint), str(checkpoint.path))
        self.optimizer.restart_average()

    def _validated_model(self) -> Model:
        """The model with the averaged parameters, where an average is kept."""
        average, model = self.optimizer.average, self.model
        return model if average is None else Model(model.be, model.config, model.params.with_values(average))

    def windows(self) -> WindowStream:
        """The windows of training, from where it stands, without an end."""
        return self.task.windows(self.model.be, self.progress.cursor)

    def feed(self, windows: Iterable[Window]) -> Iterator[Window]:
        """Each of `windows` when it is in the batch, ready to be consumed."""
        return Feed(self.model.be, self._workspace.batch).run(windows)

    def consume(self, window: Window) -> None:
        """One training window: the one in the batch."""
        progress = self.progress
        rate = learning_rate(self.config.schedule, progress.windows, progress.plateaus)
        due = self._line_due(progress.windows + 1)
        if due:
            self._before[...] = self.model.params.values
        self._step(rate * progress.divergence.rate_factor)
        if due:
            self.optimizer.note_change(self._before)
        progress.windows += 1
        progress.cursor = window.cursor
        progress.line_missing = due

    def _line_due(self, windows: int) -> bool:
        """Whether a line of the log is due after so many windows."""
        return windows % self.config.log_every == 0 or self._validates_after(windows)

    def _validates_after(self, windows: int) -> bool:
        every = self.config.validate_every
        return every > 0 and windows % every == 0

    @property
    def validation_due(self) -> bool:
        """Whether the last window is one of those after which there is a validation."""
        return self._validates_after(self.progress.windows)

    def validate(self, stopping: Callable[[], bool] = lambda: False) -> Validation | None:
        """The loss over the first windows of the valid split; None where they have no target with weight.

        stopping: asked after each window; the rest is left out once it says so.
        """
        return self.task.validate(self.validated, stopping)

    def pack(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Tensors and header of a checkpoint of now, in arrays of their own; waits for the device."""
        return pack(self.model, self.optimizer, self.state, self.progress, self._always)

    def go_back(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of this run at a lower rate; what is the best one so far stays the best one."""
        now = self.progress
        self._step.whole = False
        self.restore(checkpoint)
        self._step.whole = True
        self.progress.best, self.progress.best_window = now.best, now.best_window
        self.progress.divergence = now.divergence.back(self.progress.divergence)
