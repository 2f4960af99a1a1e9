"""Softmax and cross-entropy over all rows of a window at once.

y = softmax(o),  nats = -log y[target],  do = (y - onehot(target)) weight scale
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.fields import Field
from gpurnn.network.config import ModelConfig
from gpurnn.network.heads.base import Head

SOURCE = Path(__file__).with_name("softmax_xent.cu")
STUCK_MARGIN = 3.0
"""A lane whose mean loss is so many nats above the median over lanes, and above that of guessing, is stuck."""
_BLOCK = 1 << 16  # elements of o worked on at a time: they stay in the cache


def softmax_xent(
    xp: Any,
    o: Array,
    target: Array,
    weight: Array,
    scale: Array,
    nats: Array,
    first: Array,
    flat: Array,
    top: Array,
    total: Array,
    at_target: Array,
) -> None:
    """o: (N, K), overwritten with its error do. nats: (N,), overwritten; natural logarithm.

    target, weight: (N,), scale: (1,): read only. first, flat, top, total, at_target: scratch.
    """
    rows, symbols = o.shape
    block = max(1, _BLOCK // symbols)
    for start in range(0, rows, block):
        part = slice(start, min(start + block, rows))
        ob, nb = o[part], nats[part]
        n = len(ob)
        where = positions(xp, target[part], symbols, first, flat)
        _shifted_exp(xp, ob, where, nb, top[:n], total[:n])
        factor, there = top[:n, 0], at_target[:n]
        xp.multiply(weight[part], scale, out=factor)
        xp.divide(factor, total[:n, 0], out=total[:n, 0])
        xp.multiply(ob, total[:n], out=ob)
        elements = ob.reshape(-1)
        xp.take(elements, where, out=there, mode="clip")
        xp.subtract(there, factor, out=there)
        elements[where] = there


def xent(xp: Any, o: Array, target: Array, nats: Array, first: Array, flat: Array, top: Array, total: Array) -> None:
    """nats: (N,), overwritten. o: (N, K), used up. target: (N,), read only. The rest: scratch. For evaluation."""
    rows, symbols = o.shape
    block = max(1, _BLOCK // symbols)
    for start in range(0, rows, block):
        part = slice(start, min(start + block, rows))
        n = part.stop - start
        where = positions(xp, target[part], symbols, first, flat)
        _shifted_exp(xp, o[part], where, nats[part], top[:n], total[:n])


def positions(xp: Any, target: Array, symbols: int, first: Array, flat: Array) -> Array:
    """Where the targets of a block of rows stand among its elements."""
    n = len(target)
    where = flat[:n]
    where[...] = first[:n]
    xp.multiply(where, symbols, out=where)
    xp.add(where, target, out=where)
    return where


def _shifted_exp(xp: Any, o: Array, where: Array, nats: Array, top: Array, total: Array) -> None:
    """o: overwritten with exp(o - max o). total: (n, 1), its row sums. nats: log(total) - (o - max o)[target]."""
    xp.amax(o, axis=1, keepdims=True, out=top)
    xp.subtract(o, top, out=o)
    xp.take(o.reshape(-1), where, out=nats, mode="clip")
    xp.exp(o, out=o)
    xp.sum(o, axis=1, keepdims=True, out=total)
    xp.log(total, out=top)
    xp.subtract(top[:, 0], nats, out=nats)


_N = ("N",)
SCRATCH = {
    "first": Argument(_N, "range"),
    "flat": Argument(_N, "index"),
    "top": Argument(("N", "1")),
    "total": Argument(("N", "1")),
}
SOFTMAX_XENT = FusedOp(
    "softmax_xent",
    {
        "o": Argument(("N", "K"), written=True),
        "target": Argument(_N, "index", below="K"),
        "weight": Argument(_N),
        "scale": Argument(("1",)),
        "nats": Argument(_N, written=True),
    },
    softmax_xent,
    SCRATCH | {"at_target": Argument(_N)},
    source=SOURCE,
)
XENT = FusedOp(
    "xent",
    {
        "o": Argument(("N", "K"), written=True),
        "target": Argument(_N, "index", below="K"),
        "nats": Argument(_N, written=True),
    },
    xent,
    SCRATCH,
    source=SOURCE,
)


class Softmax(Head):
    """Which symbol: the loss is that of the target's probability, in nats."""

    kind, unit = "softmax", "nats"
    error_op, loss_op = SOFTMAX_XENT, XENT

    def __init__(self, config: ModelConfig, inputs: int) -> None:
        super().__init__(config, inputs, Field("targets", "index", below=config.output_width))

    def high_from(self, lowest: float, margin: float) -> float:
        """The margin is in nats."""
        return lowest + margin

    def stuck_from(self, median: float) -> float:
        """`STUCK_MARGIN` above the median, and not below ln K, the loss of guessing."""
        return max(median + STUCK_MARGIN, math.log(self.outputs))
