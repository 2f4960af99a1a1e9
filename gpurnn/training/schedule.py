"""The learning rate as a function of the window's index."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gpurnn.exceptions import UsageError

SCHEDULES = ("constant", "step", "cosine", "plateau")


@dataclass(frozen=True)
class ScheduleConfig:
    """name: one of `SCHEDULES`. rate: the highest learning rate, reached after `warmup` windows.

    step: every `every` windows the rate is multiplied by `factor`. cosine: it falls to `rate * floor` over
    `decay_windows` windows, counted from the run's beginning, and stays there. plateau: it is multiplied by `factor`
    after `patience` validations in a row that were no better than the best; never below `rate * floor`.
    """

    name: str = "plateau"
    rate: float = 8e-3
    warmup: int = 0
    every: int = 1000
    factor: float = 0.5
    floor: float = 0.05
    decay_windows: int = 0
    patience: int = 2

    def __post_init__(self) -> None:
        if self.name not in SCHEDULES:
            raise UsageError(f"schedule: expected one of {', '.join(SCHEDULES)}, found {self.name!r}")
        if not (math.isfinite(self.rate) and self.rate >= 0):
            raise UsageError(f"learning rate: expected 0 or more, found {self.rate}")
        if not 0 < self.factor <= 1 or not 0 <= self.floor <= 1:
            raise UsageError("schedule: expected a factor in (0, 1] and a floor in [0, 1]")
        if self.warmup < 0 or self.every < 1 or self.patience < 1:
            raise UsageError("schedule: expected warm-up of 0 or more, and steps and patience of 1 or more")
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
