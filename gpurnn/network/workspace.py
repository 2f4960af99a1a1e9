"""Every buffer of a window, allocated once, and the state that is carried from window to window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, NoReturn

import numpy as np

from gpurnn.backend import Array, Backend, RowPlan
from gpurnn.network.cells import CELLS
from gpurnn.network.config import ModelConfig
from gpurnn.network.heads import SOFTMAX_XENT, WEIGHTED_LOSS, XENT
from gpurnn.network.layers import ADD_BIAS, RecurrentBuffers
from gpurnn.network.params import Params
from gpurnn.settings import Count, Seed, checked


class StateKind(NamedTuple):
    """What a carried state depends on."""

    cell: str
    layers: int
    hidden: int
    dtype: str
    lanes: int
    device: str

    @classmethod
    def of(cls, be: Backend, config: ModelConfig, lanes: int) -> StateKind:
        """That of a model's states."""
        return cls(config.cell, config.layers, config.hidden, config.dtype, lanes, be.device)

    def __str__(self) -> str:
        return (
            f"{self.cell}, {self.layers} x {self.hidden}, {self.dtype}, {self.lanes} lane{'s' * (self.lanes != 1)}, "
            f"on {self.device}"
        )


class State:
    """What each lane carries from window to window: by layer and name ("h", "c"), arrays of (B, H).

    kind: of which models it is a state, and for how many lanes.
    Raises UsageError for lanes that are no whole number from 1 on.
    """

    def __init__(self, be: Backend, config: ModelConfig, lanes: int) -> None:
        lanes = checked("lanes", Count, lanes)
        self.kind = StateKind.of(be, config, lanes)
        self.layers: tuple[Mapping[str, Array], ...] = tuple(
            MappingProxyType(
                {name: be.zeros((lanes, config.hidden), config.real) for name in CELLS[config.cell].states}
            )
            for _ in range(config.layers)
        )

    def named(self) -> dict[str, Array]:
        """The arrays by the names they have in a checkpoint, such as "state.0.h"."""
        return {f"state.{n}.{name}": array for n, layer in enumerate(self.layers) for name, array in layer.items()}

    def reset(self) -> None:
        """Start every lane from zero."""
        for array in self.named().values():
            array.fill(0)


class Batch:
    """One window's inputs in the backend's memory, and what the host knows about them.

    tokens, targets: (T B,) indices; carry: (T, B, 1), weight: (T B,), scale: (1,) real; window: (1,) int64;
    plan: for the gradient of the row gather.
    steps: how many steps this window has. windows: how many it was given so far.
    symbols, lanes, most_steps: K, B and T, what a window has to fit; planned: whether its plan is read.

    `Feed` fills it and makes sure of all that; who writes its arrays answers for what they hold.
    """

    def __init__(self, be: Backend, config: ModelConfig, lanes: int, steps: int, *, train: bool) -> None:
        self.symbols, self.lanes, self.most_steps = config.symbols, lanes, steps
        self.planned = train and be.plans_rows
        n, index, real = lanes * steps, be.index_dtype, config.real
        self.tokens = be.zeros((n,), index)
        self.targets = be.zeros((n,), index)
        self.carry = be.zeros((steps, lanes, 1), real)
        self.weight = be.zeros((n,), real)
        self.scale = be.zeros((1,), real)
        self.window = be.zeros((1,), np.int64)
        self.plan = RowPlan(*(be.zeros((size,), index) for size in (n, n, n, 1)))
        self.steps = self.windows = 0
        self._be = be
        self._boundary: Sequence[bool] | None = None

    def begin(self, steps: int, boundary: Sequence[bool] | None) -> None:
        """Another window is in its arrays now, with these `steps` and this `boundary`."""
        self.steps, self.boundary = steps, boundary
        self.windows += 1

    @property
    def boundary(self) -> Sequence[bool] | None:
        """Which steps are masked by carry: those that have a lane whose carry is 0, and what the backend masks besides.

        Set it to those that have such a lane; None: none has.
        """
        return self._boundary

    @boundary.setter
    def boundary(self, steps: Sequence[bool] | None) -> None:
        self._boundary = None if steps is None else self._be.masked_steps(steps)


