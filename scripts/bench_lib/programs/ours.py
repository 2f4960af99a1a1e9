"""gpurnn: its training step, fed as the trainer feeds it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count

import numpy as np

from bench_lib import inputs
from bench_lib.cases import BETA1, BETA2, CLIP, EPSILON, RATE, Case
from bench_lib.products import Multiply
from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.data.stream import Cursor, Geometry, Window
from gpurnn.data.stream.plan import Planner
from gpurnn.data.stream.text import text_fields
from gpurnn.data.stream.windows import Plan
from gpurnn.network import Model, ModelConfig
from gpurnn.training.control import Control
from gpurnn.training.feed import Feed
from gpurnn.training.optimizer import Optimizer, OptimizerConfig
from gpurnn.training.step import TrainingStep

WAYS = ("",)


def versions() -> str:
    """Libraries and what the matrix products run on, for people."""
    return described(backend.get("cpu"))


def described(be: Backend) -> str:
    """A backend, for people."""
    return ", ".join(f"{name} {value}" for name, value in be.describe().items())


def product(a: np.ndarray, b: np.ndarray) -> Multiply:
    """See `bench_lib.products.square_product`."""
    return partial(backend.get("cpu").gemm, a, b, np.empty_like(a))


class Program:
    """See `bench_lib.programs.Program`."""

    def __init__(self, case: Case, way: str = "", be: Backend | None = None) -> None:
        """be: the backend, another one where the stages are looked at."""
        be = self._be = be or backend.get("cpu")
        size = {"cell": case.cell, "hidden": case.hidden, "layers": case.layers}
        config = ModelConfig(symbols=case.symbols, dropout=0.0, **size)
        self.model = Model(be, config)
        self.model.params.load(be, inputs.parameters(case), "benchmark")
        self.workspace = self.model.workspace(case.lanes, case.bptt)
        settings = OptimizerConfig("adam", clip=CLIP, beta1=BETA1, beta2=BETA2, epsilon=EPSILON, average=0.0)
        self._state = self.model.state(case.lanes)
        self._optimizer = Optimizer(be, self.model.params, settings)
        self._step = TrainingStep(self.model, self.workspace, self._state, self._optimizer)
        self._pool = inputs.windows(case)
        self._fed = Feed(be, self.workspace.batch).run(Pool(self._pool, be.plans_rows))

    def window(self) -> None:
        next(self._fed)
        self._step(RATE)

    def read_loss(self) -> float:
        control = self._be.to_host(self._optimizer.ctl)
        self._optimizer.restart_sums()
        return float(control[Control.LOSS] / control[Control.WEIGHT])

    def finish(self) -> None:
        self._be.synchronize()

    def gradients(self) -> dict[str, np.ndarray]:
        next(Feed(self._be, self.workspace.batch).run(Pool(self._pool, self._be.plans_rows)))
        self.model.forward(self.workspace, self._state)
        self.model.backward(self.workspace)
        return {name: self._be.to_host(array) for name, array in self.model.params.gradient.items()}


class Pool:
    """The windows of a pool, as a `WindowStream` gives those of a corpus; see `WindowSource` and `stream`."""

    def __init__(self, pool: list[tuple[np.ndarray, np.ndarray]], plan: bool) -> None:
        steps, lanes = pool[0][0].shape
        self.geometry = Geometry(steps * lanes + 1, lanes, steps)
        symbols = 1 + max(int(array.max()) for pair in pool for array in pair)
        self.fields = text_fields(symbols, planned=plan)
        self._pool, self._plan = pool, plan

    def recycled(self) -> Iterator[Window]:
        return stream(self._pool, self._plan)


def stream(pool: list[tuple[np.ndarray, np.ndarray]], plan: bool) -> Iterator[Window]:
    """The windows of a pool in turn, without end.

    plan: whether with the plan of the row gradient. It is made here, so that it is timed; in training the prefetch
    thread makes it.
    """
    shape = pool[0][0].shape
    size = shape[0] * shape[1]
    planner = Planner(size)
    tokens = [(t.astype(np.int32), u.astype(np.int32)) for t, u in pool]
    ones = np.ones(shape, np.float32)
    slots = [[np.zeros(size, np.int32) for _ in range(3)] for _ in range(4)]
    for index in count():
        inputs_, targets = tokens[index % len(tokens)]
        order, starts, symbols = slots[index % len(slots)]
        segments = planner.plan(inputs_.reshape(-1), order, starts, symbols) if plan else 0
        yield Window(
            index,
            epoch=0,
            fields={"tokens": inputs_, "targets": targets},
            plans={"tokens": Plan(order, starts[:segments], symbols[:segments])} if plan else {},
            carry=ones,
            weight=ones,
            has_boundary=False,
            uniform=True,
            weight_sum=float(size),
            cursor=Cursor(index + 1, shape[1], shape[0], size),
        )
