"""The learning rate as a function of the window's index."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from gpurnn.exceptions import UsageError
from gpurnn.settings import Count, Factor, Natural, NotNegative, OneOf, Share, check_fields, renamed

SCHEDULES = ("constant", "step", "cosine", "plateau")


@renamed(
    name="schedule",
    rate="lr",
    every="decay_every",
    factor="decay_factor",
    floor="lr_floor",
    patience="decay_patience",
)
@dataclass(frozen=True)
class ScheduleConfig:
    """schedule: one of `SCHEDULES`. lr: the highest learning rate, reached after `warmup` windows.

    step: every `decay_every` windows the rate is multiplied by `decay_factor`. cosine: it falls to `lr * lr_floor` over
    `decay_windows` windows, counted from the run's beginning, and stays there. plateau: it is multiplied by
    `decay_factor` after `decay_patience` validations in a row that were no better than the best; never below
    `lr * lr_floor`.
    """

    schedule: Annotated[str, OneOf(SCHEDULES)] = "plateau"
    lr: NotNegative = 8e-3
    warmup: Natural = 0
    decay_every: Count = 1000
    decay_factor: Factor = 0.5
    lr_floor: Share = 0.05
    decay_windows: Natural = 0
    decay_patience: Count = 2

    def __post_init__(self) -> None:
        check_fields(self)
        if self.schedule == "cosine" and self.decay_windows <= self.warmup:
            raise UsageError(
                f"schedule cosine: expected a decay longer than the warm-up of {self.warmup} windows, found "
                f"{self.decay_windows}; give its length with `decay_windows` or `decay_epochs`"
            )


def learning_rate(config: ScheduleConfig, window: int, plateaus: int = 0) -> float:
    """The rate of window 0, 1, ... plateaus: how often the plateau schedule has lowered it so far."""
    if window < config.warmup:
        return config.lr * (window + 1) / config.warmup
    if config.schedule == "step":
        return config.lr * config.decay_factor ** (window // config.decay_every)
    if config.schedule == "plateau":
        return config.lr * max(config.decay_factor**plateaus, config.lr_floor)
    if config.schedule == "cosine":
        done = min(1.0, (window - config.warmup) / (config.decay_windows - config.warmup))
        return config.lr * (config.lr_floor + (1 - config.lr_floor) * (1 + math.cos(math.pi * done)) / 2)
    return config.lr
