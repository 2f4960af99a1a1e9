"""The run so far from its log, and the next updates against those that the run then made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trained import documents, make_corpus, make_run, refuse

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.diagnosis.history import History, history, next_updates
from gpurnn.network import ModelConfig
from gpurnn.runs.directory import RunDirectory
from gpurnn.runs.log import read_log
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.session import resumed_run
from gpurnn.training.snapshot import load_config
from gpurnn.training.tasks.text import Text

CONFIG = TrainConfig(ModelConfig(5))


def line(window: int, loss: float, valid: float | None = None, **more: Any) -> dict[str, Any]:
    found = {"window": window, "epoch": window / 100, "nats_per_token": loss, "gradient_norm": 0.5, **more}
    return found if valid is None else found | {"valid_nats_per_token": valid, "median_nats_per_token": valid}


def test_a_run_that_overfits():
    lines = [line(10 * n, 3.0 - 0.1 * n, 2.0 + 0.1 * abs(n - 4)) for n in range(1, 12)]
    lines[6]["gradient_norm"] = 1.5
    found = history(lines, CONFIG, Text)
    assert isinstance(found, History)
    assert (found.windows, found.epochs, found.best, found.best_window, found.worse) == (110, 1.1, 2.0, 40, 7)
    assert found.overfitting
    assert (found.norm, found.clipped, found.clip) == (1.5, 1 / 11, 1.0)
    assert not history(lines[:8], CONFIG, Text).overfitting  # type: ignore[union-attr]


def test_lanes_that_are_stuck_make_no_overfitting():
    """The mean over lanes rises, their median falls."""
    lines = [line(n, 3.0 - 0.1 * n, 2.0 + n) | {"median_nats_per_token": 2.0 - 0.01 * n} for n in range(1, 12)]
    found = history(lines, CONFIG, Text)
    assert found is not None
    assert (found.best_window, found.worse, found.last) == (11, 0, 13.0)


def test_skipped_windows_and_a_log_from_anywhere():
    lines = [line(5, 3.0, skipped_windows=2, divergences=1), {"window": 6, "nats_per_token": "many"}]
    found = history(lines[:1], CONFIG, Text)
    assert found is not None and (found.skipped, found.divergences, found.best) == (2, 1, None)
    assert history(lines, CONFIG, Text).loss is None  # type: ignore[union-attr]
    assert history([], CONFIG, Text) is None


def test_the_next_updates_are_those_that_come(be: Backend, tmp_path: Path):
    corpus = make_corpus(tmp_path / "made.h5", documents(60))
    run = make_run(be, corpus, tmp_path / "run", windows=10)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    checkpoint = RunDirectory.open(run, refuse).load("last")
    with Corpus.open(corpus) as opened:
        found = next_updates(be, opened, load_config(checkpoint), checkpoint, count=3)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    values = checkpoint.tensors
    resumed_run(be, run, refuse, log_every=1).run(Limits(windows=11))
    lines = [each for each in read_log(run / "log.jsonl", refuse) if each["window"] == 11]
    assert found.norm[0] == pytest.approx(lines[0]["gradient_norm"], rel=1e-12)
    assert found.ratio[0] == pytest.approx(lines[0]["update_ratio"], rel=1e-9)
    assert found.rate[0] == lines[0]["learning_rate"]
    after = RunDirectory.open(run, refuse).load("last").tensors
    names = [name for name in values if name.startswith(("layers.", "output."))]
    moved = np.sqrt(sum(((after[name] - values[name]) ** 2).sum() for name in names))
    size = np.sqrt(sum((values[name] ** 2).sum() for name in names))
    assert found.ratio[0] == pytest.approx(moved / size, rel=1e-9)
    assert found.clipped.tolist() == (found.norm > 1).tolist() and len(found.norm) == 3
