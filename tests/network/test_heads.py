"""The heads of real targets: losses and errors by hand, missing targets, and what their losses are judged by."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.network import ModelConfig
from gpurnn.network.heads import HEADS
from gpurnn.training.config import TrainConfig

LEVELS = (0.1, 0.5, 0.8)
CURVES: dict[str, Callable[[float, float], tuple[float, float]]] = {
    "absolute": lambda d, q: (abs(d), 1.0 if d > 0 else -1.0),
    "squared": lambda d, q: (d**2, 2 * d),
    "huber": lambda d, q: (d**2 / 2, d) if abs(d) <= 1 else (abs(d) - 0.5, math.copysign(1, d)),
    "quantile": lambda d, q: (max(q * -d, (q - 1) * -d), 1 - q if d > 0 else -q),
}
"""l(d) and its slope, of a level q."""
ROWS = 11


def config_of(head: str, outputs: int = 6, dtype: str = "float64") -> ModelConfig:
    levels = LEVELS if head == "quantile" else ()
    return ModelConfig(0, "gru", 3, inputs=2, outputs=outputs, input="real", head=head, quantiles=levels, dtype=dtype)


class Bound:
    """The two operations of a head on arrays of the host."""

    def __init__(self, be: Backend, head: str, dtype: str = "float64", rows: int = ROWS) -> None:
        self.be, self.part, self.real = be, HEADS[head](config_of(head, dtype=dtype), 3), np.dtype(dtype)
        dims = {"N": rows, **self.part.dims}
        self._error = be.bind(self.part.error_op, dtype, **dims)
        self._loss = be.bind(self.part.loss_op, dtype, **dims)
        self._besides = [be.from_host(np.array(numbers, dtype)) for numbers in self.part.besides]
        self.targets = self.part.target.width

    def __call__(
        self, o: np.ndarray, target: np.ndarray, weight: np.ndarray, scale: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Losses and errors in training, and losses in evaluation."""
        move, real = self.be.from_host, self.real
        y, losses, error = move(target.astype(real)), self.be.zeros((len(o),), real), move(o.astype(real))
        self._error(error, y, move(weight.astype(real)), move(np.array([scale], real)), losses, *self._besides)
        trained, used = self.be.to_host(losses), move(o.astype(real))
        self._loss(used, y, losses, *self._besides)
        return trained, self.be.to_host(error), self.be.to_host(losses)


def drawn(targets: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs, targets of which some are missing, and weights of which some are 0."""
    rng = np.random.default_rng(7)
    o, target = rng.standard_normal((ROWS, 6)) * 2, rng.standard_normal((ROWS, targets))
    target[rng.random(target.shape) < 0.3] = np.nan
    weight = rng.random(ROWS)
    weight[[1, 4]] = 0
    return o, target, weight


@pytest.mark.parametrize("rows", [3, ROWS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("head", CURVES)
def test_losses_and_errors_by_hand(be: Backend, head: str, dtype: str, rows: int):
    """rows: a call may have fewer than it was bound for."""
    run = Bound(be, head, dtype)
    o, target, weight = (array[:rows] for array in drawn(run.targets))
    trained, error, evaluated = run(o, target, weight, 0.25)
    each = 6 // run.targets
    losses, errors = np.zeros(rows), np.zeros((rows, 6))
    for i in range(rows):
        for k in range(6):
            y = target[i, k // each]
            if not math.isnan(y):
                loss, slope = CURVES[head](o[i, k] - y, LEVELS[k % each % 3])
                losses[i] += loss / 6
                errors[i, k] = slope / 6 * weight[i] * 0.25
    tolerance = 3e-6 if dtype == "float32" else 1e-14
    for found, expected in ((trained, losses), (evaluated, losses), (error, errors)):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    assert errors.any() and (rows < ROWS or 0 < np.isnan(target).sum() < target.size)


@pytest.mark.parametrize("head", CURVES)
def test_where_every_target_is_missing_nothing_is_lost(be: Backend, head: str):
    """Whatever the outputs are."""
    run = Bound(be, head)
    o, target, weight = drawn(run.targets)
    o[2, 3], o[3, 1] = np.nan, np.inf
    trained, error, evaluated = run(o, np.full_like(target, np.nan), weight, 0.25)
    assert not (trained.any() or error.any() or evaluated.any())


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("head", CURVES)
def test_an_output_that_is_not_finite_stays_visible(be: Backend, head: str, poison: float):
    run = Bound(be, head)
    o, target, weight = drawn(run.targets)
    target[:] = 1.0
    o[5, 2] = poison
    trained, _, evaluated = run(o, target, weight, 0.25)
    assert np.flatnonzero(~np.isfinite(trained)).tolist() == np.flatnonzero(~np.isfinite(evaluated)).tolist() == [5]


def test_the_least_pinball_loss_is_that_of_the_quantile(be: Backend):
    """Of 0, 1, ..., 99: a share of k / 100 is below k - 1/2."""
    run = Bound(be, "quantile", rows=100)
    target = np.repeat(np.arange(100.0)[:, None], 2, axis=1)
    answers = np.arange(0.5, 99.5)
    for q, level in enumerate(LEVELS):
        means = []
        for answer in answers:
            o = target[:, [0, 0, 0, 1, 1, 1]].copy()  # the others cost nothing
            o[:, q] = answer
            means.append(run(o, target, np.ones(100), 1.0)[2].mean())
        assert answers[np.argmin(means)] == 100 * level - 0.5


def test_how_a_loss_is_judged():
    """In nats, or as a share: real targets may have any unit."""
    softmax = HEADS["softmax"](ModelConfig(5), 3)
    assert softmax.high_from(2.5, 1.0) == 3.5
    for head in CURVES:
        part = HEADS[head](config_of(head), 3)
        assert part.high_from(0.02, 0.5) == pytest.approx(0.03)
        assert part.stuck_from(1.0) == math.inf
        assert part.unit


def test_quantiles_are_in_the_files_of_those_that_have_them_alone():
    for head in CURVES:
        config = TrainConfig(config_of(head))
        text = json.dumps(config.to_json())
        assert ("quantiles" in text) == (head == "quantile")
        assert TrainConfig.from_json(json.loads(text), "here") == config
