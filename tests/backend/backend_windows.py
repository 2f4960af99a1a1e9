"""Made-up windows of tokens and what a model does with them, for tests that compare backends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from gpurnn.backend import Backend, RowPlan
from gpurnn.network import Batch, Model, ModelConfig
from gpurnn.network.layers.dropout import DropoutPass


@dataclass(frozen=True)
class MadeUp:
    """One window: what is staged, how many steps it has, and which steps have a boundary."""

    host: dict[str, np.ndarray]
    steps: int
    boundary: list[bool] | None


def made_up(symbols: int, steps: int, lanes: int, index: int, *, boundary: bool) -> MadeUp:
    rng = np.random.default_rng(index)
    tokens, targets = rng.integers(0, symbols, (2, steps * lanes))
    carry, weight = np.ones((steps, lanes, 1)), np.ones((steps, lanes))
    if boundary:
        carry[0, 0] = carry[steps // 2, lanes - 1] = carry[steps - 1, 0] = 0
        weight[0, lanes - 1] = 0
    order = np.argsort(tokens, kind="stable")
    ordered = tokens[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    host = {
        "tokens": tokens,
        "targets": targets,
        "carry": carry,
        "weight": weight.reshape(-1),
        "scale": np.array([1 / weight.sum()]),
        "window": np.array([index]),
        "order": order,
        "starts": starts,
        "rows": ordered[starts],
        "runs": np.array([len(starts)]),
    }
    return MadeUp(host, steps, (carry.min(axis=(1, 2)) == 0).tolist() if boundary else None)


def staged_buffers(batch: Batch) -> dict[str, object]:
    names = ("tokens", "targets", "carry", "weight", "scale", "window")
    plan = {f.name: getattr(plan, f.name) for plan in batch.plans.values() for f in fields(RowPlan)}
    return {name: getattr(batch, name) for name in names} | plan


class Runner:
    """A model with its workspace, fed through the backend's staging."""

    def __init__(self, be: Backend, config: ModelConfig, lanes: int, steps: int) -> None:
        self.be, self.model = be, Model(be, config)
        self.model.params.initialise(be, 3)
        self.ws, self.state = self.model.workspace(lanes, steps, seed=5), self.model.state(lanes)
        self._buffers = staged_buffers(self.ws.batch)
        self._staging = be.staging(self._buffers)

    def load(self, window: MadeUp) -> None:
        self._staging.push({name: array for name, array in window.host.items() if name in self._buffers})
        self._staging.pop()
        self.ws.batch.steps, self.ws.batch.boundary = window.steps, window.boundary

    def work(self) -> None:
        self.model.forward(self.ws, self.state)
        self.model.backward(self.ws)
        self.model.carry_out(self.ws, self.state)

    def results(self) -> dict[str, np.ndarray]:
        n = self.ws.batch.steps * self.ws.lanes
        arrays = {"loss": self.ws.loss, "nats": self.ws.nats[:n]} | self.state.named()
        arrays |= {f"d{name}": array for name, array in self.model.params.gradient.items()}
        masks = (each.mask for each in self.ws.passes if isinstance(each, DropoutPass))
        arrays |= {f"mask {number}": mask[:n] for number, mask in enumerate(masks)}
        return {name: self.be.to_host(array) for name, array in arrays.items()}

    def run(self, windows: list[MadeUp], work: Callable[[], None] | None = None) -> list[dict[str, np.ndarray]]:
        done = []
        for window in windows:
            self.load(window)
            (work or self.work)()
            done.append(self.results())
        return done
