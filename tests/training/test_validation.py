"""Lanes that never recover from their start: what a validation says of them, and that they decide nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import Window
from gpurnn.data.text.language import Language
from gpurnn.evaluation.language_model import evaluate
from gpurnn.network import ModelConfig
from gpurnn.network.heads.softmax_xent import Softmax
from gpurnn.training.config import Limits
from gpurnn.training.learner import Learner
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.session import new_run
from gpurnn.training.trainer import Trainer
from gpurnn.training.validation import ForwardPass, LaneLosses, lane_losses

from .alike import log_without_clock, refuse_warnings
from .test_resume import settings


def losses(nats: list[list[float]], weight: list[list[float]] | None = None, symbols: int = 20) -> LaneLosses:
    """Of one window, time first."""
    loss = np.array(nats)
    weights = np.ones_like(loss) if weight is None else np.array(weight)
    return lane_losses([(SimpleNamespace(weight=weights), loss)], softmax(symbols))  # type: ignore[list-item]


def softmax(symbols: int) -> Softmax:
    """A head over so many symbols."""
    return Softmax(ModelConfig(symbols), 1)


def test_a_lane_far_above_the_others_is_stuck():
    found = losses([[1.0, 2.0, 3.0, 9.0], [1.0, 2.0, 3.0, 11.0]])
    assert found == LaneLosses(mean=4.0, median=2.5, stuck=1, sound=2.0)
    assert found.to_json() == {"valid_nats_per_token": 4.0, "stuck_lanes": 1, "median_nats_per_token": 2.5}


@pytest.mark.parametrize(
    ("lanes", "symbols", "stuck"),
    [
        ([2.0, 2.0, 5.0], 20, 0),  # not above the median by more than 3
        ([2.0, 2.0, 5.01], 20, 1),
        ([1.0, 1.0, 4.5], 65, 1),  # ln 65 is 4.17
        ([1.0, 1.0, 4.1], 65, 0),  # no worse than guessing
        ([1.0, 1.0, 8.0], 10_000, 0),
        ([2.0, 9.0], 20, 1),  # half of them: the median stands between
        ([9.0], 20, 0),
        ([1.0, 9.0, 9.0], 20, 0),
        ([1.0, 1.0, math.inf], 20, 1),
        ([1.0, 1.0, math.nan], 20, 1),
        ([1.0, math.nan, math.inf], 20, 0),  # no median to hold them against
    ],
)
def test_the_rule(lanes: list[float], symbols: int, stuck: int):
    found = losses([lanes], symbols=symbols)
    assert found.stuck == stuck
    assert found.mean == np.mean(lanes) or math.isnan(found.mean)


def test_where_no_lane_is_stuck_the_loss_that_counts_is_the_mean_to_the_bit():
    rng = np.random.default_rng(1)
    windows = [(SimpleNamespace(weight=rng.integers(0, 2, (7, 5)) * 1.0), rng.random((7, 5))) for _ in range(9)]
    found = lane_losses(windows, softmax(20))  # type: ignore[arg-type]
    assert found.sound == found.mean
    weighted = sum(float((w.weight * nats).sum()) for w, nats in windows)
    assert found.mean == pytest.approx(weighted / sum(float(w.weight.sum()) for w, _ in windows), rel=1e-14)


def test_targets_without_weight_do_not_count():
    found = losses([[1.0, 50.0, 2.0], [1.0, 2.0, 70.0]], [[1, 0, 1], [1, 1, 0]])
    assert (found.mean, found.median, found.stuck) == (1.5, 2.0, 0)
    nothing = losses([[1.0, 2.0]], [[0, 0]])
    assert nothing.stuck == 0 and math.isnan(nothing.mean) and nothing.to_json()["median_nats_per_token"] is None
    one = losses([[1.0, 50.0]], [[1, 0]])
    assert (one.mean, one.median, one.stuck) == (1.0, 1.0, 0)


LANE, WORSE = 13, 9.0


class Planted(ForwardPass):
    """One lane of a validation is stuck."""

    def losses(self, windows: Iterable[Window]) -> Iterator[tuple[Window, np.ndarray]]:
        for window, nats in super().losses(windows):
            nats[:, LANE] += WORSE
            yield window, nats


def run_of(be: Backend, corpus: Corpus, path: Path, **changes: object) -> Trainer:
    schedule = ScheduleConfig("plateau", lr=0.1, decay_patience=2)
    geometry = {"lanes": 32, "validate_every": 1, "patience": 4}
    optimizer = OptimizerConfig("adam", average=0.0)  # what is validated jumps about
    config = settings(corpus, schedule=schedule, optimizer=optimizer, **geometry, **changes)
    trainer = new_run(be, corpus, config, path, refuse_warnings)
    trainer.run(Limits(windows=120))
    return trainer


def test_a_stuck_lane_decides_nothing(be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Best, plateaus and patience are those of the other 31 lanes; the log says how many are stuck, and the mean."""
    expected: list[float] = []
    original = Learner.validate

    def without_the_lane(self: Learner, *stopping: Callable[[], bool]) -> LaneLosses | None:
        found = original(self, *stopping)
        assert found is not None and found.stuck == 0
        return found

    class Others(ForwardPass):
        def losses(self, windows: Iterable[Window]) -> Iterator[tuple[Window, np.ndarray]]:
            for window, nats in super().losses(windows):
                weight = window.weight.copy()
                weight[:, LANE] = 0
                yield replace(window, weight=weight), nats

    monkeypatch.setattr("gpurnn.training.tasks.text.ForwardPass", Others)
    monkeypatch.setattr(Learner, "validate", without_the_lane)
    others = run_of(be, corpus, tmp_path / "others")
    expected = [line["valid_nats_per_token"] for line in log_without_clock(tmp_path / "others")]
    monkeypatch.setattr(Learner, "validate", original)
    monkeypatch.setattr("gpurnn.training.tasks.text.ForwardPass", Planted)
    planted = run_of(be, corpus, tmp_path / "planted")

    lines = log_without_clock(tmp_path / "planted")
    assert [line["stuck_lanes"] for line in lines] == [1] * len(lines)
    for line, sound in zip(lines, expected, strict=True):
        assert line["valid_nats_per_token"] == pytest.approx(sound + WORSE / 32, abs=0.1)
        assert line["median_nats_per_token"] == pytest.approx(sound, abs=0.5)
    for name in ("windows", "best_window", "stale", "plateaus"):
        assert getattr(planted.learner.progress, name) == getattr(others.learner.progress, name), name
    assert planted.learner.progress.best == pytest.approx(others.learner.progress.best, rel=1e-12)
    assert planted.learner.progress.plateaus > 1 and planted.learner.progress.windows < 120  # all of it was put to use


def test_in_runs_of_before_all_lanes_count(
    be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gpurnn.training.tasks.text.ForwardPass", Planted)
    trainer = run_of(be, corpus, tmp_path / "run", counted_lanes="all")
    lines = log_without_clock(tmp_path / "run")
    assert trainer.learner.progress.best == min(line["valid_nats_per_token"] for line in lines)


def test_an_evaluation_tells_of_stuck_lanes(
    be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trainer = new_run(be, corpus, settings(corpus), tmp_path / "run", refuse_warnings)
    language = Language(corpus.vocabulary, corpus.policy, *corpus.starts)
    sound = evaluate(trainer.learner.model, language, corpus, "valid", lanes=32)
    assert sound.stuck_lanes == 0
    assert sound.median_nats_per_token == pytest.approx(sound.nats_per_token, abs=0.3)
    monkeypatch.setattr("gpurnn.evaluation.language_model.ForwardPass", Planted)
    found = evaluate(trainer.learner.model, language, corpus, "valid", lanes=32)
    assert found.stuck_lanes == 1
    assert found.median_nats_per_token == pytest.approx(sound.median_nats_per_token, abs=0.1)
    assert found.nats_per_token == pytest.approx(sound.nats_per_token + WORSE / 32, abs=0.05)
