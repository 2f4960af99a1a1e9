"""The squared error of real targets: its best answer is their mean."""

from __future__ import annotations

from typing import Any

from gpurnn.backend import Array
from gpurnn.network.heads.regression import Regression, operations


def squared(xp: Any, d: Array, slopes: Array) -> None:
    """l(d) = d²; see `regression.Curve`."""
    xp.multiply(d, 2, out=slopes)
    xp.multiply(d, d, out=d)


SQUARED_WITH_ERROR, SQUARED = operations("squared", squared)


class Squared(Regression):
    """How much, by the squared error."""

    kind, unit = "squared", "squared error"
    error_op, loss_op = SQUARED_WITH_ERROR, SQUARED
