"""What windows cut: the gradient of an update's targets through windows of T steps, held against a longer one.

A target at position p of a window sees p steps of before; so of what comes from lag k windows of T keep the part
max(0, 1 - k/T), and what is missing falls like the mean lag over T, not geometrically. What is missing of a gradient is
not missing in quality: the carried state brings what lies further back, and only training shows what it is worth.

    share = <g, G> / |G|²    cosine = <g, G> / (|g| |G|)    missed = |g - G| / |G|

with g from windows of T, G from at least `HISTORY` steps more. Shares of parts of a gradient add up; missed do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gpurnn.backend import Array
from gpurnn.data.stream.places import Places
from gpurnn.diagnosis.lanes import WARM_UP, GoingOn, Lanes, Numbers, copied, draw, lanes_for, warm_up, weighted
from gpurnn.exceptions import DataError
from gpurnn.network import Model, State

HISTORY = 448
"""Steps before the targets, in the window that is taken for the whole."""
ALL = "all"


@dataclass(frozen=True)
class Kept:
    """What windows keep of a gradient, for each width (widths,): the mean over samples, and its standard deviation."""

    share: Numbers
    cosine: Numbers
    missed: Numbers
    share_spread: Numbers
    cosine_spread: Numbers
    missed_spread: Numbers


@dataclass(frozen=True)
class WindowCut:
    """What came of `samples` samples of an update's targets. widths: the steps of windows, rising.

    kept: by parameter, and of all of them under "all". history: steps before the targets in the window held against.
    stuck: lanes that were set aside.
    """

    widths: tuple[int, ...]
    kept: dict[str, Kept]
    history: int
    samples: int
    stuck: int

    @property
    def own(self) -> int:
        """Which of the widths is that of the run."""
        return len(self.widths) - 3


Gradient = dict[str, np.ndarray]


def window_cut(
    model: Model,
    places: Places,
    *,
    steps: int,
    lanes: int,
    samples: int = 6,
    seed: int = 2,
    going_on: GoingOn = lambda: True,
) -> WindowCut:
    """Measure it for windows of steps/8 up to 4 times `steps`, over samples of `lanes` lanes of `steps` targets.

    model: without dropout. Raises DataError where the split is too short, or every lane is stuck.
    """
    history = min(max(HISTORY, 3 * steps), places.count - steps - 1)
    if history < 3 * steps:
        raise DataError(
            f"{places.path}: split {places.name} has {places.count:,} targets; windows of {steps} steps and what comes "
            f"before them need {4 * steps + 1:,}"
        )
    warm = min(WARM_UP, places.count - history - steps)
    at_once = lanes_for(model, history + steps, lanes)
    runner = _Runner(model, places, at_once, steps, history, warm)
    rng = np.random.default_rng(seed)
    found: list[dict[str, np.ndarray]] = []
    stuck = 0
    while not found or (len(found) < samples and going_on()):
        total: dict[int, Gradient] = {}
        for begin in range(0, lanes, at_once):
            part = min(at_once, lanes - begin)
            stuck += runner.add(draw(rng, places, at_once, warm + history + steps), part, total)
        if stuck == lanes * (len(found) + 1):
            raise DataError(f"{places.path}: split {places.name}: every lane that was looked at is stuck")
        whole = total.pop(0)
        found.append(_compared(total, whole))
    by_name = {name: np.stack([each[name] for each in found]) for name in found[0]}
    kept = {name: Kept(*each.mean(axis=0), *each.std(axis=0)) for name, each in by_name.items()}
    return WindowCut(runner.widths, kept, history, len(found), stuck)


class _Runner:
    """Gradients of the same targets through windows of all widths."""

    def __init__(self, model: Model, places: Places, lanes: int, steps: int, history: int, warm: int) -> None:
        self._model, self._places, self._steps, self._history, self._warm = model, places, steps, history, warm
        self._lanes = Lanes(model, places, lanes, history + steps)
        self._before = Lanes(model, places, lanes, min(warm, history), train=False)
        short = (steps // 8, steps // 4, steps // 2)
        self.widths = (*(width for width in short if width), steps, 2 * steps, 4 * steps)

    def add(self, starts: np.ndarray, lanes: int, total: dict[int, Gradient]) -> int:
        """Add what the first `lanes` lanes from these places give to `total`, by width; 0: the whole.

        Returns how many of them are stuck. In windows of twice the steps the targets lie in the first half as often as
        in the second, and so on.
        """
        steps, history = self._steps, self._history
        end = history + steps
        warm = warm_up(self._before, starts, self._warm)
        weight = self._places.window(warm.starts, end).weight * (~warm.stuck & (np.arange(len(starts)) < lanes))
        weight[:history] = 0
        _add(total, 0, self._gradient(warm.starts, weight, 0, end, copied(self._model, warm.state)), 1.0)
        state, at = warm.state, 0
        for back in (3, 2, 1, 0):
            seam = history - back * steps
            state, at = self._advanced(warm.starts, at, seam, state), seam
            through = self._gradient(warm.starts, weight, seam, end, copied(self._model, state))
            for width in (steps, 2 * steps, 4 * steps):
                if back * steps < width:
                    _add(total, width, through, steps / width)
        for width in self.widths[: self.widths.index(steps)]:
            carried = copied(self._model, state)
            for begin in range(history, end, width):
                part = self._gradient(warm.starts, weight, begin, min(begin + width, end), carried)
                _add(total, width, part, 1.0)
        return int(warm.stuck[:lanes].sum())

    def _gradient(self, starts: np.ndarray, weight: np.ndarray, begin: int, end: int, state: State) -> Gradient:
        """The sum over targets through one window of these steps; `state` is carried on."""
        model, ws = self._model, self._lanes.ws
        window = weighted(self._places.window(starts + begin, end - begin), weight[begin:end])
        self._lanes.load(window)
        model.forward(ws, state)
        model.carry_out(ws, state)
        model.backward(ws)
        targets = float(window.weight.sum())
        return {name: targets * _host(model, array) for name, array in model.params.gradient.items()}

    def _advanced(self, starts: np.ndarray, begin: int, end: int, state: State) -> State:
        """The state after these steps, in memory of its own."""
        state = copied(self._model, state)
        if begin < end:
            self._lanes.load(self._places.window(starts + begin, end - begin))
            self._model.advance(self._lanes.ws, state)
        return state


def _host(model: Model, array: Array) -> np.ndarray:
    found: np.ndarray = model.be.to_host(array).astype(np.float64)
    return found


def _add(total: dict[int, Gradient], width: int, gradient: Gradient, factor: float) -> None:
    mine = total.setdefault(width, {})
    for name, array in gradient.items():
        mine[name] = mine.get(name, 0) + factor * array


def _compared(total: Mapping[int, Gradient], whole: Gradient) -> dict[str, np.ndarray]:
    """By parameter and of all: (3, widths), share, cosine and missed."""
    products = {
        name: np.array([[np.vdot(total[w][name], G), np.vdot(total[w][name], total[w][name])] for w in sorted(total)])
        for name, G in whole.items()
    }
    squares = {name: float(np.vdot(G, G)) for name, G in whole.items()}
    products[ALL], squares[ALL] = sum(products.values(), np.zeros((len(total), 2))), sum(squares.values())
    return {name: _three(products[name].T, squares[name]) for name in products}


def _three(products: np.ndarray, square: float) -> np.ndarray:
    both, mine = products
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack(
            [both / square, both / np.sqrt(mine * square), np.sqrt(np.maximum(0, mine - 2 * both + square) / square)]
        )
