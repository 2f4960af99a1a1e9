"""How far forecasts are from what was measured: errors by target and by series, and what quantiles hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Accuracy(NamedTuple):
    """Of some targets. mae, rmse: mean absolute error and root of the mean squared error; None without a target.

    mase: the mean absolute error over that of the same season of the train split; None where that is not known.
    """

    targets: int
    mae: float | None
    rmse: float | None
    mase: float | None


class Errors:
    """Sums of errors by series and target.

    unit: (K,), what errors of each target are divided by before they are added up over targets. season: (K,), the error
    of the same season, NaN where there is none.
    """

    def __init__(self, keys: int, unit: NDArray[np.float64], season: NDArray[np.float64]) -> None:
        self._unit, self._season = unit, season
        shape = (keys, len(unit))
        self._counts, self._absolute, self._squares = np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape)

    def add(self, keys: NDArray[np.int64], error: NDArray[np.float64]) -> None:
        """keys: (n,), which series. error: (n, K), NaN where a target does not count."""
        n = len(self._counts)
        for place in range(error.shape[1]):
            there = ~np.isnan(error[:, place])
            of, each = keys[there], error[there, place]
            self._counts[:, place] += np.bincount(of, minlength=n)
            self._absolute[:, place] += np.bincount(of, np.abs(each), minlength=n)
            self._squares[:, place] += np.bincount(of, each * each, minlength=n)

    def of_all(self) -> Accuracy:
        """Of all targets, in `unit`."""
        return self._accuracy(slice(None), slice(None), self._unit)

    def of_target(self, place: int) -> Accuracy:
        """Of one target, in the unit of its column."""
        return self._accuracy(slice(None), slice(place, place + 1), np.ones(1))

    def of_key(self, key: int) -> Accuracy:
        """Of one series, in `unit`."""
        return self._accuracy(slice(key, key + 1), slice(None), self._unit)

    def _accuracy(self, keys: slice, targets: slice, unit: NDArray[np.float64]) -> Accuracy:
        counts = self._counts[keys, targets].sum(axis=0)
        absolute, squares = self._absolute[keys, targets].sum(axis=0), self._squares[keys, targets].sum(axis=0)
        count, season = int(counts.sum()), self._season[targets]
        if not count:
            return Accuracy(0, None, None, None)
        seen = counts > 0
        known = bool((season[seen] > 0).all())  # False for NaN
        return Accuracy(
            count,
            float((absolute / unit).sum()) / count,
            math.sqrt(float((squares / unit**2).sum()) / count),
            float((absolute[seen] / season[seen]).sum()) / count if known else None,
        )


class QuantileErrors:
    """What the quantiles of each target hold: the mean pinball loss, and the share of targets that are not above.

    unit: see `Errors`.
    """

    def __init__(self, quantiles: Sequence[float], unit: NDArray[np.float64]) -> None:
        self._quantiles, self._unit = np.array(quantiles, np.float64), unit
        self._loss, self._below = np.zeros(len(quantiles)), np.zeros(len(quantiles), np.int64)
        self._count = 0

    def add(self, values: NDArray[np.float64], truth: NDArray[np.float64]) -> None:
        """values: (n, K, Q). truth: (n, K), NaN where a target does not count."""
        there = ~np.isnan(truth)
        error = truth[there][:, None] - values[there]
        unit = np.broadcast_to(self._unit, truth.shape)[there][:, None]
        self._loss += (pinball(error, self._quantiles) / unit).sum(axis=0)
        self._below += (error <= 0).sum(axis=0)
        self._count += len(error)

    def found(self) -> dict[str, dict[str, float]]:
        """By quantile: `pinball`, in `unit`, and `coverage`, which would be the quantile itself."""
        if not self._count:
            return {}
        each = zip(self._quantiles.tolist(), self._loss.tolist(), self._below.tolist(), strict=True)
        return {f"{q:g}": {"pinball": loss / self._count, "coverage": n / self._count} for q, loss, n in each}


def pinball(error: NDArray[np.float64], quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """q e above a forecast and (q - 1) e below it. error: (n, Q), truth less forecast. quantiles: (Q,)."""
    return np.maximum(quantiles * error, (quantiles - 1) * error)
