"""How far an error reaches: that of one target, followed back through the states of its lane.

Lanes that are stuck are set aside; of the others the median, where most are, and the root mean square, which is what
few large errors make of it, are told apart. Once a step back the median falls by the factor beta, fitted to its
logarithm. The largest Lyapunov exponent is what an error of random direction grows by, in logarithms, when it goes back
for long, whatever target it comes from; e to it is comparable with beta (Vogt et al. 2020; Engelken et al. 2023).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gpurnn.backend import Array
from gpurnn.data.stream import Window
from gpurnn.data.stream.places import Places
from gpurnn.diagnosis.lanes import WARM_UP, GoingOn, Lanes, Numbers, Warm, copied, draw, lanes_for, warm_up, weighted
from gpurnn.exceptions import DataError
from gpurnn.network import Model, State, by_lag

_LANES = 64
_HIGH, _LOW = 0.1, 1e-6
"""Between these shares of the error at lag 0 beta is fitted to the median."""
_ATTEMPTS = 8
"""So many samples more than are asked for are drawn where targets that count are few."""


@dataclass(frozen=True)
class Fall:
    """How the norm of an error falls with the lag, over targets. Each (lags,) float64.

    median, low, high: of the targets' norms, low and high leaving out a tenth each; rms: their root mean square.
    beta: the factor a step; nan where nothing goes back, inf where an error is not finite. half: after how many steps
    half is left, nan unless it falls. one_percent, one_percent_of_few: the first lag at which 1 % is left, for half of
    the targets and for all but a tenth; None where that is beyond the lags looked at.
    """

    median: Numbers
    low: Numbers
    high: Numbers
    rms: Numbers
    beta: float
    half: float
    one_percent: int | None
    one_percent_of_few: int | None


@dataclass(frozen=True)
class Reach:
    """What came of `targets` single targets, each the last step of a window; `stuck` more were set aside.

    falls: by the name of an error, such as "layers.0.dh", of each layer and state. shares: of the gradient, by
    parameter, (lags,): what comes from so many steps back; each adds up to 1. mean_lag: of these, by parameter.
    exponent: the largest Lyapunov exponent, nan where no lane was whole.
    """

    falls: dict[str, Fall]
    shares: dict[str, Numbers]
    mean_lag: dict[str, float]
    exponent: float
    targets: int
    stuck: int


def reach(
    model: Model,
    places: Places,
    *,
    steps: int,
    targets: int = 384,
    seed: int = 1,
    going_on: GoingOn = lambda: True,
) -> Reach:
    """Measure it with windows of `steps` steps at random places.

    model: without dropout. Raises DataError where the split is too short, or has no target that is not stuck.
    """
    warm = min(WARM_UP, places.count - steps)
    if warm < 1:
        raise DataError(f"{places.path}: split {places.name} has {places.count:,} targets; this needs {steps + 1:,}")
    rng = np.random.default_rng(seed)
    count = lanes_for(model, steps, _LANES)
    lanes, before = Lanes(model, places, count, steps), Lanes(model, places, count, steps, train=False)
    lanes.ws.watch()
    whole: dict[str, Array] = {}
    seeds: list[tuple[Warm, Window]] = []
    stuck = 0
    for _ in range(_ATTEMPTS + targets // count):
        if seeds and (len(seeds) * count >= targets or not going_on()):
            break
        found = warm_up(before, draw(rng, places, count, warm + steps), warm)
        window = places.window(found.starts, steps)
        weight = np.zeros_like(window.weight)
        weight[-1] = window.weight[-1] * ~found.stuck
        stuck += int(found.stuck.sum())
        if not weight.any():
            continue
        window = weighted(window, weight)
        seeds.append((found, window))
        _backward(lanes, window, found.state)
        for name, gradient in model.params.gradient.items():
            whole[name] = gradient * weight.sum() + whole.get(name, 0)
    if not seeds:
        why = "every lane that was looked at is stuck" if stuck else "no target that was looked at counts"
        raise DataError(f"{places.path}: split {places.name}: {why}")
    norms: dict[str, list[Numbers]] = {}
    shares: dict[str, Numbers] = {}
    for found, window in seeds:
        lanes.load(window)
        model.forward(lanes.ws, found.state)
        of = by_lag(model, lanes.ws, whole)
        scale = float(window.weight.sum())
        counts = window.weight[-1] > 0
        since = _since(window)
        for name, norm in of.norms.items():
            norms.setdefault(name, []).append(np.where(since, finite_or_inf(norm * scale), np.nan)[::-1, counts])
        for name, share in of.shares.items():
            shares[name] = shares.get(name, 0) + share[::-1] * scale
    return Reach(
        {name: fall(np.concatenate(each, axis=1)) for name, each in norms.items() if of_interest(name)},
        shares,
        {name: float(np.arange(steps) @ share) for name, share in shares.items()},
        exponent(lanes, [warm for warm, _ in seeds][: 1 + len(seeds) // 4], steps, rng),
        sum(int((window.weight[-1] > 0).sum()) for _, window in seeds),
        stuck,
    )


def _backward(lanes: Lanes, window: Window, state: State) -> None:
    lanes.load(window)
    lanes.model.forward(lanes.ws, state)
    lanes.model.backward(lanes.ws)


def of_interest(name: str) -> bool:
    """The errors of states and of pre-activations, not their parts."""
    return name.split(".")[-1] in ("dh", "dc", "da")


def _since(window: Window) -> np.ndarray:
    """(steps, B): whether a step belongs to the document of the lane's last target."""
    after = np.ones_like(window.carry)
    after[:-1] = window.carry[1:]
    return np.cumprod(after[::-1], axis=0)[::-1] > 0


