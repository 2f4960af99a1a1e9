"""Pools: gradients by differences, values and errors by a plain loop, windows by their sequences one by one."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.exceptions import UsageError
from gpurnn.network import Model, ModelConfig
from gpurnn.network.pools import POOLS
from gpurnn.network.pools.mean import MEAN_POOL, MEAN_POOL_ERROR
from gpurnn.network.stepper import Stepper

from .helpers import (
    HostWindow,
    check_by_differences,
    check_gradient,
    draw_window,
    host,
    load,
    make_problem,
    objective,
    random_model,
)
from .test_both_directions import both_passes, sequences
from .test_both_directions_runs import Run
from .test_model import check_all

SYMBOLS, STEPS, LANES = 5, 7, 3
ONE, BOTH = "recurrent", "both_directions"
BEGINS = ((2, 0), (3, 0), (6, 0), (4, 1), (5, 2))
"""Step and lane where a sequence begins inside the window."""
LEFT_OVER = ((6, 0), (5, 2))
"""Those that are none: weight 0."""


def config_of(stack: str, layers: int, pool: str, smoothing: float = 0.0, **settings: Any) -> ModelConfig:
    small = {"cell": "gru", "hidden": 2, "embedding": 2, "dropout": 0.0, "dtype": "float64"}
    head = "smoothed_softmax" if smoothing else "softmax"
    more = {"layers": layers, "stack": (stack, "dropout"), "pool": pool, "head": head, "label_smoothing": smoothing}
    return ModelConfig(SYMBOLS, **small | more | settings)


def packed_window(*, at_ends: bool = False) -> HostWindow:
    """Lanes with sequences of 2, 1 and 3 steps, of 4 and 3, and of 5. at_ends: only the last step of each counts."""
    window = draw_window(SYMBOLS, STEPS, LANES, documents=False)
    window.carry[0] = 0
    for t, lane in BEGINS:
        window.carry[t, lane] = 0
    for t, lane in LEFT_OVER:
        window.weight[t:, lane] = 0
    window.weight[1, 1] = 0
    if at_ends:
        ends = np.ones((STEPS, LANES))
        ends[:-1] = window.carry[1:] == 0
        window = replace(window, weight=window.weight * ends)
        assert window.weight.sum() == 6
    return replace(window, scale=0.3)


WHOLE = [
    (stack, layers, pool, 0.1 * (n % 2), ("gru", "lstm", "simple")[n % 3])
    for n, (stack, layers, pool) in enumerate(product((ONE, BOTH), (1, 2), ("", *POOLS)))
]


@pytest.mark.parametrize(("stack", "layers", "pool", "smoothing", "cell"), WHOLE)
def test_gradients_of_whole_sequences(be: Backend, stack: str, layers: int, pool: str, smoothing: float, cell: str):
    """Of labels at every step, but for those of weight 0, in a workspace with room for more steps."""
    config = config_of(stack, layers, pool, smoothing, cell=cell, hidden=4)
    p = make_problem(be, config, packed_window(), spare_steps=2)
    p.model.forward(p.ws, p.state)
    p.model.backward(p.ws)
    gradients, loss = host(be, p.model.params.gradient), float(be.to_host(p.ws.loss)[0])
    for name, array in p.model.params.value.items():
        check_by_differences(be, name, gradients[name], lambda: objective(p, be), array)
    assert loss == pytest.approx(objective(p, be), rel=1e-13)


@pytest.mark.parametrize(("layers", "pool", "smoothing"), [(1, "last", 0.1), (2, "last", 0.0), (2, "", 0.2)])
def test_gradients_where_the_state_is_carried(be: Backend, layers: int, pool: str, smoothing: float):
    """Those of the parameters and of the carried state; sequences begin inside, and some steps have weight 0."""
    check_all(be, make_problem(be, config_of(ONE, layers, pool, smoothing), draw_window(SYMBOLS, 5, 3), spare_steps=1))


@pytest.mark.parametrize("stack", [ONE, BOTH])
@pytest.mark.parametrize("pool", ["", *POOLS])
def test_a_packed_window_is_its_sequences_one_by_one(be: Backend, stack: str, pool: str):
    """Outputs and gradients; of a pool those of labels at the last steps."""
    model, window = random_model(be, config_of(stack, 2, pool, hidden=4)), packed_window(at_ends=bool(pool))
    ws, ws_alone = model.workspace(LANES, STEPS), model.workspace(1, STEPS)
    load(be, ws.batch, window)
    logits, gradients = both_passes(be, model, ws)
    total = {name: np.zeros_like(gradient) for name, gradient in gradients.items()}
    for b in range(LANES):
        for steps in sequences(window.carry[:, b]):
            one = window.part(steps.start, steps.stop)
            arrays = {name: getattr(one, name)[:, [b]] for name in ("tokens", "targets", "carry", "weight")}
            load(be, ws_alone.batch, replace(one, **arrays))
            alone, gradients_alone = both_passes(be, model, ws_alone)
            np.testing.assert_allclose(alone[:, 0], logits[steps, b], rtol=1e-12, atol=1e-13)
            for name, gradient in gradients_alone.items():
                total[name] += gradient
    for name, gradient in gradients.items():
        check_gradient(name, total[name], gradient, 1e-12)


def joined(pool: str, rows: np.ndarray, both: bool) -> list[float]:
    """What a pool hands on after these rows (n, E) of one sequence."""
    if pool == "mean":
        return [sum(column) / len(column) for column in rows.T.tolist()]
    if pool == "max":
        return [max(column) for column in rows.T.tolist()]
    hidden = rows.shape[1] // 2
    return [*rows[-1, :hidden].tolist(), *(rows[0] if both else rows[-1])[hidden:].tolist()]


def shares(pool: str, rows: np.ndarray, both: bool) -> np.ndarray:
    """(n, E): how far each element of these rows counts in what is handed on after them."""
    share = np.zeros(rows.shape)
    if pool == "mean":
        share[:] = 1 / len(rows)
    elif pool == "max":
        share[np.argmax(rows, axis=0), np.arange(rows.shape[1])] = 1
    else:
        hidden = rows.shape[1] // 2
        share[-1, :hidden] = share[0 if both else -1, hidden:] = 1
    return share


@pytest.mark.parametrize("stack", [ONE, BOTH])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pool", POOLS)
def test_values_and_errors_by_a_plain_loop(be: Backend, pool: str, dtype: str, stack: str):
    """Of rows that repeat themselves in places: the first of equal ones is the largest."""
    p = make_problem(be, config_of(stack, 1, pool, dtype=dtype, hidden=4), packed_window(), spare_steps=2)
    p.model.forward(p.ws, p.state)
    below = p.ws.working[1]
    rng, shape = np.random.default_rng(2), (STEPS, LANES, p.model.head.inputs)
    rows, errors = rng.integers(-3, 3, shape) / 4, rng.standard_normal(shape)
    if pool == "last" and stack == ONE:
        assert p.ws.working[-1] is below, "what is handed on is copied"
        return
    pooled = p.ws.working[-1]
    fill(be, below.y.value, rows)
    pooled.forward(p.ws.batch)
    fill(be, pooled.y.error, errors)
    pooled.backward(p.ws.batch)
    expected, of_rows = np.zeros(shape), np.zeros(shape)
    for b in range(LANES):
        for steps in sequences(packed_window().carry[:, b]):
            for t in range(steps.start, steps.stop):
                seen = rows[steps.start : t + 1, b]
                expected[t, b] = joined(pool, seen, stack == BOTH)
                of_rows[steps.start : t + 1, b] += shares(pool, seen, stack == BOTH) * errors[t, b]
    tolerance = {"float32": 1e-6, "float64": 1e-14}[dtype]
    for found, wanted in ((pooled.y.value, expected), (below.y.error, of_rows)):
        in_use = be.to_host(found)[: STEPS * LANES].reshape(shape)
        np.testing.assert_allclose(in_use, wanted, rtol=tolerance, atol=tolerance)


def fill(be: Backend, array: Any, values: np.ndarray) -> None:
    """Rows of a window; those that it does not have are left as they are."""
    whole = be.to_host(array)
    whole[: STEPS * LANES] = values.reshape(STEPS * LANES, -1)
    be.from_host(whole, out=array)


def test_the_mean_of_a_long_sequence_is_sound_in_float32(be: Backend):
    """Where a running sum in float32 would be off by more than 1e-4, and its error alike."""
    steps = 20_000
    rows = np.random.default_rng(0).uniform(0.9, 1.1, (steps, 1, 2)).astype(np.float32)
    carry, z = be.from_host(np.ones((steps, 1, 1), np.float32)), be.zeros(rows.shape, np.float32)
    be.bind(MEAN_POOL, np.float32, N=steps, B=1, H=2)(be.from_host(rows), carry, z)
    means = np.cumsum(rows, axis=0, dtype=np.float64) / np.arange(1, steps + 1)[:, None, None]
    np.testing.assert_allclose(be.to_host(z), means, rtol=2e-7)
    d = be.zeros(rows.shape, np.float32)
    be.bind(MEAN_POOL_ERROR, np.float32, N=steps, B=1, H=2)(be.from_host(rows), carry, d)
    errors = np.cumsum((rows / np.arange(1.0, steps + 1)[:, None, None])[::-1], axis=0)[::-1]
    np.testing.assert_allclose(be.to_host(d), errors, rtol=2e-6)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize(("pool", "stack"), [("mean", ONE), ("max", ONE), ("last", BOTH)])
def test_what_is_not_finite_stays_in_its_sequence(be: Backend, pool: str, stack: str, poison: float):
    p = make_problem(be, config_of(stack, 1, pool), packed_window())
    p.model.forward(p.ws, p.state)
    below, pooled, shape = p.ws.working[1], p.ws.working[-1], (STEPS, LANES, p.model.head.inputs)
    rows = np.zeros(shape)
    rows[3, 0] = rows[0, 1] = poison
    fill(be, below.y.value, rows)
    with np.errstate(invalid="ignore"):
        pooled.forward(p.ws.batch)
    found = np.isfinite(be.to_host(pooled.y.value).reshape(shape))[..., -1]
    expected = np.ones((STEPS, LANES), bool)
    expected[3:6, 0] = expected[:4, 1] = False
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("pool", POOLS)
def test_captured_windows_change_nothing(cuda: Backend, pool: str):
    settings = {"pool": pool, "head": "smoothed_softmax", "label_smoothing": 0.1}
    captured, eager = Run(cuda, "gru", **settings), Run(backend.get("cuda", graphs=False), "gru", **settings)
    for run in (captured, eager):
        run.train(14)
    assert captured.checkpoint() == eager.checkpoint()


@pytest.mark.parametrize(("pool", "stack"), [("mean", ONE), ("max", ONE), ("last", BOTH)])
def test_a_model_that_needs_the_whole_sequence_cannot_be_stepped(be: Backend, pool: str, stack: str):
    settings = {"stack": ("both_directions",)} if stack == BOTH else {}
    part = POOLS[pool](ModelConfig(3, hidden=2, **settings), 4)
    message = (
        rf"^pool \({pool}\): a model with it cannot be stepped, a step depends on all of its sequence; run `model.f"
    )
    with pytest.raises(UsageError, match=message):
        part.step(None, None)


def test_the_last_of_one_direction_can_be_stepped(be: Backend):
    """It is the model without a pool."""
    outputs = []
    for pool in ("", "last"):
        model = random_model(be, config_of(ONE, 2, pool))
        stepper = Stepper(model)
        stepper.begin(model.state(1))
        outputs.append([be.to_host(stepper.step(token)).copy() for token in (1, 4, 0)])
    np.testing.assert_array_equal(*outputs)


def test_the_last_of_both_needs_both_halves(be: Backend):
    with pytest.raises(
        UsageError, match=r"^pool: last reads rows of 6; expected 4, of which each direction has a half"
    ):
        POOLS["last"](ModelConfig(3, hidden=2, stack=("both_directions",)), 6)


def test_a_pool_stands_under_the_head_and_has_no_parameters(be: Backend):
    for pool in POOLS:
        plain, pooled = (Model(be, config_of(BOTH, 1, each)) for each in ("", pool))
        assert pooled.params.specs == plain.params.specs
        assert [part.name for part in pooled.parts][-2:] == ["pool", "output"]
