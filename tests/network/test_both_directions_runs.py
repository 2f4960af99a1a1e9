"""A layer in both directions beside PyTorch's, in training and in a checkpoint, and where it cannot be used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.exceptions import UsageError
from gpurnn.network import Model, ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.network.stepper import Stepper
from gpurnn.runs.checkpoint import encode_checkpoint, parse_checkpoint
from gpurnn.training.config import TrainConfig
from gpurnn.training.feed import Feed
from gpurnn.training.optimizer import Optimizer, OptimizerConfig
from gpurnn.training.snapshot import Progress, Unchanging, load_config, pack, unpack
from gpurnn.training.step import TrainingStep

from .helpers import check_gradient, host, random_model
from .windows import Source, draw

PYTORCH = Path(__file__).resolve().parent.parent / "goldens" / "pytorch_both_directions.npz"
"""Written by make_pytorch_values.py."""
PLACES = ((0, 0), (1, 0), (0, 5), (1, 3), (0, 6))
"""In which lane each of its sequences is packed here, and from which step on; the last step of lane 1 is left over."""
STEPS, LANES = 8, 2


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    with np.load(PYTORCH) as values:
        return dict(values)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_outputs_and_gradients_are_those_of_pytorch(be: Backend, stored: dict[str, np.ndarray], cell: str):
    inputs, hidden = stored["x"].shape[1], stored["factors"].shape[1] // 2
    config = ModelConfig(0, cell, hidden, 2, inputs=inputs, outputs=1, input="real", head="squared", dtype="float64")
    model = Model(be, replace(config, stack=("both_directions",)))
    weights = by_our_names(cell, stored[f"{cell}.weights"], model, summed=True)
    head = {name: np.zeros(model.params.value[name].shape) for name in ("output.V", "output.c")}
    model.params.load(be, weights | head, "PyTorch")
    steps, lanes = packed(stored["lengths"])
    window = draw(model.fields, STEPS, LANES, boundary=False)
    window.reals[...] = 1e3
    window.reals[steps, lanes] = stored["x"]
    window.carry[...] = 1
    for (lane, begin), length in zip(PLACES, stored["lengths"], strict=True):
        window.carry[begin, lane] = 0
        window.carry[begin + length : begin + length + 1, lane] = 0
    ws = model.workspace(LANES, STEPS)
    Feed(be, ws.batch).load(replace(window, has_boundary=True))
    model.forward(ws, model.state(LANES))
    top = ws.working[-1]
    y = be.to_host(top.y.value).reshape(STEPS, LANES, -1)
    np.testing.assert_allclose(y[steps, lanes], stored[f"{cell}.outputs"], rtol=1e-12, atol=1e-14)
    dy = np.zeros((STEPS, LANES, 2 * hidden))
    dy[steps, lanes] = stored["factors"]
    be.from_host(dy.reshape(STEPS * LANES, -1), out=top.y.error)
    for each in reversed(ws.working):
        each.backward(ws.batch)
    for name, gradient in by_our_names(cell, stored[f"{cell}.gradients"], model, summed=False).items():
        check_gradient(name, be.to_host(model.params.gradient[name]), gradient, 1e-12)


def packed(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The step and the lane of each row of the sequences in turn."""
    ranges = [np.arange(begin, begin + length) for (_, begin), length in zip(PLACES, lengths, strict=True)]
    return np.concatenate(ranges), np.repeat([lane for lane, _ in PLACES], lengths)


