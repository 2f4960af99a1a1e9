"""Divergence: the rule, what is counted, and going back to the last good window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.exceptions import CheckpointError, TrainingError, UsageError
from gpurnn.network import ModelConfig
from gpurnn.network.heads import HEADS, Head
from gpurnn.training import divergence as rule
from gpurnn.training.config import Limits
from gpurnn.training.divergence import Divergence
from gpurnn.training.learner import Learner
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.session import new_run, resumed_run
from gpurnn.training.trainer import Trainer

from .alike import assert_same_run, log_without_clock, refuse_warnings
from .test_resume import settings

NATS = HEADS["softmax"](ModelConfig(5), 3)
REAL = HEADS["absolute"](ModelConfig(5, head="absolute"), 3)


def diverged(means: list[float | None], margin: float = 1.0, head: Head = NATS) -> list[bool]:
    state = Divergence()
    return [state.add_line(mean, margin, head) for mean in means]


def test_three_high_lines_in_a_row_are_a_divergence():
    assert diverged([3.0, 2.0, 3.1, 3.2, 3.3, 2.0]) == [False] * 4 + [True, False]
    assert diverged([2.0, 3.1, 3.2, 2.9, 3.1, 3.1]) == [False] * 6  # the row was broken
    assert diverged([2.0, 3.0, 3.0, 3.0]) == [False] * 4  # not above the margin
    assert diverged([2.0, 9.0, None, 9.0, None, 9.0]) == [False] * 5 + [True]
    assert diverged([2.0, *[9.0] * 6]) == [False, False, False, True, False, False, True]
    assert diverged([2.0, *[9.0] * 6], margin=0) == [False] * 7


def test_of_real_targets_the_margin_is_a_share_of_the_lowest():
    assert diverged([0.02, 0.041, 0.05, 9.0], head=REAL) == [False] * 3 + [True]
    assert diverged([200.0, 210.0, 390.0, 399.0], head=REAL) == [False] * 4
    assert diverged([200.0, 210.0, 240.0, 221.0], 0.1, REAL) == [False] * 4  # 210 is not high
    assert diverged([200.0, 222.0, 240.0, 221.0], 0.1, REAL) == [False] * 3 + [True]


def test_the_message_says_how_far_above_the_lowest_that_is():
    high = "window 7: the mean loss was more than {} for 3 log lines in a row"
    for margin, words in ((1.0, "1 above the lowest (2.346)"), (0.001, "0.001 above the lowest (2.346)")):
        assert Divergence(2.3456).message(7, margin, NATS) == high.format(words)
    assert Divergence(0.02).message(7, 0.5, REAL) == high.format("0.01 above the lowest (0.02000)")


def test_good_windows_are_every_twentieth_line_that_is_not_high(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rule, "GOOD_LINES", 3)
    state, taken = Divergence(), []
    for window, mean in enumerate([2.0, 2.0, 2.0, 9.0, 2.0, 2.0, 2.0, 2.0], start=1):
        state.add_line(mean, 1.0, NATS)
        if state.take_good(window):
            taken.append(window)
    assert taken == [1, 5, 8]
    assert (state.good_before, state.good) == (5, 8)


def test_going_back_keeps_the_counts_and_lowers_the_rate():
    now, then = Divergence(2.0, 0, 3, 2, 40, 20, 7), Divergence(2.5, 1, 1, 1, 40, 20, 0)
    after = now.back(then)
    assert after == Divergence(2.5, 1, 3, 3, 40, 20, 0)
    assert after.rate_factor == 0.125
    assert Divergence.from_json(after.to_json(), "x") == after


@pytest.mark.parametrize("change", [{"high": -1}, {"good": 1.5}, {"lowest": "x"}, {"more": 1}])
def test_other_fields_are_refused(change: dict):
    with pytest.raises(CheckpointError, match="x: divergence: "):
        Divergence.from_json(Divergence().to_json() | change, "x")


def test_settings_out_of_range_are_refused(corpus: Corpus):
    with pytest.raises(UsageError, match="on_divergence: expected one of count, rollback"):
        settings(corpus, on_divergence="stop")
    with pytest.raises(UsageError, match="divergence_nats"):
        settings(corpus, divergence_nats=-1.0)


class Kick:
    """Throws the parameters about at one window, unless the rate was lowered: what follows has a high loss."""

    def __init__(self, trainer: Trainer, window: int, times: int) -> None:
        self._trainer, self._window, self._times, self._forward = trainer, window, times, trainer.learner.model.forward

    def __call__(self, ws, state) -> None:
        progress = self._trainer.learner.progress
        if progress.windows == self._window and progress.divergence.rollbacks < self._times:
            self._trainer.learner.model.params.value["output.V"][...] *= 300
        self._forward(ws, state)


WARM = ScheduleConfig("constant", lr=0.002)


def kicked(trainer: Trainer, window: int = 42, times: int = 1) -> Trainer:
    trainer.learner.model.forward = Kick(trainer, window, times)  # type: ignore[method-assign]
    return trainer


@pytest.fixture
def seldom_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule, "GOOD_LINES", 6)


def rollback_settings(corpus: Corpus, **changes: object):
    return settings(
        corpus, **{"on_divergence": "rollback", "divergence_nats": 1.0, "log_every": 3, "schedule": WARM} | changes
    )


@pytest.mark.usefixtures("seldom_good")
def test_a_divergence_goes_back_to_the_last_good_window_at_half_the_rate(
    eager: Backend, corpus: Corpus, tmp_path: Path
):
    told: list[str] = []
    trainer = kicked(new_run(eager, corpus, rollback_settings(corpus), tmp_path / "run", told.append))
    seen: list[int] = []
    trainer.run(Limits(windows=60), on_window=lambda learner: seen.append(learner.progress.windows))
    assert seen == [*range(1, 52), *range(40, 61)]  # good: 3, 21, 39; high: 45, 48, 51
    assert len(told) == 1 and "going back to window 39 with the learning rate times 0.5" in told[0]
    entries = log_without_clock(tmp_path / "run")
    assert [entry["window"] for entry in entries] == sorted({*range(3, 61, 3), 30, 60})
    assert [entry.get("divergences", 0) for entry in entries] == [0] * 13 + [1] * 7
    rates = [entry["learning_rate"] for entry in entries]
    assert rates == pytest.approx([0.002] * 13 + [0.001] * 7, rel=1e-12)
    assert max(entry["nats_per_token"] for entry in entries) < 4
    assert trainer.learner.progress.divergence.rollbacks == 1


@pytest.mark.usefixtures("seldom_good")
@pytest.mark.parametrize("stop", [30, 44, 50, 53])
def test_going_back_is_exact_across_a_resume(eager: Backend, corpus: Corpus, tmp_path: Path, stop: int):
    """Stopped before the kick, while the loss is high, and after the way back. (53: windows were consumed twice.)"""
    config = rollback_settings(corpus)
    kicked(new_run(eager, corpus, config, tmp_path / "whole", lambda text: None)).run(Limits(windows=60))
    consumed = 0

    def count(learner: Learner) -> None:
        nonlocal consumed
        consumed += 1
        if consumed == stop:
            raise KeyboardInterrupt

    limits = Limits(windows=60)
    parts = kicked(new_run(eager, corpus, config, tmp_path / "parts", lambda text: None))
    with pytest.raises(KeyboardInterrupt):
        parts.run(limits, checkpoint_minutes=0, on_window=count)
    kicked(resumed_run(eager, tmp_path / "parts", lambda text: None)).run(limits)
    assert_same_run(tmp_path / "whole", tmp_path / "parts", 60)


@pytest.mark.usefixtures("seldom_good")
def test_checkpoints_to_go_back_to_are_kept(eager: Backend, corpus: Corpus, tmp_path: Path):
    config = rollback_settings(corpus)
    new_run(eager, corpus, config, tmp_path / "run", refuse_warnings).run(Limits(windows=34), checkpoint_minutes=0)
    kept = sorted(int(path.stem.split("-")[1]) for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == [3, 21, 33, 34]


@pytest.mark.usefixtures("seldom_good")
def test_the_fifth_divergence_stops_with_advice(eager: Backend, corpus: Corpus, tmp_path: Path):
    trainer = kicked(new_run(eager, corpus, rollback_settings(corpus), tmp_path / "run", lambda text: None), times=99)
    with pytest.raises(TrainingError, match=r"window 51: .*the 5th time; start again with a lower `lr` .*`init_from="):
        trainer.run(Limits(windows=60))
    assert trainer.learner.progress.divergence.rollbacks == 4


def test_without_rollback_divergences_are_counted(eager: Backend, corpus: Corpus, tmp_path: Path):
    told: list[str] = []
    config = rollback_settings(corpus, on_divergence="count", divergence_nats=1e-3)
    trainer = new_run(eager, corpus, config, tmp_path / "run", told.append)
    sgd_noise = np.full(trainer.learner.model.params.size, 0.2, np.float32)
    trainer.run(Limits(windows=6))
    trainer.learner.model.params.values += eager.from_host(sgd_noise)
    trainer.run(Limits(windows=15))
    assert len(told) == 1 and "window 15: the mean loss was more than 0.001 above" in told[0]
    assert log_without_clock(tmp_path / "run")[-1]["divergences"] == 1
    assert list((tmp_path / "run" / "checkpoints").iterdir()) != []


def test_the_checkpoint_that_is_gone_back_to_is_verified(eager: Backend, corpus: Corpus, tmp_path: Path):
    trainer = kicked(new_run(eager, corpus, rollback_settings(corpus), tmp_path / "run", lambda text: None), window=10)
    good = tmp_path / "run" / "checkpoints" / "window-0000000003.safetensors"

    def damage(learner: Learner) -> None:
        if learner.progress.windows == 12:
            data = bytearray(good.read_bytes())
            data[-1] ^= 1
            good.write_bytes(data)

    with pytest.raises(CheckpointError, match=r"window-0000000003\.safetensors is not an intact checkpoint"):
        trainer.run(Limits(windows=60), on_window=damage)
