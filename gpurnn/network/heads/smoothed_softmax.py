"""Softmax and cross-entropy with smoothed labels: a share e of each target is spread over all symbols.

y = softmax(o),  loss = -(1 - e) log y[target] - e/K Σ log y,  do = (y - (1 - e) onehot(target) - e/K) weight scale

So no answer is worth being sure of without end. Source: Szegedy et al. 2016, section 7.
"""

from __future__ import annotations

from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.network.config import ModelConfig
from gpurnn.network.heads.softmax_xent import (
    SCRATCH,
    SOFTMAX_XENT,
    SOURCE,
    XENT,
    Softmax,
    positions,
    softmax_xent,
    xent,
)


def smoothed_softmax_xent(
    xp: Any,
    o: Array,
    target: Array,
    weight: Array,
    scale: Array,
    losses: Array,
    smoothing: Array,
    first: Array,
    flat: Array,
    top: Array,
    total: Array,
    at_target: Array,
    spread: Array,
) -> None:
    """As `softmax_xent`, with the losses of smoothed labels. smoothing: (1,), e: read only. spread: scratch."""
    share, elements = spread[: len(o)], o.reshape(-1)
    _spread(xp, o, target, smoothing, first, flat, at_target, share)
    softmax_xent(xp, o, target, weight, scale, losses, first, flat, top, total, at_target)
    xp.add(losses, share, out=losses)
    where, there = positions(xp, target, o.shape[1], first, flat), at_target[: len(o)]
    xp.multiply(weight, scale, out=share)
    xp.multiply(share, smoothing, out=share)
    xp.take(elements, where, out=there, mode="clip")
    xp.add(there, share, out=there)
    elements[where] = there
    xp.divide(share, o.shape[1], out=share)
    xp.subtract(o, share[:, None], out=o)


def smoothed_xent(
    xp: Any,
    o: Array,
    target: Array,
    losses: Array,
    smoothing: Array,
    first: Array,
    flat: Array,
    top: Array,
    total: Array,
    at_target: Array,
    spread: Array,
) -> None:
    """As `xent`, with the losses of smoothed labels. smoothing: (1,), e: read only. at_target, spread: scratch."""
    share = spread[: len(o)]
    _spread(xp, o, target, smoothing, first, flat, at_target, share)
    xent(xp, o, target, losses, first, flat, top, total)
    xp.add(losses, share, out=losses)


def _spread(
    xp: Any, o: Array, target: Array, smoothing: Array, first: Array, flat: Array, at_target: Array, share: Array
) -> None:
    """share: (n,), overwritten with what smoothing adds to the loss: e (o[target] - mean o)."""
    there = at_target[: len(o)]
    where = positions(xp, target, o.shape[1], first, flat)
    xp.take(o.reshape(-1), where, out=there, mode="clip")
    xp.mean(o, axis=1, out=share)
    xp.subtract(there, share, out=share)
    xp.multiply(share, smoothing, out=share)


_N = Argument(("N",))
_SMOOTHING = {"smoothing": Argument(("1",))}
_MORE_SCRATCH = SCRATCH | {"at_target": _N, "spread": _N}
SMOOTHED_SOFTMAX_XENT = FusedOp(
    "smoothed_softmax_xent", {**SOFTMAX_XENT.arguments, **_SMOOTHING}, smoothed_softmax_xent, _MORE_SCRATCH, SOURCE
)
SMOOTHED_XENT = FusedOp("smoothed_xent", {**XENT.arguments, **_SMOOTHING}, smoothed_xent, _MORE_SCRATCH, SOURCE)


class SmoothedSoftmax(Softmax):
    """Which symbol, without being sure of it: `label_smoothing` of the configuration is e."""

    kind = "smoothed_softmax"
    error_op, loss_op = SMOOTHED_SOFTMAX_XENT, SMOOTHED_XENT

    def __init__(self, config: ModelConfig, inputs: int) -> None:
        self.besides = ((config.label_smoothing,),)
        super().__init__(config, inputs)
