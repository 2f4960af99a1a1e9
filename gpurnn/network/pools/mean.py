"""The mean over the steps of a sequence up to each step: z(t) = Σ y(s) / n."""

from __future__ import annotations

from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.network.pools.base import CARRY, FLAGS, SOURCE, Pool, begins


def mean_pool(xp: Any, y: Array, carry: Array, z: Array, lanes: Array, total: Array, count: Array) -> None:
    """z: overwritten. y, carry: read only. The rest: scratch. Sums are float64, so that long ones stay sound."""
    for t in range(len(y)):
        begin, n = begins(xp, carry, t, lanes), count[t]
        xp.copyto(total, 0, where=begin)
        xp.add(total, y[t], out=total)
        _count(xp, begin, count, t)
        z[t] = total
        xp.divide(z[t], n, out=z[t])


def mean_pool_error(xp: Any, d: Array, carry: Array, lanes: Array, total: Array, count: Array) -> None:
    """d: the error of z, overwritten with that of y: the sum over the steps from here on, each divided by its n."""
    for t in range(len(d)):
        _count(xp, begins(xp, carry, t, lanes), count, t)
    for t in reversed(range(len(d))):
        xp.copyto(total, 0, where=begins(xp, carry, t + 1, lanes))
        xp.divide(d[t], count[t], out=d[t])
        xp.add(total, d[t], out=total)
        d[t] = total


def _count(xp: Any, begin: Array, count: Array, t: int) -> None:
    """count[t]: overwritten with how many steps of its sequence each lane has read after step t."""
    xp.add(count[t - 1], 1, out=count[t])
    xp.copyto(count[t], 1, where=begin)


_ROWS = ("N", "B", "H")
_WRITTEN = Argument(_ROWS, written=True)
_SCRATCH = {"lanes": FLAGS, "total": Argument(("B", "H"), "double"), "count": CARRY}
MEAN_POOL = FusedOp(
    "mean_pool", {"y": Argument(_ROWS), "carry": CARRY, "z": _WRITTEN}, mean_pool, _SCRATCH, SOURCE, in_turn=True
)
MEAN_POOL_ERROR = FusedOp(
    "mean_pool_error", {"d": _WRITTEN, "carry": CARRY}, mean_pool_error, _SCRATCH, SOURCE, in_turn=True
)


class Mean(Pool):
    """The mean."""

    kind = "mean"
    forward_op, backward_op = MEAN_POOL, MEAN_POOL_ERROR
