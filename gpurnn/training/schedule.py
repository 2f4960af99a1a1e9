"""The learning rate as a function of the window's index."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from gpurnn.exceptions import UsageError
from gpurnn.settings import Count, Factor, Natural, NotNegative, OneOf, Share, check_fields

SCHEDULES = ("constant", "step", "cosine", "plateau")


@dataclass(frozen=True)
class ScheduleConfig:
    """name: one of `SCHEDULES`. rate: the highest learning rate, reached after `warmup` windows.

    step: every `every` windows the rate is multiplied by `factor`. cosine: it falls to `rate * floor` over
    `decay_windows` windows, counted from the run's beginning, and stays there. plateau: it is multiplied by `factor`
    after `patience` validations in a row that were no better than the best; never below `rate * floor`.
    """

    name: Annotated[str, OneOf(SCHEDULES)] = "plateau"
    rate: NotNegative = 8e-3
    warmup: Natural = 0
    every: Count = 1000
    factor: Factor = 0.5
    floor: Share = 0.05
    decay_windows: Natural = 0
    patience: Count = 2

    def __post_init__(self) -> None:
        check_fields(self, name="schedule", rate="learning rate")
        if self.name == "cosine" and self.decay_windows <= self.warmup:
            raise UsageError(
                f"schedule cosine: expected a decay longer than the warm-up of {self.warmup} windows, found "
                f"{self.decay_windows}; give its length with --decay-windows or --decay-epochs"
            )


def learning_rate(config: ScheduleConfig, window: int, plateaus: int = 0) -> float:
    """The rate of window 0, 1, ... plateaus: how often the plateau schedule has lowered it so far."""
    if window < config.warmup:
        return config.rate * (window + 1) / config.warmup
    if config.name == "step":
        return config.rate * config.factor ** (window // config.every)
    if config.name == "plateau":
        return config.rate * max(config.factor**plateaus, config.floor)
    if config.name == "cosine":
        done = min(1.0, (window - config.warmup) / (config.decay_windows - config.warmup))
        return config.rate * (config.floor + (1 - config.floor) * (1 + math.cos(math.pi * done)) / 2)
    return config.rate
