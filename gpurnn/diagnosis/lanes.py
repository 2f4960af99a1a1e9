"""Lanes of a model over places of a split: drawn, warmed up, and those that are stuck set aside.

One lane whose state has come to a place that it does not leave again outweighs all others in a mean over targets: its
error is large and does not fall. So such lanes are found before anything is averaged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.stream import Window
from gpurnn.data.stream.places import Places
from gpurnn.exceptions import DataError
from gpurnn.network import Model, State, Workspace
from gpurnn.training.feed import Feed

WARM_UP = 256
"""Steps that are read before anything is measured."""
_BYTES = 48 << 20
"""Of one workspace, about."""
GoingOn = Callable[[], bool]
"""Asked between samples whether there is time for another one."""
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Warm:
    """Lanes that have read WARM_UP steps, or fewer where the split is short. starts: where they stand now.

    stuck: (B,), whether a lane is.
    """

    starts: NDArray[np.int64]
    state: State
    stuck: NDArray[np.bool_]


class Lanes:
    """A workspace for windows of up to `steps` steps of `lanes` lanes at places, with what fills it."""

    def __init__(self, model: Model, places: Places, lanes: int, steps: int, *, train: bool = True) -> None:
        self.model, self.places = model, places
        self.ws: Workspace = model.workspace(lanes, steps, train=train)
        self._feed = Feed(model.be, self.ws.batch)

    def load(self, window: Window) -> Window:
        """The window that is in the batch from now on."""
        self._feed.load(window)
        return window

    def losses(self, starts: NDArray[np.int64], steps: int, state: State) -> tuple[Window, NDArray[np.float64]]:
        """Those of each target, (steps, B), and their window; `state` is carried on."""
        model, ws = self.model, self.ws
        window = self.load(self.places.window(starts, steps))
        model.forward(ws, state)
        model.carry_out(ws, state)
        model.loss(ws)
        found = model.be.to_host(ws.losses[: window.carry.size]).reshape(window.carry.shape)
        return window, found.astype(np.float64)


def warm_up(lanes: Lanes, starts: NDArray[np.int64], steps: int, state: State | None = None) -> Warm:
    """Read `steps` steps from the places `starts` on. state: overwritten; None: that with which a sequence begins."""
    model = lanes.model
    if state is None:
        state = model.state(len(starts))
        model.begin(state)
    sums, counts = np.zeros((2, len(starts)))
    for done in range(0, steps, lanes.ws.steps):
        window, losses = lanes.losses(starts + done, min(lanes.ws.steps, steps - done), state)
        late = (np.arange(done, done + len(losses)) >= steps // 2)[:, None] * window.weight
        sums += (losses * late).sum(axis=0)
        counts += late.sum(axis=0)
    return Warm(starts + steps, state, stuck_of(model, sums, counts))


def means_of(sums: Numbers, counts: Numbers) -> Numbers:
    """(B,), of the losses of each lane: nan where there was none, inf where one was not finite. counts: how many."""
    seen = counts > 0
    means = np.where(seen, sums / np.maximum(counts, 1), np.nan)
    means[seen & np.isnan(means)] = np.inf
    return means


def stuck_of(model: Model, sums: Numbers, counts: Numbers, median: float | None = None) -> NDArray[np.bool_]:
    """Which lanes are stuck, by the rule of validations, and those whose losses are not finite.

    sums: of the losses of each lane; counts: of how many. median: of the means of lanes that are sound; None: of these.
    """
    means = means_of(sums, counts)
    if median is None:
        median = float(np.median(means[counts > 0])) if counts.any() else 0.0
    stuck: NDArray[np.bool_] = np.isinf(means)
    return stuck | (means > model.head.stuck_from(median)) if np.isfinite(median) else stuck


def lanes_for(model: Model, steps: int, most: int) -> int:
    """How many lanes of so many steps about fit into what may be taken; at most `most`, at least 1."""
    widths = sum(part.outputs for part in model.parts) + sum(spec.shape[-1] for spec in model.params.specs)
    return int(max(1, min(most, _BYTES // (steps * widths * model.config.real.itemsize))))


def draw(rng: np.random.Generator, places: Places, lanes: int, steps: int) -> NDArray[np.int64]:
    """Places from which so many steps can be read; where few have a target, those whose last step has one.

    Raises DataError where there is none.
    """
    if places.ends is not None:
        starts = places.ends[places.ends >= steps - 1] - (steps - 1)
        if not len(starts):
            raise DataError(f"{places.path}: split {places.name} has no target after {steps:,} steps, which this needs")
        return rng.choice(starts, lanes)
    return rng.integers(0, places.count - steps + 1, lanes)


def copied(model: Model, state: State) -> State:
    """The same state in memory of its own."""
    other = model.state(state.kind.lanes)
    for to, array in zip(other.named().values(), state.named().values(), strict=True):
        to[...] = array
    return other


def weighted(window: Window, weight: NDArray[np.float32]) -> Window:
    """The same window with other weights, (T, B)."""
    return replace(window, weight=weight)


def without_dropout(model: Model) -> Model:
    """The same model and parameters, whose training workspaces set nothing to 0."""
    if not model.config.dropout:
        return model
    return Model(model.be, replace(model.config, dropout=0.0), model.params)
