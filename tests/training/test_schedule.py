"""Learning rates at chosen windows, worked out by hand."""

from __future__ import annotations

import pytest

from gpurnn.training.schedule import ScheduleConfig, learning_rate


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (ScheduleConfig("constant", lr=0.5), {0: 0.5, 10**9: 0.5}),
        (ScheduleConfig("constant", lr=0.4, warmup=4), {0: 0.1, 1: 0.2, 3: 0.4, 4: 0.4}),
        (
            ScheduleConfig("step", lr=1.0, decay_every=10, decay_factor=0.5),
            {0: 1.0, 9: 1.0, 10: 0.5, 29: 0.25, 30: 0.125},
        ),
        (ScheduleConfig("step", lr=1.0, decay_every=10, decay_factor=0.5, warmup=2), {0: 0.5, 1: 1.0, 10: 0.5}),
        (
            ScheduleConfig("cosine", lr=1.0, lr_floor=0.0, decay_windows=100),
            {0: 1.0, 50: 0.5, 100: 0.0, 10**6: 0.0, 25: 0.8535533905932737},
        ),
        (ScheduleConfig("cosine", lr=2.0, lr_floor=0.1, warmup=10, decay_windows=30), {9: 2.0, 20: 1.1, 30: 0.2}),
    ],
    ids=str,
)
def test_rates(config: ScheduleConfig, expected: dict[int, float]):
    for window, rate in expected.items():
        assert learning_rate(config, window) == pytest.approx(rate, rel=1e-12, abs=1e-15)


def test_plateaus_lower_the_rate_down_to_its_floor():
    config = ScheduleConfig("plateau", lr=1.0, decay_factor=0.5, lr_floor=0.2)
    assert [learning_rate(config, 7, plateaus) for plateaus in range(4)] == [1.0, 0.5, 0.25, 0.2]
