"""Weights of labels: how much a step counts, by its target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class TargetWeights:
    """What the weight of a step is multiplied by. table: (K,), by the target. most: steps of a window, of all lanes."""

    def __init__(self, table: NDArray[np.float32], most: int) -> None:
        self._table = table
        self._factors, self._exact = np.zeros(most, np.float32), np.zeros(most)

    def apply(self, weight: NDArray[np.float32], targets: NDArray[np.int32]) -> float:
        """Overwrite weight, (t, B), as the targets, (t, B), say; returns the sum. Nothing is allocated."""
        factors, exact = (each[: weight.size].reshape(weight.shape) for each in (self._factors, self._exact))
        np.take(self._table, targets, out=factors, mode="clip")
        weight *= factors
        np.copyto(exact, weight)
        return float(exact.sum())
