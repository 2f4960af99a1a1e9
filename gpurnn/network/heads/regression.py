"""What the heads of real targets have in common: a curve l of how far each output is from its target, and their mean.

d = o - target,  loss = Σ l(d) / K,  do = l'(d) / K weight scale;  a target that is missing, NaN, adds 0 to both
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.fields import Field
from gpurnn.network.config import ModelConfig
from gpurnn.network.heads.base import Head

Curve = Callable[..., None]
"""curve(xp, d, slopes, ...): d (N, C, Q), overwritten with l(d), 0 for 0; slopes (N, C, Q), overwritten with l'(d).

The rest: what the operation reads besides. l(d) is not finite where d is not.
"""


def operations(
    name: str, curve: Curve, *, outputs: str = "K", targets: str = "K", **besides: Argument
) -> list[FusedOp]:
    """The `error_op` and the `loss_op` of a head, see `Head`.

    outputs, targets: their number in a row; C targets have Q outputs each, side by side. besides: what both read more,
    handed to the curve.
    """

    def evaluate(xp: Any, o: Array, target: Array, losses: Array, *rest: Array) -> None:
        """losses: (N,), overwritten. o: used up. target: read only. Of the rest the last two: scratch."""
        *read, missing, slopes = rest
        d, there = _by_target(o, target), missing[: len(o)]
        xp.isnan(target, out=there)
        xp.subtract(d, target[:, :, None], out=d)
        xp.copyto(d, 0, where=there[:, :, None])
        curve(xp, d, _by_target(slopes[: len(o)], target), *read)
        xp.mean(o, axis=1, out=losses)

    def with_error(xp: Any, o: Array, target: Array, weight: Array, scale: Array, losses: Array, *rest: Array) -> None:
        """As `evaluate`, but o: overwritten with its error do. weight, scale: read only."""
        *read, missing, slopes, factor = rest
        evaluate(xp, o, target, losses, *read, missing, slopes)
        n, share = len(o), factor[: len(o)]
        xp.multiply(weight, scale, out=share[:, 0])
        xp.divide(share, o.shape[1], out=share)
        xp.multiply(slopes[:n], share, out=o)
        xp.copyto(_by_target(o, target), 0, where=missing[:n, :, None])

    row, rows = Argument(("N",)), Argument(("N", outputs))
    o, target = Argument(("N", outputs), written=True), Argument(("N", targets))
    losses = Argument(("N",), written=True)
    scratch = {"missing": Argument(("N", targets), "flag"), "slopes": rows}
    source = Path(__file__).with_name("regression.cu")
    return [
        FusedOp(
            f"{name}_with_error",
            {"o": o, "target": target, "weight": row, "scale": Argument(("1",)), "losses": losses, **besides},
            with_error,
            scratch | {"factor": Argument(("N", "1"))},
            source,
        ),
        FusedOp(name, {"o": o, "target": target, "losses": losses, **besides}, evaluate, scratch, source),
    ]


def _by_target(rows: Array, target: Array) -> Array:
    """(N, C Q) as (N, C, Q), in the same memory."""
    return rows.reshape(*target.shape, -1)


class Regression(Head):
    """How much: real numbers, each compared with a target of its own unless `targets` says otherwise; NaN: missing."""

    def __init__(self, config: ModelConfig, inputs: int, targets: int = 0) -> None:
        """targets: how many numbers a step has; 0: as many as there are outputs."""
        super().__init__(config, inputs, Field("targets", "real", targets or config.output_width, missing=True))
