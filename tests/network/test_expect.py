"""What does not belong together is refused by name, and nothing is computed; so is what was never done."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.exceptions import UsageError
from gpurnn.network import Model, ModelConfig, error_norms, through_time
from gpurnn.network.cells import CELLS
from gpurnn.network.stepper import Stepper

from .helpers import Problem, draw_window, host, load, make_problem, random_model

CONFIG = ModelConfig(symbols=5, cell="lstm", hidden=3, layers=2, dropout=0.0, dtype="float64")


@pytest.fixture
def p(be: Backend) -> Problem:
    return make_problem(be, CONFIG, draw_window(5, 4, 3))


def calls(p: Problem, model: Model | None = None, **other: object) -> dict[str, Callable[[], object]]:
    """Everything that takes a workspace or a state, with one of them exchanged."""
    model, ws, state = model or p.model, other.get("ws", p.ws), other.get("state", p.state)
    if "state" in other:
        return {
            "forward": lambda: model.forward(ws, state),
            "advance": lambda: model.advance(ws, state),
            "carry_out": lambda: model.carry_out(ws, state),
        }
    return {
        "forward": lambda: model.forward(ws, state),
        "advance": lambda: model.advance(ws, state),
        "carry_out": lambda: model.carry_out(ws, state),
        "loss": lambda: model.loss(ws),
        "backward": lambda: model.backward(ws),
        "through_time": lambda: next(through_time(model, ws)),
        "error_norms": lambda: error_norms(model, ws),
    }


def refused(be: Backend, p: Problem, wrong: dict[str, Callable[[], object]], match: str) -> None:
    """Each call raises, and leaves outputs, gradients and carried states alone."""
    kept = [p.ws.o, p.ws.nats, p.ws.loss, p.model.params.gradients, *p.state.named().values()]
    before = [be.to_host(array).tobytes() for array in kept]
    for name, call in wrong.items():
        with pytest.raises(UsageError, match=match):
            call()
        assert [be.to_host(array).tobytes() for array in kept] == before, name


OTHERS = {
    "cell": {"cell": "gru"},
    "a cell with the same states": {"cell": "slow-memory"},
    "hidden": {"hidden": 4},
    "layers": {"layers": 1},
    "dtype": {"dtype": "float32"},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
def test_a_state_of_another_model_is_refused(be: Backend, p: Problem, changes: dict):
    other = random_model(be, replace(CONFIG, **changes))
    p.model.forward(p.ws, p.state)
    match = r"state: expected one of lstm, 2 x 3, float64, 3 lanes, on \S+, found one of \S+, \d x \d"
    refused(be, p, calls(p, state=other.state(3)), match)
    with pytest.raises(UsageError, match=r"state: expected one of .* 1 lane,"):
        Stepper(p.model).begin(other.state(1))


def test_cells_with_states_of_one_name_and_shape_do_not_share_them(be: Backend):
    p = make_problem(be, replace(CONFIG, cell="gru"), draw_window(5, 4, 3))
    other = Model(be, replace(CONFIG, cell="simple")).state(3)
    assert {n: a.shape for n, a in other.named().items()} == {n: a.shape for n, a in p.state.named().items()}
    p.model.forward(p.ws, p.state)
    refused(be, p, calls(p, state=other), "state: expected one of gru.* found one of simple")


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_a_state_of_other_lanes_is_refused(be: Backend, p: Problem, lanes: int):
    p.model.forward(p.ws, p.state)
    refused(be, p, calls(p, state=p.model.state(lanes)), rf"3 lanes, on \S+, found one of .* {lanes} lanes?, on")


def test_the_arrays_of_a_state_cannot_be_exchanged(be: Backend, p: Problem):
    with pytest.raises(TypeError):
        p.state.layers[0]["h"] = be.zeros((3,), np.float64)
    with pytest.raises(TypeError):
        p.state.layers[0] = {}


def test_a_state_goes_with_any_model_of_its_kind(be: Backend, p: Problem):
    """So that averaged parameters, or a larger vocabulary, can go on from it."""
    other = random_model(be, replace(CONFIG, symbols=9, embedding=2, dropout=0.5), seed=8)
    ws = other.workspace(3, 4)
    load(be, ws.batch, p.window)
    other.forward(ws, p.state)


@pytest.mark.parametrize("same", [True, False], ids=["of the same configuration", "of another"])
def test_a_workspace_of_another_model_is_refused(be: Backend, p: Problem, same: bool):
    other = random_model(be, CONFIG if same else replace(CONFIG, hidden=4))
    p.model.forward(p.ws, p.state)
    p.model.backward(p.ws)
    refused(be, p, calls(p, model=other), "workspace: made by another model")


def test_parameters_of_another_configuration_are_refused(be: Backend, p: Problem):
    for changes in (
        {"cell": "gru"},
        {"hidden": 4},
        {"layers": 1},
        {"dtype": "float32"},
        {"symbols": 6},
        {"embedding": 2},
    ):
        with pytest.raises(UsageError, match="params: they are of a model of another configuration"):
            Model(be, replace(CONFIG, **changes), p.model.params)
    Model(be, CONFIG, p.model.params).forward(p.ws, p.state)


@pytest.mark.parametrize("cell", list(CELLS))
def test_a_model_without_parameters_computes_nothing(be: Backend, cell: str):
    model = Model(be, replace(CONFIG, cell=cell))
    ws, state = model.workspace(3, 4), model.state(3)
    load(be, ws.batch, draw_window(5, 4, 3))
    p = Problem(model, ws, state, draw_window(5, 4, 3))
    refused(be, p, calls(p), r"no parameters yet; call model.params.initialise\(be, seed\), or load them")
    with pytest.raises(UsageError, match="no parameters yet"):
        Stepper(model)
    model.params.initialise(be, 1)
    model.forward(ws, state)
    model.backward(ws)
    assert all(np.any(array) for array in host(be, model.params.gradient).values())


def test_loaded_parameters_and_given_values_will_do(be: Backend, p: Problem):
    fresh = Model(be, CONFIG)
    fresh.params.load(be, host(be, p.model.params.value), "a test")
    given = Model(be, CONFIG, Model(be, CONFIG).params.with_values(p.model.params.values))
    for model in (fresh, given):
        ws = model.workspace(3, 4)
        load(be, ws.batch, p.window)
        model.forward(ws, p.state)
        p.model.forward(p.ws, p.state)
        np.testing.assert_array_equal(be.to_host(ws.o), be.to_host(p.ws.o))


def test_backward_needs_a_workspace_made_for_training(be: Backend, p: Problem):
    ws = p.model.workspace(3, 4, train=False)
    load(be, ws.batch, p.window)
    p.model.forward(ws, p.state)
    for call in (lambda: p.model.backward(ws), lambda: next(through_time(p.model, ws))):
        with pytest.raises(UsageError, match="workspace: made for forward only; make it with train=True"):
            call()
    p.model.loss(ws)


def test_what_uses_an_output_needs_one(be: Backend, p: Problem):
    """Before forward there is none, and loss and backward use it up."""
    model, ws = p.model, p.ws
    no_logits = {"loss": lambda: model.loss(ws), "backward": lambda: model.backward(ws)}
    no_errors = {"through_time": lambda: next(through_time(model, ws)), "error_norms": lambda: error_norms(model, ws)}
    logits, errors = "there are no logits .* call model.forward", "there are no errors .* call model.backward"
    refused(be, p, no_logits, logits)
    refused(be, p, no_errors, errors)
    model.forward(ws, p.state)
    refused(be, p, no_errors, errors)
    model.backward(ws)
    refused(be, p, no_logits, logits)
    next(through_time(model, ws))
    model.forward(ws, p.state)
    refused(be, p, no_errors, errors)
    model.loss(ws)
    refused(be, p, no_logits | no_errors, "there are no (logits|errors)")
    model.forward(ws, p.state)
    model.advance(ws, p.state)
    refused(be, p, no_logits, logits)


@pytest.mark.parametrize("steps", [0, -1, 5, 100])
def test_a_batch_without_a_window_that_fits_is_refused(be: Backend, p: Problem, steps: int):
    p.ws.batch.steps = steps
    wrong = {name: call for name, call in calls(p).items() if name in ("forward", "advance")}
    refused(be, p, wrong, f"workspace: the window in its batch has {steps} steps, expected 1 to 4")


def test_boundaries_of_fewer_steps_are_refused(be: Backend, p: Problem):
    p.ws.batch.boundary = [True] * 3
    wrong = {name: call for name, call in calls(p).items() if name in ("forward", "advance")}
    refused(be, p, wrong, "boundaries for 3 steps, its window 4")


def test_errors_of_the_window_after_have_to_fit(be: Backend, p: Problem):
    def zeros(*shape: int, names: str = "hc") -> dict:
        return {name: be.zeros(shape, np.float64) for name in names}

    p.model.forward(p.ws, p.state)
    wrong = {
        "one layer": [zeros(3, 3)],
        "a shape that would spread": [zeros(3), zeros(3)],
        "other lanes": [zeros(1, 3), zeros(1, 3)],
        "no c": [zeros(3, 3, names="h")] * 2,
        "one too many": [zeros(3, 3, names="hcd")] * 2,
    }
    of = {name: lambda d_last=d_last: p.model.backward(p.ws, d_last) for name, d_last in wrong.items()}
    refused(be, p, of, "d_last: expected .* found")
    p.model.backward(p.ws, [zeros(3, 3)] * 2)


@pytest.mark.parametrize("symbol", [-1, 5, 99, 1.5, True, None, "1", float("nan")])
def test_a_step_takes_symbols_of_the_vocabulary_only(be: Backend, p: Problem, symbol: Any):
    stepper = Stepper(p.model)
    stepper.begin(p.model.state(1))
    with pytest.raises(UsageError, match=r"symbol: expected (0 to 4|a whole number), found "):
        stepper.step(symbol)
    stepper.step(np.int64(4))


def test_what_forward_left_belongs_to_the_window_that_it_saw(be: Backend, p: Problem):
    """Once another one is in the batch, nothing is computed from the two together."""
    model, ws = p.model, p.ws
    late = r"model\.forward has not run on the window that is in its batch now"
    refused(be, p, {"carry_out": lambda: model.carry_out(ws, p.state)}, late)
    model.forward(ws, p.state)
    model.carry_out(ws, p.state)
    ws.batch.begin(3, None)
    wrong = {name: call for name, call in calls(p).items() if name in ("carry_out", "loss", "backward")}
    refused(be, p, wrong, late)
    model.forward(ws, p.state)
    model.backward(ws)
    next(through_time(model, ws))
    ws.batch.begin(4, None)
    refused(be, p, {name: call for name, call in calls(p).items() if name in ("through_time", "error_norms")}, late)


@pytest.mark.parametrize("wrong", [None, "lstm", 5, {"symbols": 5}, np])
def test_what_is_of_another_kind_is_named(be: Backend, p: Problem, wrong: Any):
    model, ws, state = p.model, p.ws, p.state
    model.forward(ws, state)
    for name, call in {
        "be": lambda: Model(wrong, CONFIG),
        "config": lambda: Model(be, wrong),
        "params": lambda: Model(be, CONFIG, wrong or 0),
        "workspace": lambda: model.forward(wrong, state),
        "state": lambda: model.forward(ws, wrong),
        "values": lambda: model.params.with_values(wrong),
    }.items():
        refused(
            be,
            p,
            {name: call},
            f"{name}: expected an? .*, found ",
        )


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, None, "4", [4], float("nan"), 2**63])
def test_sizes_and_seeds_are_whole_numbers_in_range(be: Backend, p: Problem, wrong: Any):
    model = p.model
    for name, call in {
        "lanes": lambda: model.workspace(wrong, 4),
        "steps": lambda: model.workspace(3, wrong),
        "lanes of a state": lambda: model.state(wrong),
        "seed": lambda: model.workspace(3, 4, seed=wrong or -5),
        "seed of the parameters": lambda: Model(be, CONFIG).params.initialise(be, wrong or -5),
    }.items():
        with pytest.raises(UsageError, match=f"{name.split()[0]}: expected "):
            call()
    assert model.workspace(np.int64(3), np.uint8(4)).kind == model.state(np.int32(3)).kind


def test_the_errors_of_the_window_after_are_arrays_of_this_model(be: Backend, p: Problem):
    right = [{name: be.zeros((3, 3), np.float64) for name in "hc"} for _ in range(2)]
    p.model.forward(p.ws, p.state)
    wrong: dict[str, Any] = {
        "single": [{name: array.astype(np.float32) for name, array in layer.items()} for layer in right],
        "complex": [{name: array.astype(np.complex128) for name, array in layer.items()} for layer in right],
        "a list": [right[0], {name: array.tolist() for name, array in right[1].items()}],
        "none": [right[0], {"h": right[0]["h"], "c": None}],
        "no layers": right[0],
        "a number": 5,
        "numbers": [5, 5],
    }
    of = {name: lambda d_last=d_last: p.model.backward(p.ws, d_last) for name, d_last in wrong.items()}
    refused(be, p, of, "d_last: expected .* found")
    p.model.backward(p.ws, right)


def test_copied_parameters_are_whole(be: Backend, p: Problem):
    """What changes the values of a copy changes its views, and nothing of the original."""
    own = p.model.params
    before = be.to_host(own.values)
    for made in (copy.deepcopy(own), pickle.loads(pickle.dumps(own))):
        made.values[...] = 3
        made.gradients[...] = 4
        assert all(float(array.min()) == float(array.max()) == 3 for array in made.value.values())
        assert all(float(array.min()) == float(array.max()) == 4 for array in made.gradient.values())
        np.testing.assert_array_equal(be.to_host(own.values), before)
    shallow = copy.copy(own)
    shallow.value["output.c"][...] = 7
    assert float(own.value["output.c"].min()) == 7


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_workspace_is_not_copied(be: Backend, p: Problem, copied: Callable[[object], object]):
    with pytest.raises(TypeError, match="a workspace cannot be copied or pickled; make another"):
        copied(p.ws)
