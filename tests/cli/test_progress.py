"""What the lines of training say."""

from __future__ import annotations

from typing import Any

import pytest

from gpurnn.cli.progress import LiveLine
from gpurnn.training.config import Limits


def entry(window: int, **more: Any) -> dict[str, Any]:
    line = {"window": window, "nats_per_token": 1.5, "learning_rate": 0.008, "gradient_norm": 0.2}
    return line | {"tokens_per_second": 90_000.0, **more}


def shown(capsys: pytest.CaptureFixture[str], *entries: dict[str, Any]) -> list[str]:
    live = LiveLine(Limits(windows=1000), 100, 0)
    for each in entries:
        live.line(each)
    return capsys.readouterr().err.splitlines()


def test_stuck_lanes_stand_beside_the_validation_until_the_next_one(capsys: pytest.CaptureFixture[str]):
    stuck = {"valid_nats_per_token": 2.078, "stuck_lanes": 1, "median_nats_per_token": 1.776}
    sound = {"valid_nats_per_token": 1.75, "stuck_lanes": 0, "median_nats_per_token": 1.74}
    lines = shown(capsys, entry(50), entry(100, **stuck), entry(150), entry(200, **sound))
    assert ["valid" in line for line in lines] == [False, True, True, True]
    told = "valid 2.078  (1 lane is stuck, median 1.776)"
    assert [told in line for line in lines] == [False, True, True, False]
    assert "valid 1.750  lr" in lines[3]


def test_a_validation_that_is_not_finite_leaves_no_older_one(capsys: pytest.CaptureFixture[str]):
    sound = {"valid_nats_per_token": 1.75, "stuck_lanes": 0, "median_nats_per_token": 1.74}
    lost = {"valid_nats_per_token": None, "stuck_lanes": 2, "median_nats_per_token": 1.8}
    lines = shown(capsys, entry(100, **sound), entry(200, **lost))
    assert "1.75" not in lines[1]
    assert "(2 lanes are stuck, median 1.800)" in lines[1]


def test_a_loss_has_the_unit_of_its_head(capsys: pytest.CaptureFixture[str]):
    LiveLine(Limits(windows=1000), 100, 0).line(entry(50))
    LiveLine(Limits(windows=1000), 100, 0, "squared error").line(entry(50))
    assert [line.split("  ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "1.500 nats",
        "1.500 squared error",
    ]