def finite_or_inf(norms: Numbers) -> Numbers:
    """The same with inf where a number is not finite: nan stands for none at all."""
    return np.where(np.isfinite(norms), norms, np.inf)


def fall(norms: Numbers) -> Fall:
    """What is told of norms (lags, targets), nan where a document had not begun, inf where they are not finite."""
    known = norms[(~np.isnan(norms)).sum(axis=1) >= max(1, norms.shape[1] // 10)]
    low, median, high = _quantiles(known, 0.1, 0.5, 0.9)
    with np.errstate(invalid="ignore", over="ignore"):  # inf of inf, and squares of what is nearly that
        relative = known / np.where(known[0] > 0, known[0], np.nan)
        rms = np.sqrt(np.nanmean(known**2, axis=1))
    most, few = _quantiles(relative, 0.5, 0.9)
    beta = _slope(median)
    return Fall(
        median,
        low,
        high,
        rms,
        beta,
        math.log(0.5) / math.log(beta) if 0 < beta < 1 else math.nan,
        _first_below(most, 0.01),
        _first_below(few, 0.01),
    )


def _quantiles(values: Numbers, *parts: float) -> Numbers:
    """Of each row those of its numbers that are not nan, (parts, rows); nan where all are."""
    found = np.full((len(parts), len(values)), np.nan)
    some = ~np.isnan(values).all(axis=1)
    with np.errstate(invalid="ignore"):  # between inf and inf
        found[:, some] = np.nanquantile(values[some], parts, axis=1)
    return found


def _slope(median: Numbers) -> float:
    """The factor a lag, by least squares on the logarithm where that is well between the first and nothing.

    inf where an error is not finite, nan where none goes back.
    """
    if not np.isfinite(median).all():
        return math.inf
    if not median[0] > 0:
        return math.nan
    share = median / median[0]
    chosen = np.flatnonzero((share <= _HIGH) & (share >= _LOW))
    if len(chosen) < 4:
        chosen = np.flatnonzero(share[1:] > 0) + 1
    if len(chosen) < 2:
        return math.nan
    return float(np.exp(np.polyfit(chosen, np.log(share[chosen]), 1)[0]))


def _first_below(values: Numbers, limit: float) -> int | None:
    below = np.flatnonzero(values < limit)
    return int(below[0]) if len(below) else None


def exponent(lanes: Lanes, starts: list[Warm], steps: int, rng: np.random.Generator) -> float:
    """The largest Lyapunov exponent a step, over lanes in which no document begins and which are not stuck.

    nan where no error goes back.

    An error of random direction at the last states goes back piece by piece; after each its length is noted and made 1
    again. The first quarter is left out, in which it turns into the direction that grows most.
    """
    model, piece = lanes.model, max(1, steps // 16)
    be, grown, counted = model.be, 0.0, 0
    for warm in starts:
        states, windows = [copied(model, warm.state)], []
        for begin in range(0, steps - piece + 1, piece):
            windows.append(lanes.load(lanes.places.window(warm.starts + begin, piece)))
            state = copied(model, states[-1])
            model.advance(lanes.ws, state)
            states.append(state)
        whole = ~warm.stuck & np.all([window.carry.min(axis=0) > 0 for window in windows], axis=0)
        error = _unit([{n: be.from_host(_normal(rng, a)) for n, a in each.items()} for each in states[0].layers], model)
        for number in reversed(range(len(windows))):
            lanes.load(weighted(windows[number], np.zeros_like(windows[number].weight)))
            model.forward(lanes.ws, states[number])
            model.backward(lanes.ws, error[0])
            error = _unit([layer.d_first for layer in lanes.ws.layers], model)
            if number < 3 * len(windows) // 4 or len(windows) == 1:
                length = be.to_host(error[1]).astype(np.float64)[whole]
                grown += float(np.log(length[length > 0]).sum())
                counted += piece * int((length > 0).sum())
    return grown / counted if counted else math.nan


def _normal(rng: np.random.Generator, like: Array) -> np.ndarray:
    drawn: np.ndarray = rng.standard_normal(like.shape).astype(like.dtype)
    return drawn


def _unit(errors: Sequence[Mapping[str, Array]], model: Model) -> tuple[list[dict[str, Array]], Array]:
    """The same errors of all layers and states with length 1 in each lane, and the lengths, (B,)."""
    xp = model.be.xp
    length = xp.sqrt(sum(xp.square(array).sum(axis=1) for layer in errors for array in layer.values()))
    by = xp.where(length > 0, length, 1)[:, None]
    return [{name: array / by for name, array in layer.items()} for layer in errors], length
