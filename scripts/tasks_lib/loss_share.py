"""How much of the time of a training window goes into the loss and its error."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from gpurnn.backend import FusedOp
from gpurnn.backend.cpu import CpuBackend
from gpurnn.data.corpus import Corpus
from gpurnn.network.heads import HEADS
from gpurnn.training.learner import Learner
from gpurnn.training.load import load_trained

_WINDOWS = 100


class TimedBackend(CpuBackend):
    """NumPy and what is compiled. seconds: how long the operation with this name has worked."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self.seconds = name, 0.0

    def bind(self, op: FusedOp, dtype: Any, **dims: int) -> Callable[..., None]:
        work = super().bind(op, dtype, **dims)
        if op.name != self._name:
            return work

        def timed(*arguments: Any) -> None:
            began = time.perf_counter()
            work(*arguments)
            self.seconds += time.perf_counter() - began

        return timed


def loss_share(run: Path, corpus: Path, windows: int = _WINDOWS) -> float:
    """The share in so many windows of a training as that of a run was; two windows before them do not count."""
    config = load_trained(run).config
    be = TimedBackend(HEADS[config.model.head].error_op.name)
    with Corpus.open(corpus) as opened:
        learner = Learner(be, opened, config, lambda _: None)
        with learner.windows() as stream:
            began = 0.0
            for number, window in enumerate(islice(learner.feed(stream), windows + 2)):
                learner.consume(window)
                if number == 1:
                    began, be.seconds = time.perf_counter(), 0.0
            return be.seconds / (time.perf_counter() - began)
