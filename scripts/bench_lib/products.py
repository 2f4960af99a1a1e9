"""The rate of one large matrix product: what the machine can do, in the same run, whoever gets it out of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np

SIZES = (2048, 3072, 4096)

Multiply = Callable[[], object]
"""Computes one product, into an array of its own."""


def square_product(make: Callable[[np.ndarray, np.ndarray], Multiply], size: int, times: int) -> list[float]:
    """GFLOP/s of each of `times` products of float32 (size, size) matrices, after one that is not counted.

    make: gives what multiplies the two matrices.
    """
    rng = np.random.default_rng(0)
    multiply = make(*(rng.random((size, size), np.float32) for _ in range(2)))
    rates = []
    for _ in range(times + 1):
        start = time.perf_counter()
        multiply()
        rates.append(2 * size**3 / (time.perf_counter() - start) / 1e9)
    return rates[1:]


class Products:
    """The rates over a whole run: each library's best size is found first and measured again between the cases."""

    def __init__(self, libraries: Mapping[str, Callable[[int, int], list[float]]]) -> None:
        """libraries: by name, `square_product` of a size and a number of times, in the process of the library."""
        self._libraries = libraries
        rates = {size: {name: measure(size, 3) for name, measure in libraries.items()} for size in SIZES}
        self.sizes = {name: max(SIZES, key=lambda size: statistics.median(rates[size][name])) for name in libraries}
        self._rates = {name: rates[size][name] for name, size in self.sizes.items()}

    def again(self) -> None:
        """One more measurement of each."""
        for name, measure in self._libraries.items():
            self._rates[name] += measure(self.sizes[name], 1)

    @property
    def gflops(self) -> dict[str, float]:
        """By library, the median of all measurements."""
        return {name: statistics.median(rates) for name, rates in self._rates.items()}

    @property
    def best(self) -> str:
        """The library with the best rate."""
        rates = self.gflops
        return max(rates, key=rates.__getitem__)
