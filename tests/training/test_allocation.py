"""A whole training window, update and carried state included, makes no array of 4 KiB or more on the CPU."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from gpurnn.backend.cpu import CpuBackend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import WindowStream
from gpurnn.network import Model, ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.training.feed import Feed
from gpurnn.training.optimizer import OPTIMIZERS, Optimizer, OptimizerConfig
from gpurnn.training.step import TrainingStep

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from network.allocation import check_no_allocation

LANES, STEPS, HIDDEN = 64, 32, 32


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "numpy"])
@pytest.mark.parametrize("cell", list(CELLS))
def test_a_training_window_allocates_nothing(corpus: Corpus, cell: str, compiled: bool):
    run(CpuBackend(compiled=compiled), corpus, cell, "adam")


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_no_optimizer_allocates(corpus: Corpus, optimizer: str):
    run(CpuBackend(compiled=False), corpus, "simple", optimizer)


def run(be: CpuBackend, corpus: Corpus, cell: str, optimizer: str) -> None:
    model = Model(be, ModelConfig(len(corpus.vocabulary), cell, HIDDEN, dropout=0.1))
    model.params.initialise(be, 1)
    ws, state = model.workspace(LANES, STEPS), model.state(LANES)
    config = OptimizerConfig(optimizer, weight_decay=0.1, average=0.1)
    step = TrainingStep(model, ws, state, Optimizer(be, model.params, config))
    before = be.to_host(model.params.values)
    with WindowStream(corpus, "train", lanes=LANES, steps=STEPS, prefetch=False) as stream:  # no thread allocates
        Feed(be, ws.batch).load(next(stream))  # the stream and the feed have tests of their own
        check_no_allocation({"step": lambda: step(1e-3)})
    assert np.isfinite(model.params.values).all() and np.any(model.params.values != before)
