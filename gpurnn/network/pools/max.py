"""The largest of each number over the steps of a sequence up to each step: z(t) = max y(s)."""

from __future__ import annotations

from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.network.pools.base import CARRY, FLAGS, SOURCE, Pool, begins


def max_pool(xp: Any, y: Array, carry: Array, z: Array, lanes: Array) -> None:
    """z: overwritten; what is not a number stays. y, carry: read only. lanes: scratch."""
    for t in range(len(y)):
        xp.maximum(z[t - 1], y[t], out=z[t])
        xp.copyto(z[t], y[t], where=begins(xp, carry, t, lanes))


def max_pool_error(xp: Any, d: Array, carry: Array, z: Array, lanes: Array, total: Array, rose: Array) -> None:
    """d: the error of z, overwritten with that of y: the sum over the steps whose largest came from here.

    That is the first of several that are equal. The rest: scratch, but carry and z, which are read only.
    """
    total.fill(0)
    for t in reversed(range(len(d))):
        xp.add(total, d[t], out=total)
        xp.not_equal(z[t], z[t - 1], out=rose)
        xp.logical_or(rose, begins(xp, carry, t, lanes), out=rose)
        d[t] = 0
        xp.copyto(d[t], total, where=rose, casting="same_kind")
        xp.copyto(total, 0, where=rose)


_ROWS = ("N", "B", "H")
_READ, _WRITTEN = Argument(_ROWS), Argument(_ROWS, written=True)
_SCRATCH = {"lanes": FLAGS}
_SCRATCH_OF_ERROR = _SCRATCH | {"total": Argument(("B", "H"), "double"), "rose": Argument(("B", "H"), "flag")}
MAX_POOL = FusedOp("max_pool", {"y": _READ, "carry": CARRY, "z": _WRITTEN}, max_pool, _SCRATCH, SOURCE, in_turn=True)
MAX_POOL_ERROR = FusedOp(
    "max_pool_error",
    {"d": _WRITTEN, "carry": CARRY, "z": _READ},
    max_pool_error,
    _SCRATCH_OF_ERROR,
    SOURCE,
    in_turn=True,
)


class Max(Pool):
    """The largest."""

    kind = "max"
    forward_op, backward_op = MAX_POOL, MAX_POOL_ERROR
