"""Does the state recover: reading begins at many places of a split with the state with which a sequence begins.

A sample, a forecast and an evaluation begin like that; training meets it where a lane begins anew. Some networks come
to a state then which they never leave again, though what is read goes on as anywhere.

What a symbol costs is compared with what it costs elsewhere, as validations do. Losses of real targets have no scale of
their own, and are higher in some times than in others, so there they are held against those of the same targets with
the state carried on from before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.stream import Window
from gpurnn.data.stream.places import Places
from gpurnn.diagnosis.lanes import WARM_UP, GoingOn, Lanes, Numbers, lanes_for, means_of, stuck_of, warm_up
from gpurnn.exceptions import DataError
from gpurnn.network import Model, State

STEPS, JUDGED_FROM = 300, 200
"""So many steps are read from each place; those from the second on say whether it has recovered."""
STARTS = 512
_LANES = 128


@dataclass(frozen=True)
class FromZero:
    """The loss of each target read from places on, from the beginning state. starts: (n,), in an order of their own.

    losses, weight: (STEPS, n). stuck: (n,), which of them never recovered.
    """

    starts: NDArray[np.int64]
    losses: Numbers
    weight: Numbers
    stuck: NDArray[np.bool_]

    @property
    def late(self) -> Numbers:
        """(n,), the mean loss of each start once it should have recovered; nan where it has no target then."""
        return means_of(*_late_sums(self.losses, self.weight))

    @property
    def worst(self) -> float:
        """The highest mean loss of a start that is stuck; nan where none is."""
        means = self.late[self.stuck]
        return float(means.max()) if means.size else float("nan")


def from_zero(
    model: Model, places: Places, *, starts: int = STARTS, seed: int = 3, going_on: GoingOn = lambda: True
) -> FromZero:
    """Read from up to `starts` places of a split, spread evenly over it. Raises DataError where that is too short."""
    last = places.count - STEPS
    if last <= WARM_UP:
        raise DataError(
            f"{places.path}: split {places.name} has {places.count:,} targets; this needs {WARM_UP + STEPS + 1:,}"
        )
    spread = np.linspace(WARM_UP, last, min(starts, last - WARM_UP + 1)).astype(np.int64)
    chosen = np.random.default_rng(seed).permutation(spread)  # so that a part of them is spread evenly, too
    count = min(len(chosen), lanes_for(model, STEPS, _LANES))
    lanes = Lanes(model, places, count, STEPS, train=False)
    found: list[tuple[Window, Numbers]] = []
    carried: list[Numbers] = []
    for begin in range(0, len(chosen), count):
        if found and not going_on():
            break
        part = chosen[np.arange(begin, begin + count) % len(chosen)]
        state = model.state(count)
        model.begin(state)
        found.append(lanes.losses(part, STEPS, state))
        if has_no_scale(model):
            carried.append(lanes.losses(part, STEPS, warm_up(lanes, part - WARM_UP, WARM_UP).state)[1])
    size = min(len(chosen), len(found) * count)
    losses = np.concatenate([each for _, each in found], axis=1)[:, :size]
    weight = np.concatenate([window.weight for window, _ in found], axis=1)[:, :size].astype(np.float64)
    sums, counts = _late_sums(losses, weight)
    if carried:
        usual = means_of(*_late_sums(np.concatenate(carried, axis=1)[:, :size], weight))
        stuck = dearer(means_of(sums, counts), usual)
    else:
        stuck = stuck_of(model, sums, counts)
    return FromZero(chosen[:size], losses, weight, stuck)


def stuck_lanes(model: Model, places: Places, state: State, zero: FromZero) -> int | None:
    """How many lanes of a state never recover, read on from the places of `zero`; None where none of these is sound.

    They are held against the starts from zero that are sound, since most of them may be stuck. state: overwritten.
    """
    sound = np.flatnonzero(~zero.stuck & np.isfinite(zero.late))
    if not len(sound):
        return None
    lanes = state.kind.lanes
    which = sound[np.arange(lanes) % len(sound)]
    steps = max(1, STEPS * lanes_for(model, STEPS, lanes) // lanes)
    reader, parts = Lanes(model, places, lanes, steps, train=False), []
    for done in range(0, STEPS, steps):
        parts.append(reader.losses(zero.starts[which] + done, min(steps, STEPS - done), state)[1])
    sums, counts = _late_sums(np.concatenate(parts), zero.weight[:, which])
    if has_no_scale(model):
        return int(dearer(means_of(sums, counts), zero.late[which]).sum())
    return int(stuck_of(model, sums, counts, float(np.median(zero.late[sound]))).sum())


def _late_sums(losses: Numbers, weight: Numbers) -> tuple[Numbers, Numbers]:
    late = weight[JUDGED_FROM:]
    return (losses[JUDGED_FROM:] * late).sum(axis=0), late.sum(axis=0)


def has_no_scale(model: Model) -> bool:
    """Whether no loss of the head is high by itself, see `Head.stuck_from`."""
    return math.isinf(model.head.stuck_from(0.0))


def dearer(means: Numbers, usual: Numbers) -> NDArray[np.bool_]:
    """Which targets cost more than twice what they usually do, and more than others, too; (n,).

    means, usual: (n,), nan where there is none.
    """
    known = usual[np.isfinite(usual)]
    typical = float(np.median(known)) if len(known) else 0.0
    more: NDArray[np.bool_] = means > usual + np.maximum(usual, typical)
    return more | np.isinf(means)