class Workspace:
    """The buffers of a model for windows of up to `steps` steps of `lanes` lanes.

    train: with the buffers of the backward pass. Nothing is allocated after it is made.
    o: (T B, K), the output; overwritten by its error in training. nats: (T B,), the loss of each target.
    loss: (1,) float64, J of the window. dh: (T, B, H), the errors that the layer at work gets from above.
    dropped, masks: by layer, (T, B, H), where there is dropout. x: (T, B, E), where there is an embedding.
    params: of the model that it was made for; kind: of the states that fit it.
    holds: what `o` is: "logits" after forward, "errors" after backward, else "". ran: for which of the windows of its
    batch, counted from 1; -1: none.
    It cannot be copied or pickled: its buffers lie within each other.
    Raises UsageError for lanes and steps that are no whole numbers from 1 on, and for a seed out of its range.
    """

    def __init__(
        self,
        be: Backend,
        config: ModelConfig,
        params: Params,
        lanes: int,
        steps: int,
        *,
        train: bool = True,
        seed: int = 0,
    ) -> None:
        """seed: keys the dropout masks."""
        lanes, steps = checked("lanes", Count, lanes), checked("steps", Count, steps)
        seed = checked("seed", Seed, seed)
        self.be, self.lanes, self.steps = be, lanes, steps
        cell, hidden, real = CELLS[config.cell], config.hidden, config.real
        n, symbols = lanes * steps, config.symbols
        self.params, self.kind, self.train = params, StateKind.of(be, config, lanes), train
        self.holds, self.ran = "", -1
        self.batch = Batch(be, config, lanes, steps, train=train)
        self.dh = be.empty((steps, lanes, hidden), real) if train else None
        self.layers = [
            RecurrentBuffers(be, cell, _of_layer(params.value, layer), (steps, lanes, hidden), real, self.dh)
            for layer in range(config.layers)
        ]
        self.o = be.empty((n, symbols), real)
        self.nats = be.zeros((n,), real)
        self.loss = be.zeros((1,), np.float64)
        self.x = be.empty((n, config.embedding), real) if config.embedding else None
        self.add_bias = be.bind(ADD_BIAS, real, N=n, K=symbols)
        self.xent = be.bind(XENT, real, N=n, K=symbols)
        self.masks: list[Array] = []
        if not train:
            return
        self.gradients = [_of_layer(params.gradient, layer) for layer in range(config.layers)]
        self.ones = be.empty((1, n), real)
        self.ones.fill(1)
        self.weighted_loss = be.bind(WEIGHTED_LOSS, real, N=n)
        self.dx = be.empty((n, config.embedding), real) if config.embedding else None
        width = config.embedding or cell.gates * hidden
        self.row_gradient = be.row_gradient(n, symbols, width, real)
        self.softmax_xent = be.bind(SOFTMAX_XENT, real, N=n, K=symbols)
        if config.dropout:
            self.masks = [be.empty((steps, lanes, hidden), real) for _ in range(config.layers)]
            self.dropped = [be.empty((steps, lanes, hidden), real) for _ in range(config.layers)]
            self.draw_mask = [be.dropout_mask(seed, layer, config.dropout) for layer in range(config.layers)]

    def hold(self, what: str) -> None:
        """`o` is this of the window in its batch now; see `holds`."""
        self.holds, self.ran = what, self.batch.windows

    def __reduce__(self) -> NoReturn:
        raise TypeError("a workspace cannot be copied or pickled; make another with model.workspace(lanes, steps)")


def _of_layer(named: Mapping[str, Array], layer: int) -> dict[str, Array]:
    """One layer's parameters by their short names U, W, b, ..."""
    prefix = f"layers.{layer}."
    return {name.removeprefix(prefix): array for name, array in named.items() if name.startswith(prefix)}
