"""Training on real numbers with each head but those of symbols: the bits, the numbers and the launches of a window.

Two layers that begin with what was learnt, sequences that begin inside a window, targets without weight and missing.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.backend.cpu import CpuBackend
from gpurnn.data.stream import Window
from gpurnn.fields import Field
from gpurnn.network import Model, ModelConfig
from gpurnn.network.heads import HEADS
from gpurnn.training.feed import Feed
from gpurnn.training.optimizer import Optimizer, OptimizerConfig
from gpurnn.training.step import TrainingStep
from tests.strings import put_strings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from network.windows import draw

STEPS, LANES, WINDOWS, WARM = 6, 3, 7, 3
REAL = sorted(set(HEADS) - {"softmax", "smoothed_softmax"})
"""Heads of real targets, and that of strings."""
CONFIG = ModelConfig(0, "gru", 8, 2, dropout=0.2, inputs=4, outputs=4, input="real", start="learned")


def config_of(head: str, dtype: str) -> ModelConfig:
    return replace(CONFIG, head=head, dtype=dtype, quantiles=(0.2, 0.9) if head == "quantile" else ())


def windows(fields: tuple[Field, ...], head: str) -> list[Window]:
    drawn = [draw(fields, STEPS, LANES, index, boundary=index != 1, seed=index) for index in range(WINDOWS)]
    for window in drawn:
        if head == "ctc":
            put_strings(window.targets, window.carry, window.weight, CONFIG.outputs - 1, window.index)
        if (targets := window.fields["targets"]).dtype.kind == "f":
            assert 0 < np.isnan(targets).sum() < targets.size
    drawn[4].weight[:, 1] = 0
    return drawn


class Training:
    """A run over `windows`; warnings: what it was told."""

    def __init__(self, be: Backend, config: ModelConfig) -> None:
        self.be, self.model = be, Model(be, config)
        self.model.params.initialise(be, 3)
        self.ws, self.state = self.model.workspace(LANES, STEPS, seed=5), self.model.state(LANES)
        self.optimizer = Optimizer(be, self.model.params, OptimizerConfig("adam", clip=0.5, average=0.1))
        self.warnings: list[str] = []
        self._feed = Feed(be, self.ws.batch)
        self._step = TrainingStep(self.model, self.ws, self.state, self.optimizer, self.warnings.append)

    def train(self, device: ModuleType | None = None) -> dict[str, np.ndarray]:
        """device: its counters are reset after `WARM` windows. Losses of each window, and what there is at the end."""
        losses, seen = [], []
        for number, window in enumerate(windows(self.model.fields, self.model.head.kind)):
            if device and number == WARM:
                self.be.synchronize()
                device.reset_counters()
            self._feed.load(window)
            self._step(0.01)
            losses.append(self.ws.loss.copy())
            seen.append(self.ws.losses.copy())
        named = {"parameters": self.model.params.values, "control": self.optimizer.ctl, **self.state.named()}
        kept = {name: self.be.to_host(array) for name, array in (named | self.optimizer.flats).items()}
        return kept | {f"{n}": np.stack([self.be.to_host(each) for each in of]) for n, of in enumerate((losses, seen))}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("head", REAL)
def test_training_is_that_of_the_cpu(cuda: Backend, head: str, dtype: str) -> None:
    expected = Training(CpuBackend(), config_of(head, dtype)).train()
    for name, found in Training(cuda, config_of(head, dtype)).train().items():
        scale = max(1e-3, float(np.abs(expected[name]).max()))
        tolerance = scale * (2e-5 if dtype == "float32" else 1e-12)
        np.testing.assert_allclose(found, expected[name], rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("head", REAL)
def test_captured_windows_have_the_bits_of_eager_ones(cuda: Backend, head: str) -> None:
    captured, eager = Training(cuda, config_of(head, "float32")), backend.get("cuda", graphs=False)
    found = captured.train()
    for name, expected in Training(eager, config_of(head, "float32")).train().items():
        np.testing.assert_array_equal(found[name], expected, err_msg=name)
    assert captured.warnings == []


def counted(device: ModuleType, be: Backend, head: str) -> dict[str, int]:
    training = Training(be, config_of(head, "float32"))
    training.train(device)
    assert training.warnings == []
    return device.counters()


@pytest.mark.parametrize("head", REAL)
def test_a_window_takes_as_many_launches_as_with_a_softmax(emulated: ModuleType, cuda: Backend, head: str) -> None:
    eager = backend.get("cuda", graphs=False)
    found, softmax = counted(emulated, eager, head), counted(emulated, eager, "softmax")
    assert found["kernels"] == softmax["kernels"] > 0
    found, softmax = counted(emulated, cuda, head), counted(emulated, cuda, "softmax")
    assert found["graph_launches"] == softmax["graph_launches"] >= WINDOWS - WARM - 1
    assert found["kernels"] == softmax["kernels"]
