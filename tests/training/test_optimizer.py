"""Optimizers against the published formulas, written out on whole arrays in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.backend.cpu import CpuBackend
from gpurnn.exceptions import UsageError
from gpurnn.network.params import Params, Spec
from gpurnn.training.control import Control, Outcome
from gpurnn.training.optimizer import OPTIMIZERS, Optimizer, OptimizerConfig

SPECS = [Spec("layers.0.U", (150, 130)), Spec("layers.0.b", (130,)), Spec("output.V", (7, 5)), Spec("output.c", (5,))]
WINDOWS = 4


class Reference:
    """The same updates, one array at a time, as the papers and their usual implementations write them."""

    def __init__(self, config: OptimizerConfig, values: dict[str, np.ndarray]) -> None:
        self.config, self.values, self.updates = config, values, 0
        self.m = {name: np.zeros_like(p) for name, p in values.items()}
        self.v = {name: np.zeros_like(p) for name, p in values.items()}

    def step(self, gradients: dict[str, np.ndarray], rate: float) -> None:
        c = self.config
        norm = math.sqrt(sum(float((g * g).sum()) for g in gradients.values()))
        factor = c.clip / norm if c.clip and norm > c.clip else 1.0
        self.updates += 1
        for name, p in self.values.items():
            g = gradients[name] * factor
            if c.clip_value:
                g = np.clip(g, -c.clip_value, c.clip_value)
            decay = c.weight_decay if p.ndim > 1 else 0.0
            if c.optimizer == "adamw":
                p -= rate * decay * p
            else:
                g = g + decay * p
            self._move(name, p, g, rate)

    def _move(self, name: str, p: np.ndarray, g: np.ndarray, rate: float) -> None:
        c, m, v = self.config, self.m[name], self.v[name]
        if c.optimizer == "sgd":
            m[...] = c.momentum * m + g
            p -= rate * m
            return
        v[...] = c.beta2 * v + (1 - c.beta2) * g * g
        if c.optimizer == "rmsprop":
            p -= rate * g / (np.sqrt(v) + c.epsilon)
            return
        m[...] = c.beta1 * m + (1 - c.beta1) * g
        m_hat, v_hat = m / (1 - c.beta1**self.updates), v / (1 - c.beta2**self.updates)
        p -= rate * m_hat / (np.sqrt(v_hat) + c.epsilon)


def problem(be: Backend, config: OptimizerConfig, dtype: str) -> tuple[Params, Optimizer, dict[str, np.ndarray]]:
    params = Params(be, SPECS, np.dtype(dtype))
    rng = np.random.default_rng(3)
    values = {s.name: rng.standard_normal(s.shape) for s in SPECS}
    params.load(be, values, "test")
    return params, Optimizer(be, params, config), values


def set_gradients(be: Backend, params: Params, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([5, seed])
    drawn = {s.name: rng.standard_normal(s.shape) for s in SPECS}
    for name, g in drawn.items():
        be.from_host(g.astype(params.values.dtype), out=params.gradient[name])
    return drawn


def step(be: Backend, optimizer: Optimizer, rate: float, loss: float = 2.0, scale: float = 0.25) -> None:
    optimizer.ctl[Control.RATE] = rate
    scale = be.from_host(np.array([scale], optimizer.flats["v" if "v" in optimizer.flats else "m"].dtype))
    optimizer.step(be.from_host(np.array([loss])), scale)


@pytest.mark.parametrize("clip", [{}, {"clip": 3.0}, {"clip": 0.0, "clip_value": 0.4}], ids=str)
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_updates_follow_the_formulas(be: Backend, name: str, decay: float, clip: dict[str, float]):
    config = OptimizerConfig(name, momentum=0.9, weight_decay=decay, **{"clip": 0.0, **clip})
    params, optimizer, values = problem(be, config, "float64")
    reference = Reference(config, values)
    for n in range(WINDOWS):
        reference.step(set_gradients(be, params, n), 0.05)
        step(be, optimizer, 0.05)
    for spec in SPECS:
        found = be.to_host(params.value[spec.name])
        np.testing.assert_allclose(found, reference.values[spec.name], rtol=1e-11, atol=1e-13, err_msg=spec.name)
    assert be.to_host(optimizer.ctl)[Control.UPDATES] == WINDOWS


@pytest.mark.parametrize("reach", [1.0, 0.3])
def test_the_average_reaches_back_over_a_part_of_the_updates(be: Backend, reach: float):
    """Against the weighted sum over all updates: each takes a share, and leaves the rest to those before it."""
    params, optimizer, _ = problem(be, OptimizerConfig("sgd", average=reach), "float64")
    assert optimizer.average is not None
    assert be.to_host(optimizer.average).tobytes() == be.to_host(params.values).tobytes()
    values = []
    for n in range(12):
        set_gradients(be, params, n)
        step(be, optimizer, 0.05)
        values.append(be.to_host(params.values))
    shares = np.array([1 / (1 + reach * n) for n in range(12)])
    weights = [share * np.prod(1 - shares[n + 1 :]) for n, share in enumerate(shares)]
    if reach == 1:
        np.testing.assert_allclose(weights, 1 / 12)
    assert sum(weights) == pytest.approx(1)
    expected = sum(weight * value for weight, value in zip(weights, values, strict=True))
    np.testing.assert_allclose(be.to_host(optimizer.average), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
@pytest.mark.parametrize("poison", ["gradient", "loss", "infinite"])
def test_a_window_that_is_not_finite_changes_nothing(be: Backend, name: str, poison: str):
    params, optimizer, _ = problem(be, OptimizerConfig(name, momentum=0.5, average=0.5), "float32")
    set_gradients(be, params, 0)
    step(be, optimizer, 0.1)
    before = [be.to_host(a).tobytes() for a in (params.values, *optimizer.flats.values())]
    set_gradients(be, params, 1)
    if poison != "loss":
        params.gradient["output.V"][2, 3] = math.nan if poison == "gradient" else math.inf
    step(be, optimizer, 0.1, math.nan if poison == "loss" else 2.0)
    assert [be.to_host(a).tobytes() for a in (params.values, *optimizer.flats.values())] == before
    ctl = be.to_host(optimizer.ctl)
    assert (ctl[Control.UPDATES], ctl[Control.SKIPPED], ctl[Control.SKIPPED_IN_A_ROW], ctl[Control.OUTCOME]) == (
        1,
        1,
        1,
        0,
    )
    assert (ctl[Control.LOSS], ctl[Control.WEIGHT]) == (8.0, 4.0)
    set_gradients(be, params, 2)
    step(be, optimizer, 0.1)
    ctl = be.to_host(optimizer.ctl)
    assert (ctl[Control.UPDATES], ctl[Control.SKIPPED_IN_A_ROW], ctl[Control.MOST_SKIPPED_IN_A_ROW]) == (2, 0, 1)
    assert np.isfinite(be.to_host(params.values)).all()


@pytest.mark.parametrize("name", list(OPTIMIZERS))
@pytest.mark.parametrize(("loss", "scale"), [(math.nan, 0.25), (math.inf, 0.25), (2.0, 0.0)])
@pytest.mark.parametrize("compiled", [True, False])
def test_the_first_window_may_be_one_that_nothing_is_learnt_from(
    be: Backend, name: str, loss: float, scale: float, compiled: bool
):
    if be.name == "cpu":
        be = CpuBackend(compiled=compiled)
    (params, optimizer, _), (others, other, _) = (problem(be, OptimizerConfig(name), "float32") for _ in range(2))
    before = [be.to_host(a).tobytes() for a in (params.values, *optimizer.flats.values())]
    set_gradients(be, params, 0)
    step(be, optimizer, 0.1, loss, scale=scale)
    assert [be.to_host(a).tobytes() for a in (params.values, *optimizer.flats.values())] == before
    for drawn, each in ((params, optimizer), (others, other)):
        set_gradients(be, drawn, 1)
        step(be, each, 0.1)
    assert be.to_host(params.values).tobytes() == be.to_host(others.values).tobytes() != before[0]


def test_the_norm_is_of_the_gradient_before_clipping(be: Backend):
    params, optimizer, _ = problem(be, OptimizerConfig("sgd", clip=1.0), "float64")
    drawn = set_gradients(be, params, 0)
    step(be, optimizer, 0.0)
    expected = math.sqrt(sum(float((g * g).sum()) for g in drawn.values()))
    assert be.to_host(optimizer.ctl)[Control.NORM] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "bad", [{"optimizer": "adagrad"}, {"clip": -1}, {"beta1": 1.0}, {"epsilon": 0}, {"average": 2}], ids=str
)
def test_settings_out_of_range_are_refused(bad: dict):
    with pytest.raises(UsageError, match=next(iter(bad)) if "name" not in bad else "optimizer"):
        OptimizerConfig(**bad)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_a_window_without_weight_changes_nothing(be: Backend, name: str, dtype: str):
    """Whatever its loss and gradient: neither it nor its place among others shows in what comes after it."""
    config = OptimizerConfig(name, momentum=0.5, weight_decay=0.1, average=0.5)
    (params, optimizer, _), (others, other, _) = problem(be, config, dtype), problem(be, config, dtype)
    for n, poison in enumerate([0.0, 1.0, math.nan, math.inf]):
        set_gradients(be, params, n)
        set_gradients(be, others, n)
        if n == 2:
            others.gradient["output.V"][0, 0] = params.gradient["output.V"][0, 0] = math.nan  # skipped in both
        step(be, optimizer, 0.1)
        step(be, other, 0.1)
        for gradient in params.gradient.values():
            gradient.fill(poison)
        before = [be.to_host(a).tobytes() for a in (params.values, *optimizer.flats.values())]
        step(be, optimizer, 0.1, poison, scale=0.0)
        assert [be.to_host(a).tobytes() for a in (params.values, *optimizer.flats.values())] == before
        ctl, expected = be.to_host(optimizer.ctl), be.to_host(other.ctl)
        assert ctl[Control.OUTCOME] == Outcome.UNWEIGHTED
        assert np.delete(ctl, Control.OUTCOME).tobytes() == np.delete(expected, Control.OUTCOME).tobytes()
    assert be.to_host(params.values).tobytes() == be.to_host(others.values).tobytes()
    assert be.to_host(optimizer.ctl)[Control.UPDATES] == 3
