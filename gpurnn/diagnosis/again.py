"""What comes again: whether the symbol of so many steps back is met more often than the network expects.

The probability that the network gives to that symbol is raised by a factor, which each symbol has, and the others give
way. By how much the loss falls then is what the network lacks of that lag at least:

    fall = m log(f) - log(1 + q (f - 1))    m: whether the target is that symbol, q: its probability, f: the factor

Factors that one half of the starts has chosen are held against the other half. No error goes back for this, so it sees
beyond windows, and what a state has lost. What no single symbol shows it does not see: a fall of 0 is a hint that
little is lacking, no proof.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gpurnn.data.stream import Window
from gpurnn.data.stream.places import Places
from gpurnn.diagnosis.lanes import WARM_UP, GoingOn, Lanes, Numbers, lanes_for, warm_up
from gpurnn.diagnosis.recovery import FromZero
from gpurnn.network import Model

LAGS = WARM_UP
_STEPS, _STARTS, _LANES = 64, 256, 64
_FACTORS = np.array([0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
"""Their logarithms."""
_GROUPS = 256
"""So many symbols have factors of their own, others share these."""
_WORTH_A_FACTOR = 4.0
"""Nats that it saves in all: with less it is chance."""
_CERTAIN, _NOTABLE = 4.0, 0.01
"""So many standard errors, and so much of the loss, are lacking where that is told."""


@dataclass(frozen=True)
class Again:
    """By how much the loss would fall, by lag, (lags,), in its unit, and the standard error of that over starts.

    Lag k is the symbol that is read k steps before the step of the target. loss: the mean loss. lag: that of which most
    is lacking; None where that is not certain, or hardly more than of most lags. starts: how many were read.
    """

    fall: Numbers
    error: Numbers
    loss: float
    lag: int | None
    starts: int


def again(model: Model, places: Places, zero: FromZero, going_on: GoingOn = lambda: True) -> Again:
    """Measure it on text, behind the places from which `zero` was read, those that are stuck left out."""
    chosen = zero.starts[~zero.stuck][:_STARTS]
    count = min(len(chosen), lanes_for(model, LAGS, _LANES)) or 1
    lanes = Lanes(model, places, count, LAGS, train=False)
    found: list[tuple[np.ndarray, ...]] = []
    for begin in range(0, len(chosen), count):
        if found and not going_on():
            break
        which = np.arange(begin, begin + count)
        starts = chosen[which % len(chosen)] - WARM_UP
        before = places.window(starts, LAGS)
        warm = warm_up(lanes, starts, LAGS)
        window = lanes.load(places.window(warm.starts, _STEPS))
        model.forward(lanes.ws, warm.state)
        seen, valid = _seen(before, window)
        q = _probabilities(lanes, np.concatenate([seen, window.targets[:, :, None]], axis=2))
        hit = seen == window.targets[:, :, None]
        kept = ~warm.stuck & (which < len(chosen))
        groups = (seen % _GROUPS).astype(np.uint8)
        found.append(tuple(each[:, kept] for each in (groups, hit & valid, q[..., :-1] * valid, q[..., -1])))
    if not found or not sum(each.shape[1] for *_, each in found):
        return Again(np.zeros(LAGS), np.full(LAGS, np.inf), float("nan"), None, 0)
    *of_lags, targets = zip(*found, strict=True)
    target = np.concatenate(targets, axis=1)
    falls = np.stack(  # a lag at a time, which takes less memory
        [_fall(*(np.concatenate([part[..., k] for part in parts], axis=1) for parts in of_lags)) for k in range(LAGS)]
    )
    return _judged(falls, float(-np.log(np.maximum(target, np.finfo(np.float32).tiny)).mean()))


def _seen(before: Window, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Of each target the symbols that its lane has read, (steps, B, lags), the last first; whether in its document."""
    tokens = np.concatenate([before.tokens, window.tokens])
    documents = np.cumsum(np.concatenate([before.carry, window.carry]) == 0, axis=0)
    symbols, of = (sliding_window_view(each[1:], LAGS, axis=0)[:, :, ::-1] for each in (tokens, documents))
    return symbols, of == of[:, :, :1]


def _probabilities(lanes: Lanes, symbols: np.ndarray) -> np.ndarray:
    """Those that the window which has gone forward gives to symbols, (steps, B, n)."""
    be, xp = lanes.model.be, lanes.model.be.xp
    steps, count, _ = symbols.shape
    o = lanes.ws.o[: steps * count].reshape(steps, count, -1)
    top = o.max(axis=2, keepdims=True)
    total = xp.exp(o - top).sum(axis=2, keepdims=True)
    wanted = be.from_host(np.ascontiguousarray(symbols, np.int32))
    found: np.ndarray = be.to_host(xp.exp(xp.take_along_axis(o, wanted, axis=2) - top) / total)
    return found


def _fall(groups: np.ndarray, hits: np.ndarray, q: np.ndarray) -> Numbers:
    """The mean of each start for one lag, (starts,), from what its targets have, (steps, starts)."""
    half = np.arange(q.shape[1]) % 2
    cells = groups + half * _GROUPS
    weights = (_saved(log, hits, q).ravel() for log in _FACTORS)
    sums = np.stack([np.bincount(cells.ravel(), each, 2 * _GROUPS) for each in weights])
    logs = np.where(sums.max(axis=0) > _WORTH_A_FACTOR, _FACTORS[sums.argmax(axis=0)], 0)
    mean: Numbers = _saved(logs[(cells + _GROUPS) % (2 * _GROUPS)], hits, q).mean(axis=0)
    return mean


def _saved(log: np.ndarray | float, hits: np.ndarray, q: np.ndarray) -> Numbers:
    """By how much each loss falls with a factor that has this logarithm."""
    saved: Numbers = log * hits - np.log1p(q * np.expm1(log))
    return saved


def _judged(falls: Numbers, loss: float) -> Again:
    """falls: (lags, starts)."""
    starts = falls.shape[1]
    fall, error = falls.mean(axis=1), falls.std(axis=1) / np.sqrt(starts)
    lag = int(fall.argmax())
    lacking = fall[lag] - np.median(fall) > max(_CERTAIN * error[lag], _NOTABLE * loss)
    return Again(fall, error, loss, lag if lacking else None, starts)
