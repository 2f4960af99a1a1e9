"""From times to what is reported: ratios with their spread, rates, means."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """How many times as long a peer takes: the median over the rounds, and the quartiles around it."""

    median: float
    low: float
    high: float


def ratio(ours: Sequence[float], peer: Sequence[float]) -> Ratio:
    """The peer's seconds over ours, round by round: whatever slows a whole round cancels."""
    if len(ours) != len(peer) or not ours:
        raise ValueError(f"expected as many rounds of the peer as of ours, found {len(peer)} and {len(ours)}")
    ratios = [p / o for o, p in zip(ours, peer, strict=True)]
    if len(ratios) == 1:
        return Ratio(ratios[0], ratios[0], ratios[0])
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median, low, high)


def geometric_mean(values: Sequence[float]) -> float:
    """The n-th root of the product of n positive values; nan of none."""
    return math.exp(statistics.fmean(map(math.log, values))) if values else math.nan


def windows_in(seconds: float, per_window: float) -> int:
    """How many windows fill a slice of time, at least one."""
    return max(1, round(seconds / per_window))


def warm_up(per_window: float) -> int:
    """Windows run before the clock starts, after another program had the caches; none where a window is long."""
    return math.ceil(0.03 / per_window) if per_window < 0.2 else 0
