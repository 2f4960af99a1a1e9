"""Quantiles of real targets: below output q of a target a share q of what comes is to be (Koenker & Bassett 1978)."""

from __future__ import annotations

from typing import Any

from gpurnn.backend import Argument, Array
from gpurnn.network.config import ModelConfig
from gpurnn.network.heads.regression import Regression, operations


def pinball(xp: Any, d: Array, slopes: Array, levels: Array) -> None:
    """l(d) = max(-q d, (1 - q) d) = s d with s = l'(d); levels: (Q,), each q. See `regression.Curve`."""
    xp.sign(d, out=slopes)
    xp.multiply(slopes, 0.5, out=slopes)
    xp.subtract(slopes, levels, out=slopes)
    xp.add(slopes, 0.5, out=slopes)
    xp.multiply(d, slopes, out=d)


QUANTILE_WITH_ERROR, QUANTILE = operations("quantile", pinball, outputs="CQ", targets="C", levels=Argument(("Q",)))


class Quantile(Regression):
    """Between what and what: for each of C targets the Q quantiles that the configuration names, side by side."""

    kind, unit = "quantile", "pinball loss"
    error_op, loss_op = QUANTILE_WITH_ERROR, QUANTILE

    def __init__(self, config: ModelConfig, inputs: int) -> None:
        self._targets = config.output_width // len(config.quantiles)
        self.besides = (config.quantiles,)
        super().__init__(config, inputs, self._targets)

    @property
    def dims(self) -> dict[str, int]:
        return {"C": self._targets, "Q": self.outputs // self._targets}
