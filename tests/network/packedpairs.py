"""Hand-made windows of pairs: sources and targets packed into lanes, at places that a test chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpurnn.backend import Backend
from gpurnn.data.stream import Cursor, Window
from gpurnn.network import Model, ModelConfig, State, Workspace
from gpurnn.training.feed import Feed

from .helpers import host, random_model
from .windows import planned

SOURCES, SYMBOLS = 6, 5
"""How many symbols there are on each side; the last of the target's is its end."""
WIDTH = 4
"""Of the vector of each sequence, for windows of captions."""


@dataclass(frozen=True)
class Pair:
    """lane, source_at, at: in which lane it lies, and from which steps on."""

    source: tuple[int, ...]
    target: tuple[int, ...]
    lane: int
    source_at: int
    at: int

    @property
    def steps(self) -> slice:
        """Its steps; one is that of the end."""
        return slice(self.at, self.at + len(self.target) + 1)


PACKED = (
    Pair((1, 4, 0), (3, 1), 0, 0, 0),
    Pair((5,), (), 0, 3, 3),
    Pair((2, 2, 3), (0, 2, 2), 0, 5, 4),
    Pair((0, 5, 1, 3), (2,), 1, 1, 1),
    Pair((4, 3), (1, 0, 3, 3), 1, 6, 3),
    Pair((3, 1, 5, 2, 0, 4, 4), (0,), 2, 0, 0),
)
"""Lane 0 is full; others have steps left over before, between and behind, and one pair has no symbol in its target."""
STEPS, SOURCE_STEPS, LANES = 8, 8, 3


def window_of(
    pairs: Sequence[Pair] = PACKED,
    *,
    steps: int = STEPS,
    source_steps: int = SOURCE_STEPS,
    lanes: int = LANES,
    sequences: int = 0,
    index: int = 0,
    seed: int = 0,
) -> Window:
    """Weights differ from step to step, some are 0. sequences: 0: one more than there are, which is not there."""
    rng, n = np.random.default_rng(seed), sequences or len(pairs) + 1
    fields: dict[str, Any] = {name: np.zeros((steps, lanes), np.int32) for name in ("tokens", "targets", "pair")}
    fields["source"] = rng.integers(0, SOURCES, (source_steps, lanes)).astype(np.int32)
    fields["source_carry"] = np.zeros((source_steps, lanes), np.float32)
    places = ("source_first", "source_last", "target_first", "target_last")
    fields |= {name: np.zeros(n, np.int32) for name in places}
    fields["there"] = np.zeros(n, np.float32)
    fields["vectors"] = rng.standard_normal((n, WIDTH)).astype(np.float32)
    carry, weight = np.zeros((2, steps, lanes), np.float32)
    for number, pair in enumerate(pairs):
        own, source, lane, end = (
            pair.steps,
            slice(pair.source_at, pair.source_at + len(pair.source)),
            pair.lane,
            SYMBOLS - 1,
        )
        fields["tokens"][own, lane], fields["targets"][own, lane] = (end, *pair.target), (*pair.target, end)
        fields["pair"][own, lane], fields["source"][source, lane] = number, pair.source
        carry[own, lane], fields["source_carry"][source, lane] = 1, 1
        carry[own.start, lane] = fields["source_carry"][source.start, lane] = 0
        weight[own, lane] = 0.25 * ((np.arange(own.start, own.stop) + number) % 4)
        rows = (source.start, source.stop - 1, own.start, own.stop - 1)
        for name, step in zip(places, rows, strict=True):
            fields[name][number] = step * lanes + lane
        fields["there"][number] = 1
    return Window(
        index,
        0,
        carry=carry,
        weight=weight,
        has_boundary=True,
        uniform=False,
        weight_sum=float(weight.sum()),
        cursor=Cursor(index + 1, lanes, steps, steps * lanes + 1),
        fields=fields,
        plans={name: planned(fields[name]) for name in ("tokens", "source")},
    )


def config_of(**settings: Any) -> ModelConfig:
    """A small model of pairs, but for these settings."""
    small: dict[str, Any] = {
        "cell": "gru",
        "hidden": 4,
        "layers": 2,
        "embedding": 2,
        "dropout": 0.0,
        "dtype": "float64",
        "source": SOURCES,
        "source_embedding": 2,
        "encoder": ("both_directions", "dropout"),
        "start": "encoder",
    }
    return ModelConfig(SYMBOLS, **small | settings)


def captions_of(**settings: Any) -> ModelConfig:
    """A small model that begins from vectors."""
    none: dict[str, Any] = {"source": 0, "source_embedding": 0, "encoder": ()}
    return config_of(**none | {"start": "vector", "vectors": WIDTH} | settings)


class Fed:
    """A model with random parameters and a workspace that holds a window, in which there is room for more steps."""

    def __init__(
        self, be: Backend, model: ModelConfig | Model, window: Window | None = None, *, spare: int = 1
    ) -> None:
        self.be, self.window = be, window_of() if window is None else window
        self.model = model if isinstance(model, Model) else random_model(be, model)
        steps, lanes = self.window.carry.shape
        source, sequences = len(self.window.source) + spare, len(self.window.there)
        self.ws: Workspace = self.model.workspace(lanes, steps + spare, source=source, sequences=sequences, seed=5)
        self.state: State = self.model.state(lanes)
        Feed(be, self.ws.batch).load(self.window)

    def objective(self) -> float:
        """J from a forward pass alone."""
        self.model.forward(self.ws, self.state)
        self.model.loss(self.ws)
        weight = self.window.weight.reshape(-1).astype(float)
        return float(self.be.to_host(self.ws.nats)[: weight.size] @ weight) / self.window.weight_sum

    def gradients(self) -> dict[str, np.ndarray]:
        """Of all parameters, after both passes."""
        self.model.forward(self.ws, self.state)
        self.model.backward(self.ws)
        return host(self.be, self.model.params.gradient)

    def outputs(self) -> np.ndarray:
        """(T, B, K), after `forward`."""
        self.model.forward(self.ws, self.state)
        steps, lanes = self.window.carry.shape
        return self.be.to_host(self.ws.o)[: steps * lanes].reshape(steps, lanes, -1)
