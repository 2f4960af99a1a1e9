"""What the layers have made of a sequence when its last step was read, by each direction.

Against time the last step is the first: z(t) = [y ahead (t), y reverse (first step of the sequence)].
"""

from __future__ import annotations

from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.exceptions import UsageError
from gpurnn.network.config import ModelConfig
from gpurnn.network.part import Binding, Lane, Pass
from gpurnn.network.pools.base import FLAGS, SOURCE, Pool, begins, error_arguments, forward_arguments
from gpurnn.network.signal import Signal


def last_pool(xp: Any, y: Array, carry: Array, z: Array, lanes: Array) -> None:
    """z: overwritten. y, carry: read only. lanes: scratch."""
    hidden = y.shape[2] // 2
    for t in range(len(y)):
        z[t] = y[t]
        xp.copyto(z[t, :, hidden:], z[t - 1, :, hidden:], where=xp.logical_not(begins(xp, carry, t, lanes), out=lanes))


def last_pool_error(xp: Any, dz: Array, carry: Array, dy: Array, lanes: Array, total: Array) -> None:
    """dy: overwritten; against time all of a sequence's dz is that of its first step. dz, carry: read only."""
    hidden = dz.shape[2] // 2
    total.fill(0)
    for t in reversed(range(len(dz))):
        begin = begins(xp, carry, t, lanes)
        xp.add(total, dz[t, :, hidden:], out=total)
        dy[t, :, :hidden] = dz[t, :, :hidden]
        dy[t, :, hidden:] = 0
        xp.copyto(dy[t, :, hidden:], total, where=begin, casting="same_kind")
        xp.copyto(total, 0, where=begin)


_SCRATCH = {"lanes": FLAGS}
_OF_ERROR = _SCRATCH | {"total": Argument(("B", "H"), "double")}
LAST_POOL = FusedOp("last_pool", forward_arguments("2H"), last_pool, _SCRATCH, SOURCE, in_turn=True)
LAST_POOL_ERROR = FusedOp("last_pool_error", error_arguments("2H"), last_pool_error, _OF_ERROR, SOURCE, in_turn=True)


class Last(Pool):
    """Of layers in one direction it is what they hand on, so that their state may be carried."""

    kind = "last"
    forward_op, backward_op = LAST_POOL, LAST_POOL_ERROR

    def __init__(self, config: ModelConfig, inputs: int) -> None:
        """Raises UsageError where layers of both directions do not hand on one half each."""
        super().__init__(config, inputs)
        self._both = "both_directions" in config.stack
        if self._both and inputs != 2 * config.hidden:
            raise UsageError(
                f"pool: last reads rows of {inputs}; expected {2 * config.hidden}, of which each direction has a half"
            )

    @property
    def dims(self) -> dict[str, int]:
        return {"H": self.inputs // 2}

    def bind(self, to: Binding, x: Signal) -> Pass:
        return super().bind(to, x) if self._both else Pass(self, x)

    def step(self, lane: Lane, x: Signal) -> Signal:
        return super().step(lane, x) if self._both else x
