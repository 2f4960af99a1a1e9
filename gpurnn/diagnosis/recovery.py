"""Does the state recover: reading begins at many places of a text with the state with which a sequence begins.

A sample and an evaluation begin like that; training meets it where a lane begins anew. Some networks come to a state
then which they never leave again, though the text goes on as any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.stream import Window
from gpurnn.data.stream.places import Places
from gpurnn.diagnosis.lanes import WARM_UP, GoingOn, Lanes, Numbers, draw, lanes_for, stuck_of, warm_up
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
    def worst(self) -> float:
        """The highest mean loss of a start that is stuck; nan where none is."""
        late, weight = self.losses[JUDGED_FROM:, self.stuck], self.weight[JUDGED_FROM:, self.stuck]
        means = (late * weight).sum(axis=0) / np.maximum(1, weight.sum(axis=0))
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
    for begin in range(0, len(chosen), count):
        if found and not going_on():
            break
        part = chosen[np.arange(begin, begin + count) % len(chosen)]
        state = model.state(count)
        model.begin(state)
        found.append(lanes.losses(part, STEPS, state))
    size = min(len(chosen), len(found) * count)
    losses = np.concatenate([each for _, each in found], axis=1)[:, :size]
    weight = np.concatenate([window.weight for window, _ in found], axis=1)[:, :size].astype(np.float64)
    late = weight[JUDGED_FROM:]
    return FromZero(
        chosen[:size], losses, weight, stuck_of(model, (losses[JUDGED_FROM:] * late).sum(axis=0), late.sum(axis=0))
    )


def stuck_lanes(model: Model, places: Places, state: State, *, seed: int = 3) -> int:
    """How many lanes of a state never recover, read on from random places of a split. state: overwritten."""
    lanes = state.kind.lanes
    piece = max(1, STEPS * lanes_for(model, STEPS, lanes) // lanes)
    starts = draw(np.random.default_rng(seed), places, lanes, STEPS)
    return int(warm_up(Lanes(model, places, lanes, piece, train=False), starts, STEPS, state).stuck.sum())
