"""Times windows by events on the device."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from bench_lib.stats import windows_in

_WARM_UP = 3
"""Windows until every kernel is compiled, every buffer is there and a graph has been captured and compared."""
_MOST = 2000


def seconds_per_window(
    window: Callable[[], None],
    mark: Callable[[], Any],
    elapsed: Callable[[Any, Any], float],
    windows: int,
    seconds: float,
) -> float:
    """The median time of a window, from the end of the one before to its own end.

    window: trains the next one. mark: an event behind the work given so far. elapsed: seconds between two events.
    windows, seconds: see `sizes.Plan`.
    """
    for _ in range(_WARM_UP):
        window()
    estimate = _median(window, mark, elapsed, 3)
    return _median(window, mark, elapsed, min(max(windows, windows_in(seconds, max(estimate, 1e-6))), _MOST))


def _median(
    window: Callable[[], None], mark: Callable[[], Any], elapsed: Callable[[Any, Any], float], windows: int
) -> float:
    marks = [mark()]
    for _ in range(windows):
        window()
        marks.append(mark())
    return statistics.median(elapsed(start, end) for start, end in pairwise(marks))


def check_loss(loss: float) -> None:
    """Raises ArithmeticError where what was timed has not trained."""
    if not math.isfinite(loss):
        raise ArithmeticError(f"the loss after the timed windows is {loss}")
