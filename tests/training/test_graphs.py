"""CUDA graphs change nothing in a run, stopped or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cudahost
import pytest

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.network.cells import CELLS
from gpurnn.training.config import Limits
from gpurnn.training.session import resumed_run

from .alike import assert_same_run, refuse_warnings
from .test_resume import settings, train

WINDOWS, STOP = 18, 8
DTYPES = {"simple": "float32", "simple-relu": "float64", "lstm": "float32", "gru": "float64"}  # whole windows, steps


@pytest.mark.parametrize("cell", list(CELLS))
def test_a_run_has_the_same_bits_with_and_without_graphs(
    cuda: Backend, corpus: Corpus, tmp_path: Path, cell: str
) -> None:
    config = settings(corpus, cell, lanes=4, bptt=6)
    config = replace(config, model=replace(config.model, hidden=5, dtype=DTYPES.get(cell, "float32")))
    if cudahost.active():
        cudahost.reset_counters()
    train(cuda, corpus, config, tmp_path / "graph", WINDOWS)
    if cudahost.active():
        assert cudahost.counters()["graph_launches"] >= WINDOWS - 5
    train(backend.get("cuda", graphs=False), corpus, config, tmp_path / "eager", WINDOWS)
    train(cuda, corpus, config, tmp_path / "parts", STOP)
    resumed_run(cuda, tmp_path / "parts", refuse_warnings).run(Limits(windows=WINDOWS))
    assert_same_run(tmp_path / "graph", tmp_path / "eager", WINDOWS)
    assert_same_run(tmp_path / "graph", tmp_path / "parts", WINDOWS)
