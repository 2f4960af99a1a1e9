"""What units and gates do: which are always open or closed, which never move, which remember more than the input."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from gpurnn.data.stream import Window
from gpurnn.data.stream.places import Places
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.diagnosis.features import features
from gpurnn.diagnosis.lanes import WARM_UP, GoingOn, Lanes, draw, lanes_for, warm_up
from gpurnn.diagnosis.ranked import STILL, Ranked, ranked
from gpurnn.diagnosis.whole import within
from gpurnn.exceptions import DataError
from gpurnn.network import Model, activations
from gpurnn.training.feed import Feed
from gpurnn.training.tasks import Task

OPEN, CLOSED, ALWAYS, EXTREME = 0.9, 0.1, 0.95, 0.99
_STEPS, _LANES = 200, 64
_KEEPING = {"lstm": "f", "gru": "z"}
"""The gate by which a cell multiplies what a unit keeps from one step to the next."""
_PARTS = (0.1, 0.5, 0.9, 1.0)


@dataclass(frozen=True)
class Gate:
    """A gate whose values lie between 0 and 1. open, closed: which share of them is above `OPEN`, below `CLOSED`.

    always_open: how many of its `units` are open in more than `ALWAYS` of all steps.
    """

    open: float
    closed: float
    always_open: int
    units: int


@dataclass(frozen=True)
class Units:
    """Over `values` steps of lanes. gates: by their names, such as "layers.0.f".

    By the name of a hidden state, such as "layers.0.h": extreme, which share of its values is beyond +-`EXTREME`; dead,
    how many of its units have a standard deviation below `STILL`; units, how many there are.
    constants: by the name of the gate by which units keep what they have, their time constants -1/ln(mean) in steps,
    inf where it never closes: those that a tenth, half and nine tenths of the units have at most, and the longest.
    ranked: the units of which the current symbol explains least; none where no characters or bytes are read.
    """

    gates: dict[str, Gate]
    extreme: dict[str, float]
    dead: dict[str, int]
    units: dict[str, int]
    values: int
    constants: dict[str, tuple[float, ...]]
    ranked: tuple[Ranked, ...]


def units(model: Model, places: Places, vocabulary: Vocabulary | None = None, *, seed: int = 4) -> Units:
    """Look at random places of a split, lanes that are stuck left out. vocabulary: of the text, None of series.

    Raises DataError where the split is too short, or every lane is stuck.
    """
    warm = min(WARM_UP, places.count - _STEPS)
    if warm < 1:
        raise DataError(f"{places.path}: split {places.name} has {places.count:,} targets; this needs {_STEPS + 1:,}")
    count = lanes_for(model, _STEPS, _LANES)
    lanes = Lanes(model, places, count, max(_STEPS, warm), train=False)
    found = warm_up(lanes, draw(np.random.default_rng(seed), places, count, warm + _STEPS), warm)
    lanes.load(places.window(found.starts, _STEPS))
    model.forward(lanes.ws, found.state)
    sound = ~found.stuck
    if not sound.any():
        raise DataError(f"{places.path}: split {places.name}: every lane that was looked at is stuck")
    at = {name: model.be.to_host(array)[:, sound] for name, array in activations(lanes.ws).items()}
    hidden = {name: array for name, array in at.items() if name.endswith(".h")}
    best = _ranked(hidden, vocabulary, places.window(found.starts[sound] - warm, warm + _STEPS))
    return _told(model, {name: array.reshape(-1, array.shape[2]) for name, array in at.items()}, best)


def whole_units(model: Model, task: Task, going_on: GoingOn = lambda: True) -> Units:
    """Look at the first windows of whole sequences that training has, what is left over of them left out."""
    ws, state = model.workspace(**task.sizes._asdict(), train=False), model.state(task.sizes.lanes)
    feed, parts, rows = Feed(model.be, ws.batch), list[dict[str, np.ndarray]](), 0
    with closing(task.windows(model.be, None)) as stream:
        for window in stream:
            feed.load(window)
            model.begin(state)
            model.forward(ws, state)
            inside = within(window)
            parts.append({name: model.be.to_host(array)[inside] for name, array in activations(ws).items()})
            rows += int(inside.sum())
            if rows >= _STEPS * _LANES or not going_on():
                break
    return _told(model, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _told(model: Model, at: Mapping[str, np.ndarray], best: tuple[Ranked, ...] = ()) -> Units:
    """at: gates and states of some steps, (n, H), by name. best: see `Units.ranked`."""
    hidden = {name: array for name, array in at.items() if name.endswith(".h")}
    between = {n: a for n, a in at.items() if _is_gate(n) and a.size and a.min() >= 0 and a.max() <= 1}
    return Units(
        {name: _gate(array) for name, array in between.items()},
        {name: float((np.abs(array) > EXTREME).mean()) for name, array in hidden.items()},
        {name: int((array.std(axis=0) < STILL).sum()) for name, array in hidden.items()},
        {name: array.shape[1] for name, array in hidden.items()},
        max(map(len, hidden.values())),
        {n: _constants(a) for n, a in between.items() if n.split(".")[-1] == _KEEPING.get(model.config.cell)},
        best,
    )


def _ranked(hidden: Mapping[str, np.ndarray], vocabulary: Vocabulary | None, window: Window) -> tuple[Ranked, ...]:
    """window: what was read, from an empty state on; its last `_STEPS` steps led to the states `hidden`."""
    if vocabulary is None or vocabulary.kind == "words":
        return ()
    of_text = features(vocabulary, window.tokens, window.carry)
    return ranked(hidden, window.tokens[-_STEPS:], {name: array[-_STEPS:] for name, array in of_text.items()})


def _is_gate(name: str) -> bool:
    return name.split(".")[-1] not in ("h", "c")


def _constants(array: np.ndarray) -> tuple[float, ...]:
    with np.errstate(divide="ignore"):
        steps = np.sort(np.abs(1 / np.log(array.mean(axis=0, dtype=np.float64))))
    return tuple(float(steps[int(part * (len(steps) - 1))]) for part in _PARTS)


def _gate(array: np.ndarray) -> Gate:
    opened = array > OPEN
    always = int((opened.mean(axis=0) > ALWAYS).sum())
    return Gate(float(opened.mean()), float((array < CLOSED).mean()), always, array.shape[1])
