"""How far the error of an output reaches within its sequence, and which inputs it falls on.

Of labels, tags, pairs and frames: a window holds whole sequences. In each lane the output of one step is chosen, and
its error alone is followed back; in a direction against time it goes forward, so that a lag is a distance there, too.
Where it is not said which step a label is of, any step of a sequence may be chosen, else one that has a target.
"""

from __future__ import annotations

import math
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpurnn.backend import Array
from gpurnn.data.stream import Window
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.diagnosis.lanes import GoingOn, Numbers
from gpurnn.diagnosis.reach import Reach, fall, finite_or_inf, of_interest
from gpurnn.diagnosis.text import shown
from gpurnn.exceptions import DataError
from gpurnn.network import Model, State, Workspace, through_time
from gpurnn.network.heads.ctc import Ctc
from gpurnn.training.feed import Feed
from gpurnn.training.tasks import Task

_WORDS, _LEAST = 20, 3
_INPUT = "embedding.dx"


@dataclass(frozen=True)
class Word:
    """What decides a target. share: of the norms of the errors of all inputs of its sequence, the mean over `times`."""

    word: str
    share: float
    times: int


def whole_reach(
    model: Model,
    task: Task,
    vocabulary: Vocabulary | None,
    *,
    targets: int = 256,
    seed: int = 1,
    going_on: GoingOn = lambda: True,
) -> tuple[Reach, tuple[Word, ...]]:
    """Measure it over windows of the train split; words: those with the largest share that were met thrice at least.

    model: without dropout. vocabulary: of its inputs, None where they are no symbols. Raises DataError where no window
    has a target.
    """
    sizes = task.sizes
    lanes = sizes.lanes
    ws = model.workspace(**sizes._asdict())
    ws.watch()
    feed, state, rng = Feed(model.be, ws.batch), model.state(lanes), np.random.default_rng(seed)
    norms: dict[str, list[Numbers]] = defaultdict(list)
    shares: dict[str, list[float]] = defaultdict(list)
    found = 0
    with closing(task.windows(model.be, None)) as stream:
        for number, window in enumerate(stream):
            if found >= targets or number >= targets or (found and not going_on()):
                break
            counts = within(window) if isinstance(model.head, Ctc) else window.weight > 0
            chosen = _chosen(counts, rng)
            of_window = _norms(model, ws, feed, window, _only(window, chosen), state)
            there = np.flatnonzero(chosen >= 0)
            found += len(there)
            for name, each in of_window.items():
                if of_interest(name):
                    norms[name].append(_by_lag(each, window.carry, chosen, there, -1 if ".reverse." in name else 1))
            if vocabulary is not None and _INPUT in of_window:
                for lane in there.tolist():
                    _add_words(vocabulary, window, of_window[_INPUT][:, lane], lane, int(chosen[lane]), shares)
    if not found:
        raise DataError(f"{task.corpus.path}: split train has no target to look at")
    falls = {name: fall(np.concatenate(_alike(each), axis=1)) for name, each in norms.items()}
    ranked = sorted(
        (Word(word, float(np.mean(each)), len(each)) for word, each in shares.items() if len(each) >= _LEAST),
        key=lambda each: (-each.share, each.word),
    )
    return Reach(falls, {}, {}, math.nan, found, 0), tuple(ranked[:_WORDS])


def within(window: Window) -> NDArray[np.bool_]:
    """(T, B), whether a step is of a sequence that has a target with weight; what is left over of a window is of none.

    A sequence begins where carry is 0, and at the first step.
    """
    steps, lanes = window.carry.shape
    number = np.cumsum(window.carry == 0, axis=0) + (steps + 1) * np.arange(lanes)
    weight = np.bincount(number.reshape(-1), window.weight.reshape(-1), lanes * (steps + 1))
    inside: NDArray[np.bool_] = weight[number] > 0
    return inside


def _chosen(counts: NDArray[np.bool_], rng: np.random.Generator) -> np.ndarray:
    """One of the steps that count in each lane, (B,), -1 where there is none."""
    order = rng.random(counts.shape) * counts
    return np.where(order.max(axis=0) > 0, order.argmax(axis=0), -1)


def _only(window: Window, chosen: np.ndarray) -> np.ndarray:
    """(T, B), by what the errors of outputs are multiplied to become those of the losses of the chosen steps alone."""
    keep = np.zeros(window.weight.shape)
    lanes = np.flatnonzero(chosen >= 0)
    weight = window.weight[chosen[lanes], lanes]
    keep[chosen[lanes], lanes] = window.weight_sum / np.where(weight > 0, weight, 1)
    return keep


def _norms(
    model: Model, ws: Workspace, feed: Feed, window: Window, keep: np.ndarray, state: State
) -> dict[str, Numbers]:
    """Of each error of each step in each lane, (steps, B). keep: see `Model.backward`."""
    be, xp = model.be, model.be.xp
    feed.load(window)
    model.begin(state)
    model.forward(ws, state)
    model.backward(ws, keep=be.from_host(keep.astype(model.config.real)))
    found: dict[str, list[Array]] = defaultdict(list)
    for step in through_time(model, ws):
        for name, error in step.errors.items():
            found[name].append(xp.sqrt(xp.square(error, dtype=np.float64).sum(axis=1)))
    return {name: be.to_host(xp.stack(each)) for name, each in found.items()}


def _by_lag(norms: Numbers, carry: np.ndarray, chosen: np.ndarray, lanes: np.ndarray, sign: int) -> Numbers:
    """(lags, lanes): those at the chosen steps, and so many steps before them, after them where sign is -1.

    nan where the sequence of the target has ended.
    """
    steps = len(norms)
    at = chosen[lanes] - sign * np.arange(steps)[:, None]
    inside = (at >= 0) & (at < steps)
    place = np.clip(at, 0, steps - 1)
    goes_on = carry[place, lanes] > 0  # into the step from the one before it
    links = goes_on if sign < 0 else np.vstack([np.ones_like(goes_on[:1]), goes_on[:-1]])
    links[0] = True
    inside &= np.cumprod(links, axis=0) > 0
    return np.where(inside, finite_or_inf(norms[place, lanes]), np.nan)


def _add_words(
    vocabulary: Vocabulary, window: Window, norms: Numbers, lane: int, target: int, shares: dict[str, list[float]]
) -> None:
    """Add what each word of a target's sequence got of the errors of all of its inputs."""
    begins = np.flatnonzero(window.carry[:, lane] == 0)
    first = int(begins[begins <= target].max(initial=0))
    last = int(begins[begins > target].min(initial=len(norms)))
    mine = norms[first:last]
    total = float(mine.sum())
    if not 0 < total < np.inf:
        return
    symbols = window.tokens[first:last, lane].tolist()
    word, share = "", 0.0
    for symbol, norm in zip(symbols, mine.tolist(), strict=True):
        text = shown(vocabulary, symbol)
        if vocabulary.kind != "words" and not text.isspace():
            word, share = word + text, share + norm
            continue
        _end_word(word, share / total, shares)
        word, share = "", 0.0
        if vocabulary.kind == "words":
            _end_word(text, norm / total, shares)
    _end_word(word, share / total, shares)


def _end_word(word: str, share: float, shares: dict[str, list[float]]) -> None:
    if word:
        shares[word].append(share)


def _alike(parts: list[Numbers]) -> list[Numbers]:
    """The same with as many lags each."""
    lags = max(len(each) for each in parts)
    return [np.pad(each, ((0, lags - len(each)), (0, 0)), constant_values=np.nan) for each in parts]
