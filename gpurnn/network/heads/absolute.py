"""The absolute error of real targets: its best answer is their median, so that a few that are far off say little."""

from __future__ import annotations

from typing import Any

from gpurnn.backend import Array
from gpurnn.network.heads.regression import Regression, operations


def absolute(xp: Any, d: Array, slopes: Array) -> None:
    """l(d) = |d|; see `regression.Curve`."""
    xp.sign(d, out=slopes)
    xp.absolute(d, out=d)


ABSOLUTE_WITH_ERROR, ABSOLUTE = operations("absolute", absolute)


class Absolute(Regression):
    """How much, by the absolute error."""

    kind, unit = "absolute", "absolute error"
    error_op, loss_op = ABSOLUTE_WITH_ERROR, ABSOLUTE
