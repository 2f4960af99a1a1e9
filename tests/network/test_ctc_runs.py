"""Networks that learn strings without an alignment: gradients by differences, windows by their sequences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.exceptions import UsageError
from gpurnn.network import ModelConfig, through_time
from gpurnn.network.stepper import Stepper
from tests.strings import begins_of, put_strings

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
from .test_both_directions import both_passes

SYMBOLS, STEPS, LANES = 4, 12, 3
ONE, BOTH = "recurrent", "both_directions"
BEGINS = ((0, 0), (5, 0), (11, 0), (0, 1), (7, 1), (0, 2))
"""Step and lane; the last of lane 0 is left over."""


def config_of(stack: str, **settings: object) -> ModelConfig:
    small = {"hidden": 3, "layers": 2, "embedding": 2, "dropout": 0.0, "dtype": "float64", "stack": (stack, "dropout")}
    return ModelConfig(SYMBOLS, head="ctc", **small | settings)  # type: ignore[arg-type]


def packed_window() -> HostWindow:
    """Sequences of 5, 6 and 7 steps and of all 12, and what is left over; weights are not all alike."""
    window = draw_window(SYMBOLS, STEPS, LANES, documents=False)
    for t, lane in BEGINS:
        window.carry[t, lane] = 0
    window.weight[...] = np.random.default_rng(6).uniform(0.5, 1, window.weight.shape)
    put_strings(window.targets, window.carry, window.weight, SYMBOLS - 1, seed=11)
    window.targets[11, 0], window.weight[11, 0] = SYMBOLS - 1, 0
    return replace(window, scale=0.3)


def test_the_window_has_strings_of_several_kinds():
    window = packed_window()
    strings = []
    for lane, first, end in begins_of(window.carry):
        targets = window.targets[first:end, lane]
        strings.append(tuple(targets[targets < SYMBOLS - 1].tolist()))
    assert strings == [(), (1, 0), (), (2, 1, 2, 2, 0, 1), (2, 0, 0), (2, 2, 1, 2, 0)]
    assert window.weight[0, 0] > 0, "an empty one that counts"


@pytest.mark.parametrize(("cell", "stack"), [("lstm", ONE), ("gru", BOTH)])
def test_gradients(be: Backend, cell: str, stack: str):
    """Of two layers, in a workspace with room for more steps."""
    p = make_problem(be, config_of(stack, cell=cell), packed_window(), spare_steps=2)
    p.model.forward(p.ws, p.state)
    p.model.backward(p.ws)
    gradients, loss = host(be, p.model.params.gradient), float(be.to_host(p.ws.loss)[0])
    for name, array in p.model.params.value.items():
        check_by_differences(be, name, gradients[name], lambda: objective(p, be), array)
    assert loss == pytest.approx(objective(p, be), rel=1e-13)


@pytest.mark.parametrize("stack", [ONE, BOTH])
def test_a_packed_window_is_its_sequences_one_by_one(be: Backend, stack: str):
    model, window = random_model(be, config_of(stack)), packed_window()
    ws, alone = model.workspace(LANES, STEPS), model.workspace(1, STEPS)
    load(be, ws.batch, window)
    _, gradients = both_passes(be, model, ws)
    losses = be.to_host(ws.losses).reshape(STEPS, LANES)
    total = {name: np.zeros_like(gradient) for name, gradient in gradients.items()}
    for lane, first, end in begins_of(window.carry):
        one = window.part(first, end)
        arrays = {name: getattr(one, name)[:, [lane]] for name in ("tokens", "targets", "carry", "weight")}
        load(be, alone.batch, replace(one, **arrays))
        _, found = both_passes(be, model, alone)
        np.testing.assert_allclose(
            be.to_host(alone.losses)[: end - first], losses[first:end, lane], rtol=1e-12, atol=1e-13
        )
        for name, gradient in found.items():
            total[name] += gradient
    for name, gradient in gradients.items():
        check_gradient(name, total[name], gradient, 1e-12)


def test_a_workspace_may_have_room_for_the_longest_string_alone(be: Backend):
    """So that it takes less memory; strings that are longer are cut."""
    model, window = random_model(be, config_of(BOTH)), packed_window()
    found, longest = [], 6
    for labels in (0, STEPS, STEPS + 5, longest, longest - 1):
        ws = model.workspace(LANES, STEPS, labels=labels)
        load(be, ws.batch, window)
        both_passes(be, model, ws)
        found.append((be.to_host(ws.losses), be.to_host(ws.o)))
    for losses, errors in found[1:4]:
        np.testing.assert_array_equal(losses, found[0][0])
        np.testing.assert_allclose(errors, found[0][1], rtol=1e-12, atol=1e-15)
    assert np.isfinite(found[4][0]).all() and (found[4][0] != found[0][0]).any()
    with pytest.raises(UsageError, match="labels: "):
        model.workspace(LANES, STEPS, labels=-1)


def test_errors_through_time_are_those_of_the_string(be: Backend):
    """Of every frame, not of the steps alone in which the labels stand."""
    p = make_problem(be, config_of(BOTH), packed_window())
    both_passes(be, p.model, p.ws)
    errors = {step.t: be.to_host(step.errors["do"]) for step in through_time(p.model, p.ws)}
    found = np.stack([errors[t] for t in range(STEPS)])
    assert (np.abs(found[:, 2]).sum(axis=1) > 1e-6).all()
    np.testing.assert_allclose(found.sum(axis=2), 0, atol=1e-15)
    assert not found[11, 0].any(), "what is left over"


def test_a_step_gives_the_outputs(be: Backend):
    model, window = random_model(be, config_of(ONE)), packed_window()
    ws, stepper = model.workspace(1, 5, train=False), Stepper(model)
    one = window.part(0, 5)
    load(be, ws.batch, replace(one, **{n: getattr(one, n)[:, [0]] for n in ("tokens", "targets", "carry", "weight")}))
    model.forward(ws, model.state(1))
    stepper.begin(model.state(1))
    for t, expected in enumerate(be.to_host(ws.o)):
        np.testing.assert_allclose(be.to_host(stepper.step(int(one.tokens[t, 0]))).reshape(-1), expected, rtol=1e-12)
