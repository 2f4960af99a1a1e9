"""gpurnn on pairs: windows of a stream, into which they are packed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import numpy as np

from bench_lib.cases import BETA1, BETA2, CLIP, EPSILON, RATE
from bench_lib.pairs import PairCase, pool_of, stream_of
from gpurnn import backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import Window
from gpurnn.network import Model
from gpurnn.training.control import Control
from gpurnn.training.feed import Feed
from gpurnn.training.optimizer import Optimizer, OptimizerConfig
from gpurnn.training.step import TrainingStep

WAYS = ("",)


class Program:
    """See `bench_lib.programs.Program`."""

    def __init__(self, case: PairCase, path: Path, way: str = "") -> None:
        be = self._be = backend.get("cpu")
        self._model = Model(be, case.config)
        self._model.params.load(be, case.parameters(), "benchmark")
        with Corpus.open(path) as corpus:
            stream = stream_of(corpus, plan=be.plans_rows)
            self.pool = pool_of(stream)
        sizes = stream.geometry.sizes
        self._workspace = self._model.workspace(
            sizes.lanes, sizes.steps, source=sizes.source, sequences=sizes.sequences
        )
        self._state = self._model.state(sizes.lanes)
        settings = OptimizerConfig("adam", clip=CLIP, beta1=BETA1, beta2=BETA2, epsilon=EPSILON, average=0.0)
        self._optimizer = Optimizer(be, self._model.params, settings)
        self._step = TrainingStep(self._model, self._workspace, self._state, self._optimizer)
        self._feed = Feed(be, self._workspace.batch)
        self._windows: Iterator[Window] = cycle(self.pool)

    def window(self) -> None:
        self._feed.load(next(self._windows))
        self._step(RATE)

    def read_loss(self) -> float:
        control = self._be.to_host(self._optimizer.ctl)
        self._optimizer.restart_sums()
        return float(control[Control.LOSS] / control[Control.WEIGHT])

    def finish(self) -> None:
        self._be.synchronize()

    def gradients(self) -> dict[str, np.ndarray]:
        self._feed.load(self.pool[0])
        self._model.forward(self._workspace, self._state)
        self._model.backward(self._workspace)
        return {name: self._be.to_host(array) for name, array in self._model.params.gradient.items()}
