"""The head of smoothed labels against the cross-entropy with the smoothed distribution, written out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.network import ModelConfig
from gpurnn.network.heads import HEADS
from gpurnn.network.heads.smoothed_softmax import SMOOTHED_SOFTMAX_XENT, SMOOTHED_XENT

ROWS = 9


def written_out(o: np.ndarray, target: int, smoothing: float) -> tuple[float, np.ndarray]:
    """-Σ q log y and its slopes, with q: 1 - e at the target, and e / K more at every symbol."""
    top = max(o)
    total = sum(math.exp(each - top) for each in o)
    q = [smoothing / len(o) + (1 - smoothing) * (k == target) for k in range(len(o))]
    y = [math.exp(each - top) / total for each in o]
    loss = -sum(share * (each - top - math.log(total)) for share, each in zip(q, o, strict=True))
    return loss, np.subtract(y, q)


def run(be: Backend, o: np.ndarray, target: np.ndarray, weight: np.ndarray, scale: float, smoothing: float) -> list:
    """Losses and errors in training, and losses in evaluation; bound for more rows than there are."""
    part, dims = HEADS["smoothed_softmax"](config_of(o.shape[1], smoothing), 3), {"N": ROWS + 2, "K": o.shape[1]}
    besides = [be.from_host(np.array(numbers, o.dtype)) for numbers in part.besides]
    symbols, error, losses = be.from_host(target.astype(be.index_dtype)), be.from_host(o), be.zeros((len(o),), o.dtype)
    weights, scales = be.from_host(weight.astype(o.dtype)), be.from_host(np.array([scale], o.dtype))
    be.bind(part.error_op, o.dtype, **dims)(error, symbols, weights, scales, losses, *besides)
    trained = be.to_host(losses)
    be.bind(part.loss_op, o.dtype, **dims)(be.from_host(o), symbols, losses, *besides)
    return [trained, be.to_host(error), be.to_host(losses)]


def config_of(symbols: int, smoothing: float) -> ModelConfig:
    return ModelConfig(symbols, hidden=3, head="smoothed_softmax", label_smoothing=smoothing)


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
@pytest.mark.parametrize("symbols", [1, 2, 7, 35])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_and_errors_as_written_out(be: Backend, dtype: str, symbols: int, smoothing: float):
    """Some rows have weight 0; outputs are as far from 0 as those of a model that is sure."""
    rng = np.random.default_rng(symbols)
    o = (6 * rng.standard_normal((ROWS, symbols)) + 20).astype(dtype)
    target, weight = rng.integers(0, symbols, ROWS), rng.random(ROWS)
    weight[[1, 4]] = 0
    trained, error, evaluated = run(be, o, target, weight, 0.25, smoothing)
    each = [written_out(row, goal, smoothing) for row, goal in zip(o.astype(float), target.tolist(), strict=True)]
    losses, errors = np.array([loss for loss, _ in each]), np.array([slope for _, slope in each])
    tolerance = {"float32": 3e-6, "float64": 1e-14}[dtype]
    np.testing.assert_allclose(trained, losses, rtol=tolerance, atol=10 * tolerance)
    np.testing.assert_allclose(evaluated, losses, rtol=tolerance, atol=10 * tolerance)
    np.testing.assert_allclose(error, errors * weight[:, None] * 0.25, rtol=0, atol=tolerance)


def test_the_best_answer_is_the_smoothed_distribution(be: Backend):
    """Its error is 0, and no loss is smaller."""
    smoothing, symbols, target = 0.2, 5, np.full(ROWS, 3)
    best = np.full((ROWS, symbols), math.log(smoothing / symbols))
    best[:, 3] = math.log(1 - smoothing + smoothing / symbols)
    trained, error, _ = run(be, best, target, np.ones(ROWS), 1.0, smoothing)
    np.testing.assert_allclose(error, 0, atol=1e-15)
    others = best + np.random.default_rng(0).standard_normal(best.shape)
    assert (run(be, others, target, np.ones(ROWS), 1.0, smoothing)[0] > trained).all()


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_an_output_that_is_not_finite_stays_visible(be: Backend, poison: float):
    o = np.zeros((ROWS, 4))
    o[5, 2] = poison
    with np.errstate(invalid="ignore"):
        trained, _, evaluated = run(be, o, np.zeros(ROWS, int), np.ones(ROWS), 1.0, 0.1)
    assert np.flatnonzero(~np.isfinite(trained)).tolist() == np.flatnonzero(~np.isfinite(evaluated)).tolist() == [5]


def test_it_is_judged_in_nats():
    head = HEADS["smoothed_softmax"](config_of(5, 0.1), 3)
    assert (head.unit, head.high_from(2.5, 1.0), head.stuck_from(0.0)) == ("nats", 3.5, 3.0)
    assert (head.error_op, head.loss_op) == (SMOOTHED_SOFTMAX_XENT, SMOOTHED_XENT)