def by_our_names(cell: str, flat: np.ndarray, model: Model, *, summed: bool) -> dict[str, np.ndarray]:
    """PyTorch's parameters, or their gradients, as ours. summed: its two biases are added, as values are."""
    found, rest = {}, flat
    for prefix in ("layers.0.", "layers.0.reverse.", "layers.1.", "layers.1.reverse."):
        rows, hidden = model.params.value[f"{prefix}U"].shape[0], model.params.value[f"{prefix}W"].shape[0]
        columns = CELLS[cell].gates * hidden
        U, W, b, b_rec, rest = np.split(rest, np.cumsum([columns * rows, columns * hidden, columns, columns]))
        found[f"{prefix}U"], found[f"{prefix}W"] = U.reshape(columns, rows).T, W.reshape(columns, hidden).T
        apart = hidden if CELLS[cell].biases else 0  # of the last gate, whose bias of the recurrent part is b_h
        kept = columns - apart
        found[f"{prefix}b"] = np.concatenate([b[:kept] + b_rec[:kept] * summed, b[kept:]])
        for bias in CELLS[cell].biases:
            found[f"{prefix}{bias}"] = b_rec[kept:]
    assert not rest.size
    return found


def test_it_cannot_be_stepped(be: Backend):
    model = random_model(be, ModelConfig(4, "gru", 3, 2, stack=("both_directions", "dropout")))
    with pytest.raises(
        UsageError,
        match=r"^layers.0 \(gru in both directions\): a model of both directions cannot be stepped, a step depends on "
        r"those after it; run `model.forward` on windows of whole sequences$",
    ):
        Stepper(model)


def test_one_direction_above_would_have_its_names(be: Backend):
    with pytest.raises(UsageError, match=r"^two parts have the name layers.0, lstm in both directions and lstm; exp"):
        Model(be, ModelConfig(4, hidden=3, stack=("both_directions", "recurrent")))


class Run:
    """A model of two such layers, but for what changes, in training on windows that are drawn."""

    def __init__(self, be: Backend, cell: str, *, first: int = 0, **changes: Any) -> None:
        stack = ("both_directions", "dropout")
        model = replace(ModelConfig(9, cell, 6, 2, 4, dropout=0.2, start="learned", stack=stack), **changes)
        self.config = TrainConfig(model, OptimizerConfig("adam"), lanes=LANES, bptt=STEPS)
        self.be, self.model = be, Model(be, model)
        self.model.params.initialise(be, 0)
        self.state, self.optimizer = self.model.state(LANES), Optimizer(be, self.model.params, self.config.optimizer)
        self.ws = self.model.workspace(LANES, STEPS)
        self._step = TrainingStep(self.model, self.ws, self.state, self.optimizer)
        self._fed = Feed(be, self.ws.batch).run(Source(self.model.fields, STEPS, LANES, first=first))
        self.windows = first

    def train(self, windows: int) -> None:
        for _ in range(windows):
            next(self._fed)
            self._step(0.02)
        self.windows += windows

    def checkpoint(self) -> bytes:
        always = Unchanging({}, {"config": self.config.to_json()})
        tensors, header = pack(self.model, self.optimizer, self.state, Progress(windows=self.windows), always)
        return b"".join(encode_checkpoint(tensors, header))


@pytest.mark.parametrize("cell", list(CELLS))
def test_it_is_saved_and_goes_on_bit_for_bit(be: Backend, cell: str):
    whole, first = Run(be, cell), Run(be, cell)
    whole.train(11)
    first.train(5)
    saved = parse_checkpoint(first.checkpoint())
    assert load_config(saved) == first.config
    assert {"layers.0.reverse.U", "m.layers.1.reverse.W", "layers.1.reverse.start.h", "state.1.h"} <= set(saved.tensors)
    second = Run(be, cell, first=5)
    assert unpack(saved, second.model, second.optimizer, second.state).windows == 5
    assert second.checkpoint() == first.checkpoint()
    second.train(6)
    assert second.checkpoint() == whole.checkpoint()
    trained, drawn = host(be, whole.model.params.value), host(be, Run(be, cell).model.params.value)
    assert all((trained[name] != drawn[name]).any() for name in drawn), "something is not learnt"


@pytest.mark.parametrize("cell", list(CELLS))
def test_captured_windows_change_nothing(cuda: Backend, cell: str):
    captured, eager = Run(cuda, cell), Run(backend.get("cuda", graphs=False), cell)
    for run in (captured, eager):
        run.train(14)
    assert captured.checkpoint() == eager.checkpoint()
