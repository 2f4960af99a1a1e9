"""What is said: the levels, and the advice for what was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpurnn.diagnosis import findings
from gpurnn.diagnosis.again import Again
from gpurnn.diagnosis.history import History, Updates, history
from gpurnn.diagnosis.reach import Reach, fall
from gpurnn.diagnosis.recovery import STEPS, FromZero
from gpurnn.diagnosis.text import Cost, TextCost
from gpurnn.diagnosis.units import Units
from gpurnn.diagnosis.window import Kept, WindowCut
from gpurnn.network import ModelConfig
from gpurnn.training.config import TrainConfig
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.tasks.text import Text


def reach_of(beta: float) -> Reach:
    return Reach({"layers.0.dh": fall(beta ** np.arange(64.0)[:, None] * np.ones((1, 9)))}, {}, {}, 0.0, 9, 2)


@pytest.mark.parametrize(
    ("beta", "level", "said"),
    [
        (0.5, "info", "halves every 1.0 steps back; 1 % is left after 7 for half of the targets, after 7"),
        (0.999, "info", "more than half of the error of a target is left 63 steps back"),
        (
            1.02,
            "warning",
            "errors grow by 1.020 a step back: they explode; what keeps training alive is clipping, which ",
        ),
    ],
)
def test_reach(beta: float, level: str, said: str):
    found = findings.of_reach(reach_of(beta), 0.25, 2.0)
    assert found.level == level and said in found.sentence
    assert ("acted in 25% of updates" in found.sentence) == (beta > 1)
    assert ("2 stuck lanes set aside" in found.sentence) == (beta < 1)
    assert ("look again after an epoch" in findings.of_reach(reach_of(beta), None, 0.5).sentence) == (beta < 1)


def test_errors_that_grow_within_short_sequences_do_not_explode():
    norms = 1.2 ** np.arange(7.0)[:, None] * np.ones((1, 9))
    found = findings.of_reach(Reach({"layers.0.dh": fall(norms)}, {}, {}, 0.0, 9, 0), 0.5, 2.0)
    assert found == findings.Finding(
        "info", "the error of a target does not fall within the 7 steps that a sequence has"
    )


@pytest.mark.parametrize(
    ("carried", "level", "said"), [(None, "info", "with 95 %)"), (0, "info", "with 95 %)"), (2, "warning", "stuck: 2")]
)
def test_lanes_of_training_that_are_stuck_are_told(carried: int | None, level: str, said: str):
    zero = FromZero(np.arange(9), np.ones((STEPS, 9)), np.ones((STEPS, 9)), np.zeros(9, bool))
    found = findings.of_recovery(zero, "nats", "", carried)
    assert found.level == level and found.sentence.startswith("all 9 starts") and found.sentence.endswith(said)


def cut_of(cosine: list[float]) -> WindowCut:
    zero = np.zeros(len(cosine))
    kept = Kept(np.array(cosine) ** 2, np.array(cosine), 1 - np.array(cosine), zero, zero, zero)
    return WindowCut((2, 4, 8, 16, 32, 64), {"layers.0.W": kept, "output.V": replace(kept)}, 448, 5, 0)


@pytest.mark.parametrize(
    ("cosine", "level", "said"),
    [
        (
            [0.5, 0.6, 0.9, 0.99, 0.99, 1.0],
            "info",
            "windows of 16 keep 98% of the gradient of layers.0.W (cosine 0.99)",
        ),
        ([0.5, 0.6, 0.8, 0.93, 0.985, 1.0], "note", "32 would keep 97% at 2 times the memory"),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.9], "note", "64 would keep 81% at 4 times the memory"),
    ],
)
def test_windows_are_never_called_wrong(cosine: list[float], level: str, said: str):
    found = findings.of_window(cut_of(cosine), None, 3.0)
    assert found.level == level and said in found.sentence
    assert ("only training shows: `bptt=" in found.sentence) == (level == "note")


def again_of(lag: int | None) -> Again:
    fall = np.zeros(256)
    fall[7 if lag is None else lag] = 0.25
    return Again(fall, 0.01 * np.ones(256), 1.5, lag, 99)


@pytest.mark.parametrize("cosine", [0.8, 1.0, np.nan])
def test_windows_that_do_not_show_what_comes_again_are_told_however_much_they_keep(cosine: float):
    found = findings.of_window(cut_of([cosine] * 6), None, 3.0, again_of(40))
    assert found.level == "note" and found.sentence.endswith(
        "they hardly show what comes again 40 steps back: `bptt=64`"
    )


def test_where_no_symbol_further_back_is_lacking_little_is_to_be_gained():
    found = findings.of_window(cut_of([0.1, 0.2, 0.3, 0.4, 0.5, 0.9]), None, 3.0, again_of(None))
    assert found.level == "note" and "(to know would save 0 of 1.5 at most); whether that lowers" in found.sentence
    whole = findings.of_window(cut_of([1.0] * 6), None, 3.0, again_of(None))
    assert whole.level == "info" and "gained" not in whole.sentence


def test_a_state_that_lacks_what_comes_again_is_no_comfort():
    info, warning = (findings.Finding(level, "so it is") for level in ("info", "warning"))
    assert findings.with_what_comes_again(info, again_of(None), 8, "nats") == info
    assert findings.with_what_comes_again(info, again_of(40), 8, "nats").level == "note"
    assert findings.with_what_comes_again(warning, again_of(40), 8, "nats").level == "warning"


def log_of(*losses: float, **more: float) -> History:
    config = TrainConfig(ModelConfig(5), OptimizerConfig(clip=1.0))
    lines = [
        {"window": 10 * n, "nats_per_token": loss, "gradient_norm": 0.5, "update_ratio": 0.003, **more}
        for n, loss in enumerate(losses, 1)
    ]
    found = history(lines, config, Text)
    assert found is not None
    return found


def test_a_rate_that_is_too_high_or_too_low():
    sound = findings.of_run(log_of(3.0, 2.0, 2.1), None, "")
    assert sound.level == "info" and "`clip=1` never acted (largest norm 0.5)" in sound.sentence
    assert "`lr=" not in sound.sentence
    ran_away = findings.of_run(log_of(3.0, 2.0, 4.0), None, "")
    assert ran_away.level == "warning"
    assert "far above its lowest, 2.000: the rate is too high, lower `lr`" in ran_away.sentence
    near_0 = findings.of_run(log_of(3.0, 1e-4, 3e-3), None, "")
    assert near_0.level == "info", "many times its lowest, and next to nothing of what it was"
    clipped = findings.of_run(log_of(3.0, 2.0, clipped_windows=9, gradient_norm_max=4.0), None, "")
    assert clipped.level == "note" and "acted in 90% of the windows (largest norm 4): a lower `lr`" in clipped.sentence
    much = findings.of_run(log_of(*[3.0] * 9, 2.0, update_ratio=0.03), None, "")
    assert much.level == "note"
    assert all(each.sentence.endswith("a quarter of it is `lr=0.002`") for each in (ran_away, clipped, much))
    early = findings.of_run(log_of(3.0, 2.0, update_ratio=0.03), None, "")
    assert early.level == "info" and "lr" not in early.sentence, "a lower rate would learn more slowly"
    early = findings.of_run(log_of(2.0, 2.1, update_ratio=0.03), None, "")
    assert early.level == "note" and "`lr=0.002`" in early.sentence, "it does not fall"
    low = findings.of_run(log_of(3.0, 2.0, update_ratio=1e-5), None, "")
    assert low.level == "note" and "it hardly learns any more" in low.sentence
    skipped = findings.of_run(log_of(3.0, 2.0, skipped_windows=3, divergences=2), None, "")
    assert skipped.level == "warning" and "ran away 2 times, 3 windows were skipped" in skipped.sentence


def test_units_that_do_not_move_are_spare_only_where_they_have_learnt_and_are_not_at_their_ends():
    def told(dead: int, extreme: float, epochs: float) -> findings.Finding:
        h = "layers.0.h"
        return findings.of_units(Units({}, {h: extreme}, {h: dead}, {h: 10}, 100, {}, ()), epochs)

    spare = told(4, 0.0, 3.0)
    assert spare.level == "note" and spare.sentence.endswith("a smaller `hidden` might do as well")
    assert told(4, 0.0, np.nan) == spare, "how long it has learnt is not known"
    young = told(4, 0.0, 0.5)
    assert young.level == "info" and young.sentence.endswith("the network is young, look again after an epoch")
    stuck = told(10, 0.9, 3.0)
    assert stuck.level == "note" and "smaller" not in stuck.sentence and "a lower `lr`" in stuck.sentence
    assert told(0, 0.0, 0.5).sentence == "0 of 10 hidden units hardly move, 0% of values are at +-1"


@pytest.mark.parametrize(("mean", "level"), [(2.0, "info"), (3.4, "info"), (4.0, "warning"), (7e30, "warning")])
def test_a_text_that_costs_more_than_knowing_nothing_does(mean: float, level: str):
    """Of 29 symbols that is ln 29 = 3.367."""
    cost = TextCost({"spaces": Cost(1.0, mean, 10)}, 0.5, (), 10 * mean, 10, 0, 0)
    found = findings.of_text(cost, "nats", None, 29)
    assert found.level == level and ("29 symbols for alike costs 3.367" in found.sentence) == (level == "warning")


def test_of_a_run_without_a_log_its_next_updates_are_told():
    assert findings.of_run(None, None, "there is none") == findings.Finding("none", "not measured: there is none")
    clipped = np.array([True, False, False, False])
    found = findings.of_run(None, Updates(np.full(4, 0.003), np.ones(4), clipped, np.ones(4)), "there is none")
    assert found.level == "info"
    assert found.sentence == (
        "there is none; of its next 4 updates 25% are clipped, one moves the parameters by 0.003 of their size"
    )
