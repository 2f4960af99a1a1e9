"""The run of the library behind the page: its windows one after the other, every number of them kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from gpurnn import backend
from gpurnn.data.stream.windows import Window
from gpurnn.diagnosis.explain.story import RATE, Story
from gpurnn.network import Model, State, Workspace, activations, through_time
from gpurnn.training.control import Control
from gpurnn.training.feed import Feed
from gpurnn.training.optimizer import Optimizer, OptimizerConfig

LAYER, OUTPUT = "layers.0.", "output."
Row = np.ndarray


@dataclass(frozen=True)
class Played:
    """A run over the text. W: windows, N: steps, H: hidden, K: symbols, G: gates.

    begins: at which steps windows begin; beside them, at the end, N. carry, weight: (N,).
    steps: by name, N arrays, one of each step: states and gates (H,); "logits" (K,), "nats" (); errors as `Step` names
    them, without the name of the layer; (∂J/∂θ)(t) of each parameter as "grad.U" and so on.
    theta: by parameter, "U" and so on, W + 1 arrays: those of each window, and of the one that would follow.
    gradients: likewise, W arrays. losses: J of each window. cut: by state, W arrays (H,): the error that each window
    would send to the one before it.
    """

    story: Story
    begins: list[int]
    carry: list[float] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)
    steps: dict[str, list[Row]] = field(default_factory=dict)
    theta: dict[str, list[Row]] = field(default_factory=dict)
    gradients: dict[str, list[Row]] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    cut: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def mean_gradient(self) -> dict[str, Row]:
        """The mean over windows, each counted with its targets: but for the seams that of J over the whole text."""
        counts = [sum(self.weight[begin:end]) for begin, end in pairwise(self.begins)]
        return {name: np.average(windows, axis=0, weights=counts) for name, windows in self.gradients.items()}


def play(story: Story, steps: int, *, renew: bool, document: bool) -> Played:
    """Read the text in windows of `steps` steps. renew: whether the parameters follow each window's gradient."""
    be = backend.get("cpu")
    model = Model(be, story.config)
    model.params.load(be, story.parameters({s.name: s.shape for s in model.params.specs}), "explain")
    ws, state = model.workspace(1, steps), model.state(1)
    ws.watch()
    plain = OptimizerConfig(optimizer="sgd", clip=0, weight_decay=0, average=0)
    optimizer, feed = Optimizer(be, model.params, plain), Feed(be, ws.batch)
    optimizer.ctl[Control.RATE] = RATE
    played = Played(story, [*range(0, story.steps, steps), story.steps])
    for window in story.windows(steps, document=document):
        feed.load(window)
        _keep(played.theta, model.params.value)
        _play_window(played, model, ws, state, window)
        if renew:
            optimizer.step(ws.loss, ws.batch.scale)
    _keep(played.theta, model.params.value)
    return played


def _play_window(played: Played, model: Model, ws: Workspace, state: State, window: Window) -> None:
    """Both passes over a window; `state` is carried on."""
    steps = len(window.carry)
    played.carry.extend(map(float, window.carry[:, 0]))
    played.weight.extend(map(float, window.weight[:, 0]))
    model.forward(ws, state)
    _keep_all(played.steps, {"logits": ws.o[:steps]})
    model.carry_out(ws, state)
    model.backward(ws)
    seen = {name.removeprefix(LAYER): array[:, 0] for name, array in activations(ws).items()}
    _keep_all(played.steps, seen | {"nats": ws.losses[:steps]})
    for step in through_time(model, ws):
        errors = {name.removeprefix(LAYER): array[0] for name, array in step.errors.items()}
        gradients = {f"grad.{_short(name)}": array for name, array in step.gradients.items()}
        _keep(played.steps, errors | gradients)
    _keep(played.gradients, model.params.gradient)
    _keep(played.cut, {name: error[0] for name, error in ws.layers[0].d_first.items()})
    played.losses.append(float(ws.loss[0]))


def _short(name: str) -> str:
    return name.removeprefix(LAYER).removeprefix(OUTPUT)


def _keep(lists: dict[str, list[Row]], arrays: Any) -> None:
    """One more entry of each list: a copy."""
    for name, array in arrays.items():
        lists.setdefault(_short(name), []).append(np.array(array, np.float64))


def _keep_all(lists: dict[str, list[Row]], arrays: dict[str, Any]) -> None:
    """One more entry of each list for each row of an array."""
    for name, array in arrays.items():
        lists.setdefault(name, []).extend(np.array(array, np.float64))
