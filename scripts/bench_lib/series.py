"""Forecasts learnt from a stream: one step a target, the state carried, as `gpurnn train` does it by default."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn import backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream import Cursor, Window
from gpurnn.network import Model, ModelConfig
from gpurnn.training.config import TrainConfig
from gpurnn.training.feed import Feed
from gpurnn.training.optimizer import Optimizer, OptimizerConfig
from gpurnn.training.step import TrainingStep
from gpurnn.training.tasks import TASKS, task_of

TARGET, AHEAD = ("temp",), ("24h",)
LOOK_BACK, BATCH = 96, 64
"""Rows that a re-read window has, and how many windows one update takes."""
RATE = 1e-3
_WARM = 3


@dataclass
class Setup:
    """A corpus and what is trained on it: the settings that `gpurnn train` has where none is given."""

    corpus: Corpus

    @cached_property
    def config(self) -> TrainConfig:
        """Every setting."""
        given: Mapping[str, Any] = {"target": TARGET, "ahead": AHEAD}
        settings = TASKS[self.corpus.kind].defaults(self.corpus, given) | given
        settings.pop("schedule")  # the rate is the same in all windows here

        def of(kind: type) -> dict[str, Any]:
            return {each.name: settings[each.name] for each in fields(kind) if each.name in settings}

        return TrainConfig(ModelConfig(**of(ModelConfig)), OptimizerConfig(**of(OptimizerConfig)), **of(TrainConfig))

    @property
    def forecast(self) -> Forecast:
        """What is forecast."""
        return Forecast(self.corpus.columns, TARGET, AHEAD)

    def model(self) -> Model:
        """With its first parameters."""
        model = Model(backend.get("cpu"), self.config.model)
        model.params.initialise(model.be, self.config.seed)
        return model

    def rows(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Of the train split: scaled rows (n, F), targets (n, 1), and the rows that end a window with one."""
        split, forecast = self.corpus.split("train"), self.forecast
        n, most = len(split), forecast.most
        raw = np.full((n + most, self.corpus.columns.inputs), np.nan, np.float32)
        split.read_rows(0, raw[:n])
        begins = np.zeros(len(split.documents), np.uint64)
        split.documents.read(0, begins)
        counts = np.diff([*begins.tolist(), n])
        place = np.concatenate([np.arange(count) for count in counts])
        targets = np.zeros((n, 1), np.float32)
        forecast.changes(raw, np.repeat(counts, counts) - 1 - place, targets)
        scaled = np.zeros((n, raw.shape[1]), np.float32)
        self.corpus.columns.scaled(raw[:n], scaled)
        return scaled, targets, np.flatnonzero((place >= LOOK_BACK - 1) & ~np.isnan(targets[:, 0]))


class Program:
    """gpurnn: windows of a stream, each target learnt from at the step it stands at."""

    def __init__(self, path: Path) -> None:
        self._setup = setup = Setup(Corpus.open(path))
        config, self._model = setup.config, setup.model()
        be = self._model.be
        optimizer = Optimizer(be, self._model.params, config.optimizer)
        workspace = self._model.workspace(config.lanes, config.bptt, seed=config.seed)
        self._step = TrainingStep(self._model, workspace, self._model.state(config.lanes), optimizer)
        self._stream = task_of(setup.corpus, config).windows(be, None)
        self._fed = Feed(be, workspace.batch).run(self._stream)

    def outputs(self) -> list[float]:
        """Of the first windows of `Setup.rows`, each by itself from a state of zeros: the last output."""
        scaled, _, ends = self._setup.rows()
        model, lanes = self._model, ends[:BATCH]
        workspace = model.workspace(len(lanes), LOOK_BACK, train=False)
        shape = LOOK_BACK, len(lanes)
        carry = np.ones(shape, np.float32)
        carry[0] = 0
        window = Window(
            0,
            0,
            carry=carry,
            weight=np.ones(shape, np.float32),
            has_boundary=True,
            uniform=True,
            weight_sum=float(carry.size),
            cursor=Cursor(1, len(lanes), LOOK_BACK, 0),
            reals=scaled[lanes - LOOK_BACK + 1 + np.arange(LOOK_BACK)[:, None]],
            targets=np.zeros((*shape, 1), np.float32),
        )
        Feed(model.be, workspace.batch).load(window)
        model.forward(workspace, model.state(len(lanes)))
        found: list[float] = model.be.to_host(workspace.o).reshape(*shape)[-1].tolist()
        return found

    def run(self, seconds: float) -> tuple[int, float]:
        """Train for about so long; how many targets counted, and the time they took."""
        for _ in range(_WARM):
            self._window()
        start, targets = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < seconds:
            targets += self._window()
        return targets, spent

    def _window(self) -> int:
        window = next(self._fed)
        self._step(RATE)
        return int(window.weight_sum)

    def close(self) -> None:
        """End the stream's thread."""
        self._stream.close()
        self._setup.corpus.close()
