"""What windows of whole sequences cost: boundaries inside, both directions, pools; all of gpurnn, in turn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import cycle

import numpy as np

from bench_lib import inputs
from bench_lib.cases import CLIP, RATE, Case
from bench_lib.stats import ratio
from gpurnn import backend
from gpurnn.data.stream import Cursor, Window
from gpurnn.network import Model, ModelConfig
from gpurnn.training.feed import Feed
from gpurnn.training.optimizer import Optimizer, OptimizerConfig
from gpurnn.training.step import TrainingStep

CELLS = ("gru", "lstm")
LANES, STEPS, HIDDEN, SYMBOLS, LABELS = 32, 64, 256, 100, 10
MEAN_LENGTH = 16
"""Of a sequence: nearly every step has a lane in which one begins."""
BOTH = ("both_directions", "dropout")
_ONE = ModelConfig(SYMBOLS, hidden=HIDDEN, dropout=0.15, inputs=SYMBOLS, outputs=LABELS)
VARIANTS = {
    "without boundaries": _ONE,
    "one direction": _ONE,
    "one direction, 2 layers": replace(_ONE, layers=2),
    "both directions": replace(_ONE, stack=BOTH),
    "both directions, 2 layers": replace(_ONE, stack=BOTH, layers=2),
    "one direction, mean": replace(_ONE, pool="mean"),
    "one direction, max": replace(_ONE, pool="max"),
    "both directions, last": replace(_ONE, stack=BOTH, pool="last"),
    "both directions, mean": replace(_ONE, stack=BOTH, pool="mean"),
    "both directions, max": replace(_ONE, stack=BOTH, pool="max"),
}
"""Models by name; only the first one's windows have no boundary."""
RATIOS = (
    ("one direction", "without boundaries"),
    ("both directions", "one direction"),
    ("both directions, 2 layers", "one direction, 2 layers"),
    ("one direction, mean", "one direction"),
    ("one direction, max", "one direction"),
    ("both directions, last", "both directions"),
    ("both directions, mean", "both directions"),
    ("both directions, max", "both directions"),
)


class Training:
    """One of the variants in training on windows that come round in turn."""

    def __init__(self, cell: str, variant: str) -> None:
        be, config = backend.get("cpu"), replace(VARIANTS[variant], cell=cell)
        model = Model(be, config)
        model.params.initialise(be, 0)
        self._workspace, self._state = model.workspace(LANES, STEPS), model.state(LANES)
        optimizer = Optimizer(be, model.params, OptimizerConfig("adam", clip=CLIP))
        self._step = TrainingStep(model, self._workspace, self._state, optimizer)
        self._feed = Feed(be, self._workspace.batch)
        self._windows = cycle(_windows(variant != "without boundaries"))

    def run(self, seconds: float) -> float:
        """Train for about so long; the seconds of a window."""
        self._window()
        start, windows = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < seconds:
            self._window()
            windows += 1
        return spent / windows

    def _window(self) -> None:
        self._feed.load(next(self._windows))
        self._step(RATE)


def _windows(boundaries: bool) -> list[Window]:
    case, rng = Case("", LANES, STEPS, HIDDEN, SYMBOLS), np.random.default_rng(1)
    made = []
    for index, (tokens, targets) in enumerate(inputs.windows(case)):
        carry = np.ones((STEPS, LANES), np.float32)
        if boundaries:
            carry[rng.random(carry.shape) < 1 / MEAN_LENGTH] = 0
            carry[0] = 0
        made.append(
            Window(
                index,
                0,
                carry=carry,
                weight=np.ones_like(carry),
                has_boundary=boundaries,
                uniform=True,
                weight_sum=float(carry.size),
                cursor=Cursor(index + 1, LANES, STEPS, 0),
                tokens=tokens.astype(np.int32),
                targets=(targets % LABELS).astype(np.int32),
            )
        )
    return made


def measure(cell: str, seconds: float, rounds: int) -> dict[str, list[float]]:
    """The seconds of a window by variant, one for each round."""
    trainings = {variant: Training(cell, variant) for variant in VARIANTS}
    times: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for number in range(rounds + 1):
        for variant, training in trainings.items():
            spent = training.run(seconds)
            if number:  # the first round brings memory and caches
                times[variant].append(spent)
    return times


def told(cell: str, times: Mapping[str, list[float]]) -> Iterator[str]:
    """What is printed: how many times as long one takes as the other, median and quartiles over the rounds."""
    for name, beside in RATIOS:
        found = ratio(times[beside], times[name])
        yield f"{cell}: {name:<27}{found.median:.3f} ({found.low:.3f}-{found.high:.3f}) of {beside}"
