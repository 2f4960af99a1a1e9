"""The rate of one large matrix product: what the machine can do, in the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

SIZES = (2048, 3072, 4096)


def square_product(size: int, times: int) -> list[float]:
    """GFLOP/s of each of `times` products of float32 (size, size) matrices, after one that is not counted."""
    rng = np.random.default_rng(0)
    a, b = (rng.random((size, size), np.float32) for _ in range(2))
    out = np.empty_like(a)
    rates = []
    for _ in range(times + 1):
        start = time.perf_counter()
        np.matmul(a, b, out=out)
        rates.append(2 * size**3 / (time.perf_counter() - start) / 1e9)
    return rates[1:]


class GemmRate:
    """The rate over a whole run: the best size is found first and measured again between the cases."""

    def __init__(self, measure: Callable[[int, int], list[float]]) -> None:
        """measure: `square_product`, in the process that runs gpurnn."""
        self._measure = measure
        rates = {size: measure(size, 3) for size in SIZES}
        self.size = max(SIZES, key=lambda size: statistics.median(rates[size]))
        self._rates = rates[self.size]

    def again(self) -> None:
        """One more measurement."""
        self._rates += self._measure(self.size, 1)

    @property
    def gflops(self) -> float:
        """The median of all measurements."""
        return statistics.median(self._rates)
