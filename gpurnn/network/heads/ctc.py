"""Connectionist temporal classification: a string of labels for each sequence, without saying which step says which.

y = softmax(o). An alignment names a label or the blank, which is the last symbol, at each step; what it says is what is
left when of equal neighbours one stays and then the blanks go. nats of a string = -log Σ Π y(t)[k(t)], over all of its
alignments. The occupancy of a symbol at a step is the share of those that name it there:

do = (y - occupancy) scale Σ weight / m,    Σ over the m steps that hold the labels

Source: Graves, Fernández, Gomez & Schmidhuber 2006.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.fields import Field
from gpurnn.network.batch import Batch
from gpurnn.network.config import ModelConfig
from gpurnn.network.heads.base import Head, HeadPass
from gpurnn.network.heads.ctc_lattice import SCRATCH, Scratch, find_errors, find_losses
from gpurnn.network.part import Binding
from gpurnn.network.signal import Signal

SOURCE = Path(__file__).with_name("ctc.cu")


def ctc(
    xp: Any,
    o: Array,
    target: Array,
    carry: Array,
    weight: Array,
    scale: Array,
    losses: Array,
    alphas: Array,
    *scratch: Array,
) -> None:
    """o: (N, B, K), overwritten with its error do. scale: (1,), read only. The rest: as for `ctc_loss`."""
    s = Scratch(*scratch)
    find_losses(xp, o, target, carry, weight, losses, alphas, s)
    find_errors(xp, o, target, scale, alphas, s)


def ctc_loss(
    xp: Any, o: Array, target: Array, carry: Array, weight: Array, losses: Array, alphas: Array, *scratch: Array
) -> None:
    """losses: (N, B), overwritten: nats / m at each step that holds a label, else 0.

    o: (N, B, K), target, weight: (N, B), carry: (N, B, 1): read only. alphas: (N, B, 2L), overwritten.
    A sequence begins at step 0 and where carry is 0. Its string is its targets before the first blank, at most L - 1.
    One without labels has its loss in its first step, as if that held one. Where that has no weight either, and where a
    sequence has too few steps for its string, losses and errors are 0.
    """
    find_losses(xp, o, target, carry, weight, losses, alphas, Scratch(*scratch))


_REAL = Argument(("N", "B"))
_READ = {
    "target": Argument(("N", "B"), "index", below="K"),
    "carry": Argument(("N", "B", "1")),
    "weight": _REAL,
}
_WRITTEN = {
    "losses": Argument(("N", "B"), written=True),
    "alphas": Argument(("N", "B", "2L"), "double", written=True),
}
CTC = FusedOp(
    "ctc",
    {"o": Argument(("N", "B", "K"), written=True), **_READ, "scale": Argument(("1",)), **_WRITTEN},
    ctc,
    SCRATCH,
    SOURCE,
    in_turn=True,
)
CTC_LOSS = FusedOp(
    "ctc_loss", {"o": Argument(("N", "B", "K")), **_READ, **_WRITTEN}, ctc_loss, SCRATCH, SOURCE, in_turn=True
)


class Ctc(Head):
    """Which string, in nats a label; the last of the outputs is the blank. Sequences have to be whole in a window."""

    kind, unit = "ctc", "nats"
    error_op, loss_op = CTC, CTC_LOSS
    reads = 7, 6

    def __init__(self, config: ModelConfig, inputs: int) -> None:
        super().__init__(config, inputs, Field("targets", "index", below=config.output_width))

    def high_from(self, lowest: float, margin: float) -> float:
        """The margin is in nats."""
        return lowest + margin

    def bind(self, to: Binding, x: Signal) -> HeadPass:
        return CtcPass(self, to, x)


class CtcPass(HeadPass):
    """Of the operations, which see what step and lane a row is of."""

    def __init__(self, part: Ctc, to: Binding, x: Signal) -> None:
        super().__init__(part, to, x)
        rows = {"o": self.o, "target": self._target, "weight": to.batch.weight, "losses": self.losses}
        self._arrays = {name: array.reshape(to.steps, to.lanes, *array.shape[1:]) for name, array in rows.items()}
        alphas = to.be.empty((to.steps, to.lanes, 2 * self.dims(to)["L"]), np.float64)
        self._arrays |= {"carry": to.batch.carry, "alphas": alphas}

    def dims(self, to: Binding) -> dict[str, int]:
        return {"N": to.steps, "B": to.lanes, "L": to.labels + 1, **self.part.dims}

    def evaluate(self, batch: Batch) -> None:
        self._loss_op(*self._arguments(CTC_LOSS, batch))

    def _find_errors(self, batch: Batch) -> None:
        self._error_op(*self._arguments(CTC, batch))

    def _arguments(self, op: FusedOp, batch: Batch) -> list[Array]:
        arrays = {name: array[: batch.steps] for name, array in self._arrays.items()} | {"scale": batch.scale}
        return [arrays[name] for name in op.arguments]
