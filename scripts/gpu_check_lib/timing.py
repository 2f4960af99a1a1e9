"""Times windows by events on the device."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from itertools import pairwise
from typing import Any

WARM_UP = 4
"""Windows until every kernel is compiled, every buffer is there and a graph has been captured and compared."""


def window_seconds(
    window: Callable[[], None], mark: Callable[[], Any], elapsed: Callable[[Any, Any], float], windows: int
) -> float:
    """The median time of so many windows, from the end of the one before to its own end.

    window: trains the next one. mark: an event behind the work given so far. elapsed: seconds between two events.
    """
    marks = [mark()]
    for _ in range(windows):
        window()
        marks.append(mark())
    return statistics.median(elapsed(start, end) for start, end in pairwise(marks))


def check_loss(loss: float) -> None:
    """Raises ArithmeticError where what was timed has not trained."""
    if not math.isfinite(loss):
        raise ArithmeticError(f"the loss after the timed windows is {loss}")
