"""What the carried state is worth: by how much targets cost more where the state before them was taken away.

The loss at a position after a reset, less that of the same target with the state carried on from `WARM_UP` steps
before. It needs no gradient, and says in the unit of the loss how far back a network makes use of what it has read.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gpurnn.data.stream import Window
from gpurnn.data.stream.places import Places
from gpurnn.diagnosis.lanes import WARM_UP, GoingOn, Lanes, Numbers, lanes_for, means_of, warm_up
from gpurnn.diagnosis.recovery import FromZero, dearer, has_no_scale
from gpurnn.network import Model

POSITIONS = 200
BINS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, POSITIONS)
"""Where bins of positions begin, and the end of the last."""
LITTLE = 0.01
"""A state that is worth less is worth nothing to speak of: in nats, or as a share of a loss that has no scale."""


@dataclass(frozen=True)
class Worth:
    """By bin of positions after a reset, (bins,): what is lost, in the unit of the loss, and its standard error.

    positions: where each bin begins. beyond: the first of them from which on all bins are worth less than `little`, or
    less than two standard errors; None where the last is worth more. starts: how many were read, those that are stuck
    left out. carried: the mean loss with the whole state. little: `LITTLE` in the unit of the loss.
    """

    positions: tuple[int, ...]
    lost: Numbers
    error: Numbers
    beyond: int | None
    starts: int
    carried: float
    little: float

    @property
    def used(self) -> bool:
        """Whether a state is worth anything from position 2 on, beyond two standard errors."""
        later = np.array(self.positions) >= 2
        return bool((self.lost[later] > 2 * self.error[later]).any())

    @property
    def harm(self) -> int | None:
        """The bin in which a whole state costs most, where it costs more than it is worth in any; None elsewhere.

        The first is left out, in which there is nothing but what was just read.
        """
        lost, error = self.lost[1:], self.error[1:]
        costs = (lost < -self.little) & (lost < -2 * error)
        if not costs.any() or -np.nanmin(lost) <= np.nanmax(lost):
            return None
        return 1 + int(np.nanargmin(np.where(costs, lost, np.inf)))


def worth(model: Model, places: Places, zero: FromZero, going_on: GoingOn = lambda: True) -> Worth:
    """Measure it at the places from which `zero` was read, which lie `WARM_UP` steps inside the split at least."""
    chosen = np.flatnonzero(~zero.stuck)
    count = min(len(chosen), lanes_for(model, POSITIONS, 128)) or 1
    lanes = Lanes(model, places, count, max(POSITIONS, WARM_UP), train=False)
    differences: list[Numbers] = []
    total = targets = 0.0
    for begin in range(0, len(chosen), count):
        if differences and not going_on():
            break
        which = chosen[np.arange(begin, begin + count) % len(chosen)]
        warm = warm_up(lanes, zero.starts[which] - WARM_UP, WARM_UP)
        window, carried = lanes.losses(warm.starts, POSITIONS, warm.state)
        lost = np.where(window.weight > 0, zero.losses[:POSITIONS, which] - carried, np.nan)
        kept = ~warm.stuck & (np.arange(count) < len(chosen) - begin)
        if has_no_scale(model):
            kept &= ~dearer(_late(carried, window), _late(zero.losses[:POSITIONS, which], window))
        differences.append(lost[:, kept])
        total += float((carried * window.weight)[:, kept].sum())
        targets += float(window.weight[:, kept].sum(dtype=np.float64))
    lost = np.concatenate(differences, axis=1) if differences else np.full((POSITIONS, 1), np.nan)
    means, errors = np.zeros((2, len(BINS) - 1))
    for number, (begin, end) in enumerate(pairwise(BINS)):
        of_start = _mean(lost[begin:end], axis=0)
        known = of_start[~np.isnan(of_start)]
        means[number] = known.mean() if len(known) else np.nan
        errors[number] = known.std(ddof=1) / np.sqrt(len(known)) if len(known) > 1 else np.inf
    mean = total / targets if targets else np.nan
    little = model.head.high_from(mean, LITTLE) - mean
    last = np.flatnonzero((means >= little) & (means >= 2 * errors))
    first = 0 if not len(last) else int(last[-1]) + 1
    beyond = BINS[first] if first < len(means) else None
    return Worth(BINS[:-1], means, errors, beyond, lost.shape[1], mean, little)


def _late(losses: Numbers, window: Window) -> Numbers:
    """The mean loss of each lane in the second half, (B,)."""
    late = window.weight[POSITIONS // 2 :].astype(np.float64)
    return means_of((losses[POSITIONS // 2 :] * late).sum(axis=0), late.sum(axis=0))


def _mean(values: Numbers, axis: int) -> Numbers:
    """Of those that are not nan; nan where all are."""
    known = ~np.isnan(values)
    counts = known.sum(axis=axis)
    sums = np.where(known, values, 0).sum(axis=axis)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
