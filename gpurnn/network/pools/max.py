"""The largest of each number over the steps of a sequence up to each step: z(t) = max y(s)."""

from __future__ import annotations

from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.network.pools.base import FLAGS, SOURCE, Pool, begins, error_arguments, forward_arguments


def max_pool(xp: Any, y: Array, carry: Array, z: Array, lanes: Array) -> None:
    """z: overwritten; what is not a number stays. y, carry: read only. lanes: scratch."""
    for t in range(len(y)):
        xp.maximum(z[t - 1], y[t], out=z[t])
        xp.copyto(z[t], y[t], where=begins(xp, carry, t, lanes))


def max_pool_error(
    xp: Any, dz: Array, carry: Array, dy: Array, z: Array, lanes: Array, total: Array, rose: Array
) -> None:
    """dy: overwritten with the sum of dz over the steps whose largest came from here: the first of equal ones.

    dz, carry, z: read only. The rest: scratch.
    """
    total.fill(0)
    for t in reversed(range(len(dz))):
        xp.add(total, dz[t], out=total)
        xp.not_equal(z[t], z[t - 1], out=rose)
        xp.logical_or(rose, begins(xp, carry, t, lanes), out=rose)
        dy[t] = 0
        xp.copyto(dy[t], total, where=rose, casting="same_kind")
        xp.copyto(total, 0, where=rose)


_SCRATCH = {"lanes": FLAGS}
_OF_ERROR = _SCRATCH | {"total": Argument(("B", "H"), "double"), "rose": Argument(("B", "H"), "flag")}
_FROM_LARGEST = error_arguments("H") | {"z": Argument(("N", "B", "H"))}
MAX_POOL = FusedOp("max_pool", forward_arguments("H"), max_pool, _SCRATCH, SOURCE, in_turn=True)
MAX_POOL_ERROR = FusedOp("max_pool_error", _FROM_LARGEST, max_pool_error, _OF_ERROR, SOURCE, in_turn=True)


class Max(Pool):
    """The largest."""

    kind = "max"
    forward_op, backward_op = MAX_POOL, MAX_POOL_ERROR
