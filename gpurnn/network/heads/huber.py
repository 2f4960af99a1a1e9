"""Huber's error of real targets: squared where it is small, absolute where a target is far off (Huber 1964)."""

from __future__ import annotations

from typing import Any

from gpurnn.backend import Array
from gpurnn.network.heads.regression import Regression, operations


def huber(xp: Any, d: Array, slopes: Array) -> None:
    """l(d) = d² / 2 where |d| <= 1, |d| - 1/2 elsewhere: s (d - s / 2) with s = l'(d), d within -1 and 1.

    See `regression.Curve`.
    """
    xp.minimum(d, 1, out=slopes)
    xp.maximum(slopes, -1, out=slopes)
    xp.multiply(slopes, 0.5, out=slopes)  # and back: both are exact
    xp.subtract(d, slopes, out=d)
    xp.multiply(slopes, 2, out=slopes)
    xp.multiply(d, slopes, out=d)


HUBER_WITH_ERROR, HUBER = operations("huber", huber)


class Huber(Regression):
    """How much, by Huber's error."""

    kind, unit = "huber", "Huber error"
    error_op, loss_op = HUBER_WITH_ERROR, HUBER
