"""Restarts: now and then a lane begins again from a state of zeros, as sampling and evaluation do."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.settings import BelowOne, Seed, checked

_PURPOSE = 1
"""The third word of the counter: dropout masks have 0 there, so no draw is used twice."""


class Restarts:
    """Draws which of `lanes` lanes begin anew at the start of a window, each with probability `rate`.

    The draws follow from seed, lane and window alone: uniform `lane` of NumPy's Philox4x64-10 with key (seed, 0) and
    counter (0, window, 1, 0). Raises UsageError for a rate or seed out of its range.
    """

    def __init__(self, rate: float, seed: int, lanes: int) -> None:
        self._rate, seed = checked("restart", BelowOne, rate), checked("seed", Seed, seed)
        self._bits = np.random.Philox(counter=(0, 0, _PURPOSE, 0), key=np.array((seed, 0), np.uint64))
        self._begin: Any = self._bits.state
        self._generator = np.random.Generator(self._bits)
        self._uniforms = np.zeros(lanes)
        self._chosen = np.zeros(lanes, np.bool_)

    def cut(self, window: int, carry: NDArray[np.float32]) -> bool:
        """Put 0 into carry, (B,), the first step's, where a lane begins anew; returns whether one does."""
        if not self._rate:
            return False
        self._begin["state"]["counter"][1] = window
        self._bits.state = self._begin  # to make another generator takes four times as long
        self._generator.random(out=self._uniforms)
        np.less(self._uniforms, self._rate, out=self._chosen)
        np.copyto(carry, 0, where=self._chosen)
        return bool(self._chosen.any())
