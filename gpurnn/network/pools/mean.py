"""The mean over the steps of a sequence up to each step: z(t) = Σ y(s) / n."""

from __future__ import annotations

from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.network.pools.base import CARRY, FLAGS, SOURCE, Pool, begins, error_arguments, forward_arguments


def mean_pool(xp: Any, y: Array, carry: Array, z: Array, lanes: Array, total: Array, count: Array) -> None:
    """z: overwritten. y, carry: read only. The rest: scratch. Sums are float64, so that long ones stay sound."""
    for t in range(len(y)):
        begin, n = begins(xp, carry, t, lanes), count[t]
        xp.copyto(total, 0, where=begin)
        xp.add(total, y[t], out=total)
        _count(xp, begin, count, t)
        z[t] = total
        xp.divide(z[t], n, out=z[t])


def mean_pool_error(xp: Any, dz: Array, carry: Array, dy: Array, lanes: Array, total: Array, count: Array) -> None:
    """dy: overwritten with the sum of dz over the steps from here on, each divided by its n. dz, carry: read only."""
    for t in range(len(dz)):
        _count(xp, begins(xp, carry, t, lanes), count, t)
    for t in reversed(range(len(dz))):
        xp.copyto(total, 0, where=begins(xp, carry, t + 1, lanes))
        xp.divide(dz[t], count[t], out=dy[t])
        xp.add(total, dy[t], out=total)
        dy[t] = total


def _count(xp: Any, begin: Array, count: Array, t: int) -> None:
    """count[t]: overwritten with how many steps of its sequence each lane has read after step t."""
    if t == 0:
        count[t] = 1
        return
    xp.add(count[t - 1], 1, out=count[t])
    xp.copyto(count[t], 1, where=begin)


_SCRATCH = {"lanes": FLAGS, "total": Argument(("B", "H"), "double"), "count": CARRY}
MEAN_POOL = FusedOp("mean_pool", forward_arguments("H"), mean_pool, _SCRATCH, SOURCE, in_turn=True)
MEAN_POOL_ERROR = FusedOp("mean_pool_error", error_arguments("H"), mean_pool_error, _SCRATCH, SOURCE, in_turn=True)


class Mean(Pool):
    """The mean."""

    kind = "mean"
    forward_op, backward_op = MEAN_POOL, MEAN_POOL_ERROR
