"""Every way of training on labels and tags: resumed bits, captured windows, and nothing allocated for a window."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.backend.cpu import CpuBackend
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.stream.labelled import labelled_stream
from gpurnn.network import Model
from gpurnn.training.config import TrainConfig
from gpurnn.training.feed import Feed
from gpurnn.training.optimizer import Optimizer
from gpurnn.training.step import TrainingStep
from gpurnn.training.tasks.labelled import weights_of

from .alike import check_captured, check_resumes
from .test_labelled_runs import learnable, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from network.allocation import check_no_allocation

WINDOWS, STOPS = 20, (1, 12)
BOTH = ("both_directions", "dropout")
WAYS: dict[str, tuple[str, str, str, dict[str, Any], dict[str, Any]]] = {
    "mean of both": ("labels", "symbols", "whole", {"stack": BOTH, "pool": "mean", "layers": 2, "cell": "lstm"}, {}),
    "max, cut": ("labels", "reals", "whole", {"stack": BOTH, "pool": "max"}, {"cut": True, "bptt": 7}),
    "last of both, smoothed": (
        "labels",
        "symbols",
        "whole",
        {"stack": BOTH, "head": "smoothed_softmax", "label_smoothing": 0.1},
        {"class_weights": ("balanced",)},
    ),
    "cut with context": (
        "tags",
        "reals",
        "whole",
        {"stack": BOTH, "layers": 2},
        {"cut": True, "context": 2, "bptt": 9, "class_weights": ("O=0.3",)},
    ),
    "through, restarted": ("labels", "reals", "through", {"cell": "lstm"}, {"restart": 0.3, "bptt": 5}),
    "through, weighted": ("tags", "symbols", "through", {}, {"class_weights": ("O=0", "B-X=2"), "bptt": 4}),
}
WHOLE = [name for name, (*_, layout, _, _) in WAYS.items() if layout == "whole"]


def way(name: str) -> tuple[str, str, TrainConfig]:
    """Kind, steps and settings of a way."""
    kind, of, layout, model, more = WAYS[name]
    config = settings(kind, of, layout, validate_every=9, **more)
    return kind, of, replace(config, model=replace(config.model, **model))


@pytest.mark.parametrize("name", WAYS)
def test_a_run_in_parts_has_the_bits_of_a_whole_one(be: Backend, tmp_path: Path, name: str) -> None:
    kind, of, config = way(name)
    corpus = learnable(tmp_path / "a.h5", kind, of)
    check_resumes(be, corpus, config, tmp_path, (*STOPS, WINDOWS))


@pytest.mark.parametrize("name", WHOLE)
def test_captured_windows_have_the_bits_of_eager_ones(cuda: Backend, tmp_path: Path, name: str) -> None:
    kind, of, config = way(name)
    corpus = learnable(tmp_path / "a.h5", kind, of)
    check_captured(cuda, corpus, config, tmp_path, WINDOWS)


@pytest.mark.parametrize(
    ("name", "compiled"), [*((name, True) for name in WHOLE), ("max, cut", False), ("last of both, smoothed", False)]
)
def test_a_training_window_allocates_nothing(tmp_path: Path, name: str, compiled: bool) -> None:
    kind, of, config = way(name)
    be, lanes, steps = CpuBackend(compiled=compiled), 32, 32
    corpus = learnable(tmp_path / "a.h5", kind, of)
    weights = weights_of(config.class_weights, Labelling.of(corpus))
    model = Model(be, replace(config.model, hidden=16))
    model.params.initialise(be, 1)
    ws, state = model.workspace(lanes, steps), model.state(lanes)
    step = TrainingStep(model, ws, state, Optimizer(be, model.params, config.optimizer))
    before = be.to_host(model.params.values)
    given = {"layout": config.layout, "cut": config.cut, "context": config.context, "weights": weights}
    with labelled_stream(corpus, lanes=lanes, steps=steps, prefetch=False, **given) as stream:
        Feed(be, ws.batch).load(next(stream))
        check_no_allocation({"step": lambda: step(1e-3)})
    assert np.isfinite(model.params.values).all() and np.any(model.params.values != before)
