"""Every part of every table by its declaration alone, and parts that a program adds from outside the package."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outside_cell import NAME as OUTSIDE_CELL

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.data.stream import Window
from gpurnn.exceptions import DataError, UsageError
from gpurnn.fields import Field, expect_fields
from gpurnn.network import Batch, Model, ModelConfig, State, Workspace, through_time
from gpurnn.network.cells import CELLS
from gpurnn.network.chain import readers
from gpurnn.network.heads import HEADS
from gpurnn.network.inputs import INPUTS
from gpurnn.network.layers import LAYERS
from gpurnn.network.params import Spec
from gpurnn.network.pools import POOLS
from gpurnn.network.starts import STARTS
from gpurnn.network.stepper import Stepper
from gpurnn.runs.checkpoint import encode_checkpoint, parse_checkpoint
from gpurnn.training.config import TrainConfig
from gpurnn.training.feed import Feed
from gpurnn.training.optimizer import Optimizer, OptimizerConfig
from gpurnn.training.snapshot import Progress, Unchanging, load_config, pack, unpack
from gpurnn.training.step import TrainingStep
from tests.strings import put_strings

from .helpers import check_by_differences, check_gradient, host, random_model, random_state
from .outside.gain_layer import GainLayer
from .outside.half_squared_head import HalfSquaredHead
from .outside.scaled_input import ScaledInput
from .outside.side_start import SideStart
from .windows import Source, draw

STEPS, LANES = 5, 3
OUTSIDE = {
    "inputs": 3,
    "outputs": 2,
    "input": "scaled",
    "start": "side",
    "stack": ("recurrent", "gain", "dropout"),
    "head": "half-squared",
    "cell": OUTSIDE_CELL,
}


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """One registration each."""
    monkeypatch.setitem(INPUTS, "scaled", ScaledInput)
    monkeypatch.setitem(LAYERS, "gain", GainLayer)
    monkeypatch.setitem(STARTS, "side", SideStart)
    monkeypatch.setitem(HEADS, "half-squared", HalfSquaredHead)


def config_of(**settings: Any) -> ModelConfig:
    """Small, in float64, with the widths that the parts want."""
    widths = {"symbols": 4, "hidden": 3, "embedding": 2 if settings.get("input") == "embedding" else 0}
    if settings.get("head") == "quantile":
        widths["quantiles"] = (0.1, 0.7)
    if settings.get("head") == "smoothed_softmax":
        widths["label_smoothing"] = 0.2
    return ModelConfig(**widths | {"cell": "gru", "dropout": 0.0, "dtype": "float64"} | settings)


INPUT_NAMES = ("one_hot", "embedding", "real", "scaled")
START_NAMES = ("zero", "learned", "side")
HEAD_NAMES = ("softmax", "squared", "half-squared", "smoothed_softmax", "ctc")
COMBINATIONS = [
    *(
        {"input": each, "start": start, "head": HEAD_NAMES[(i + s) % len(HEAD_NAMES)]}
        for i, each in enumerate(INPUT_NAMES)
        for s, start in enumerate(START_NAMES)
    ),  # every pair of an input, a start and a head
    *({"cell": cell, "input": "real", "start": "learned", "head": "squared", "layers": 2} for cell in CELLS),
    *(
        {"input": "real", "start": start, "head": head, "layers": 2, "cell": cell}
        for start, head, cell in zip(
            START_NAMES, ("absolute", "huber", "quantile"), ("gru", "lstm", "simple"), strict=True
        )
    ),
    *({"input": i, "stack": ("recurrent", "gain", "dropout"), "layers": 2, "dropout": 0.3} for i in INPUT_NAMES),
    {"stack": ("gain", "recurrent"), "input": "embedding"},
    {"stack": ("dropout", "recurrent", "recurrent"), "input": "scaled", "dropout": 0.4},
    {"stack": ("dropout",), "input": "real", "dropout": 0.4},
    {"inputs": 5, "outputs": 2, "stack": ("recurrent",)},
    *(
        {"input": i, "start": s, "stack": ("both_directions", "dropout"), "layers": 2, "dropout": 0.3}
        for i, s in zip(INPUT_NAMES, ("learned", "side", "zero", "side"), strict=True)
    ),
    *({"cell": cell, "start": "learned", "stack": ("both_directions", "gain")} for cell in CELLS),
    *(
        {"pool": pool, "layers": 2, "dropout": 0.3, "stack": (stack, "dropout")}
        for pool in ("last", "mean", "max")
        for stack in ("recurrent", "both_directions")
    ),
    *(
        {"pool": pool, "layers": 2, "stack": (stack, "gain")}
        for pool, stack in (("mean", "recurrent"), ("max", "both_directions"), ("last", "both_directions"))
    ),
]


def test_the_combinations_leave_no_part_out():
    """A part that is added to a table of the package has to be added here."""
    used = {name: {each.get(name) for each in COMBINATIONS} for name in ("input", "start", "head", "cell", "pool")}
    used["start"] |= {"encoder", "vector"}  # their windows have sequences, see test_pairs.py
    for name, table in {"input": INPUTS, "start": STARTS, "head": HEADS, "cell": CELLS, "pool": POOLS}.items():
        assert used[name] >= set(table), name
    assert {kind for each in COMBINATIONS for kind in each.get("stack", ())} >= set(LAYERS)


class Problem:
    """A model with random parameters, a random carried state, and a workspace that holds a drawn window."""

    def __init__(self, be: Backend, config: ModelConfig, *, boundary: bool = True, spare: int = 1) -> None:
        self.be, self.model = be, random_model(be, config)
        self.ws: Workspace = self.model.workspace(LANES, STEPS + spare, seed=5)
        self.state: State = random_state(be, self.model, LANES)
        self.window = draw(self.model.fields, STEPS, LANES, boundary=boundary)
        if config.head == "ctc":
            put_strings(self.window.targets, self.window.carry, self.window.weight, config.output_width - 1, seed=2)
            self.window = replace(self.window, weight_sum=float(self.window.weight.sum()))
        self._feed = Feed(be, self.ws.batch)
        self._feed.load(self.window)
        if self.model.head.target.missing:
            self._choose_targets()

    def _choose_targets(self) -> None:
        """Such that every output is far from where its loss has a kink: at the target, and 1 beside it."""
        self.model.forward(self.ws, self.state)
        outputs, rng = self.be.to_host(self.ws.o)[: STEPS * LANES], np.random.default_rng(1)
        targets = self.window.targets.reshape(len(outputs), -1)
        for place in np.argwhere(~np.isnan(targets)):
            o = outputs[place[0]].reshape(targets.shape[1], -1)[place[1]]
            while np.min([np.abs(o - targets[tuple(place)]), np.abs(np.abs(o - targets[tuple(place)]) - 1)]) < 0.02:
                targets[tuple(place)] = 2 * rng.standard_normal()
        self._feed.load(self.window)

    def loss(self) -> float:
        self.model.forward(self.ws, self.state)
        self.model.loss(self.ws)
        losses = self.be.to_host(self.ws.losses)[: STEPS * LANES]
        return float(losses @ self.window.weight.reshape(-1) / self.window.weight_sum)

    def both_passes(self) -> dict[str, np.ndarray]:
        """The gradients by name."""
        self.model.forward(self.ws, self.state)
        self.model.backward(self.ws)
        return host(self.be, self.model.params.gradient)


def named(settings: dict[str, Any]) -> str:
    return " ".join(str(value) for value in settings.values())


@pytest.mark.parametrize("settings", COMBINATIONS, ids=named)
def test_gradients(be: Backend, settings: dict[str, Any]):
    p = Problem(be, config_of(**settings))
    gradients = p.both_passes()
    assert float(be.to_host(p.ws.loss)[0]) == pytest.approx(p.loss(), rel=1e-12)
    for name, gradient in gradients.items():
        check_by_differences(be, name, gradient, p.loss, p.model.params.value[name])


@pytest.mark.parametrize("start", START_NAMES)
@pytest.mark.parametrize("cell", list(CELLS))
def test_a_start_gets_the_errors_of_every_state(be: Backend, cell: str, start: str):
    p = Problem(be, config_of(cell=cell, start=start))
    gradients = p.both_passes()
    names = [name for name in gradients if ".start." in name]
    assert len(names) == (0 if start == "zero" else len(CELLS[cell].states))
    for name in names:
        check_by_differences(be, name, gradients[name], p.loss, p.model.params.value[name])
    if start != "zero":
        plain = Problem(be, config_of(cell=cell, start=start), boundary=False)
        assert not any(plain.both_passes()[name].any() for name in names), "no sequence begins there"


@pytest.mark.parametrize("settings", COMBINATIONS, ids=named)
def test_steps_add_up_to_the_gradient(be: Backend, settings: dict[str, Any]):
    p = Problem(be, config_of(**settings))
    expected = p.both_passes()
    total = {name: np.zeros_like(array) for name, array in expected.items()}
    for step in through_time(p.model, p.ws):
        assert "do" in step.errors
        for name, gradient in host(be, step.gradients).items():
            total[name] += gradient
    for name, gradient in expected.items():
        check_gradient(name, total[name], gradient, 1e-13)


STEPPED = [
    {"input": i, "start": s, "stack": ("recurrent", "gain", "dropout"), "layers": 2, "dropout": 0.3}
    for i in INPUT_NAMES
    for s in START_NAMES
]


@pytest.mark.parametrize("settings", [*STEPPED, {"cell": OUTSIDE_CELL, "head": "squared", "input": "real"}], ids=named)
def test_steps_of_one_lane_are_those_of_the_window(be: Backend, settings: dict[str, Any]):
    model = random_model(be, config_of(**settings))
    window = draw(model.fields, STEPS, 1, boundary=False)
    ws, state, stepper = model.workspace(1, STEPS, train=False), random_state(be, model, 1), Stepper(model)
    Feed(be, ws.batch).load(window)
    model.forward(ws, state)
    stepper.begin(state)
    (field,) = model.parts[0].fields
    for t, expected in enumerate(be.to_host(ws.o)):
        given = window.fields[field.name][t, 0]
        found = be.to_host(stepper.step(int(given) if field.kind == "index" else given))
        np.testing.assert_allclose(found[0], expected, rtol=1e-12, atol=1e-14)


def test_a_sequence_begins_with_what_was_learnt(be: Backend):
    """A carried state from `begin`, without a boundary, and any state where carry is 0, are the same beginning."""
    model = random_model(be, config_of(start="learned", layers=2, cell="lstm"))
    window = draw(model.fields, STEPS, LANES, boundary=False)
    ws, begun, other = model.workspace(LANES, STEPS, train=False), model.state(LANES), random_state(be, model, LANES)
    model.begin(begun)
    Feed(be, ws.batch).load(window)
    model.forward(ws, begun)
    expected = be.to_host(ws.o)
    window.carry[0] = 0
    Feed(be, ws.batch).load(replace(window, has_boundary=True))
    model.forward(ws, other)
    np.testing.assert_allclose(be.to_host(ws.o), expected, rtol=1e-12)
    assert np.abs(be.to_host(begun.layers[1]["c"])).max() > 0.1


class Run:
    """A model of outside parts alone in training, on windows of its own source."""

    def __init__(self, be: Backend, config: TrainConfig, windows_before: int = 0) -> None:
        self.be, self.config = be, config
        self.model = Model(be, config.model)
        self.model.params.initialise(be, config.seed)
        for name in ("scaled.s", *(f"gain.{n}.g" for n in range(config.model.layers))):
            self.model.params.value[name].fill(1)
        self.state = self.model.state(LANES)
        self.optimizer = Optimizer(be, self.model.params, config.optimizer)
        self.ws = self.model.workspace(LANES, STEPS, seed=config.seed)
        self._step = TrainingStep(self.model, self.ws, self.state, self.optimizer)
        self._fed = Feed(be, self.ws.batch).run(Source(self.model.fields, STEPS, LANES, first=windows_before))
        self.windows = windows_before

    def train(self, windows: int) -> list[float]:
        losses = []
        for _ in range(windows):
            next(self._fed)
            self._step(0.02)
            losses.append(float(self.be.to_host(self.ws.loss)[0]))
        self.windows += windows
        return losses

    def checkpoint(self) -> bytes:
        always = Unchanging({}, {"config": self.config.to_json()})
        tensors, header = pack(self.model, self.optimizer, self.state, Progress(windows=self.windows), always)
        return b"".join(encode_checkpoint(tensors, header))


@pytest.fixture
def config() -> TrainConfig:
    model = ModelConfig(symbols=0, hidden=6, layers=2, dropout=0.2, **OUTSIDE)
    return TrainConfig(model, OptimizerConfig("adam", average=0.9), lanes=LANES, bptt=STEPS)


def test_outside_parts_learn(be: Backend, config: TrainConfig):
    """Windows that come again and again, without dropout."""
    losses = Run(be, replace(config, model=replace(config.model, dropout=0.0))).train(200)
    assert np.mean(losses[-30:]) < 0.5 * np.mean(losses[:30])


def test_outside_parts_resume_bit_for_bit(be: Backend, config: TrainConfig, tmp_path: Path):
    whole = Run(be, config)
    whole.train(13)
    first = Run(be, config)
    first.train(7)
    saved = parse_checkpoint(first.checkpoint())
    assert load_config(saved) == config
    second = Run(be, config, windows_before=7)
    assert unpack(saved, second.model, second.optimizer, second.state).windows == 7
    second.train(6)
    assert second.checkpoint() == whole.checkpoint()


def test_a_checkpoint_of_outside_parts_names_what_it_holds(be: Backend, config: TrainConfig):
    names = set(parse_checkpoint(Run(be, config).checkpoint()).tensors)
    assert {"scaled.s", "gain.1.g", "layers.0.start.d", "output.V", "state.1.d", "m.gain.0.g"} <= names


def test_an_input_reads_no_rows(be: Backend, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(INPUTS, "layer", lambda config: GainLayer(config, 0, 3))
    with pytest.raises(UsageError, match=r"^gain.0 \(gain\) reads rows of 3; the first part reads none$"):
        Model(be, config_of(input="layer"))


class Narrow(GainLayer):
    """Says that it reads rows of another width."""

    def __init__(self, config: ModelConfig, number: int, inputs: int) -> None:
        super().__init__(config, number, inputs + 4)


class Namesake(GainLayer):
    """Has the name of a recurrent layer."""

    def __init__(self, config: ModelConfig, number: int, inputs: int) -> None:
        super().__init__(config, number, inputs)
        self.name = "layers.0"


class OtherTargets(GainLayer):
    """Reads the field of a head otherwise."""

    def __init__(self, config: ModelConfig, number: int, inputs: int) -> None:
        super().__init__(config, number, inputs)
        self.fields = (Field("targets", "real", 2),)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            Narrow,
            r"gain.0 \(gain\) reads rows of 7, the part before it, layers.0 \(gru\), hands on rows of 3; "
            "expected the same",
        ),
        (Namesake, "two parts have the name layers.0, gru and gain; expected one of its own each"),
        (
            OtherTargets,
            "field targets: gain.0 reads 2 real numbers a step; output reads whole numbers below 4, one a step; "
            "expected the same",
        ),
    ],
)
def test_parts_that_do_not_go_together_are_named(
    be: Backend, monkeypatch: pytest.MonkeyPatch, layer: Callable[..., Any], message: str
):
    monkeypatch.setitem(LAYERS, "wrong", layer)
    with pytest.raises(UsageError, match=f"^{message}$"):
        Model(be, config_of(stack=("recurrent", "wrong")))


class OthersParameter(GainLayer):
    """Calls a parameter as another part calls one of its own."""

    def __init__(self, config: ModelConfig, number: int, inputs: int) -> None:
        super().__init__(config, number, inputs)
        self.name = "layers"

    def specs(self) -> list[Spec]:
        return [Spec("layers.0.W", (3, 3), "uniform")]


class Stray(GainLayer):
    """Calls a parameter after no part."""

    def specs(self) -> list[Spec]:
        return [Spec("factor", (3,))]


@pytest.mark.parametrize(
    ("table", "settings", "entry", "message"),
    [
        (INPUTS, {"input": "wrong"}, lambda *a: None, r"INPUTS\['wrong'\]: .*makes a Part, it made a NoneType"),
        (LAYERS, {"stack": ("wrong",)}, 5, r"LAYERS\['wrong'\]: .*makes a Part, it made a int"),
        (HEADS, {"head": "wrong"}, lambda *a: GainLayer(*a[:1], 0, 3), r"HEADS\['wrong'\]: .*a Head, .* a GainLayer"),
        (STARTS, {"start": "wrong"}, lambda *a: None, r"STARTS\['wrong'\]: expected a Start, found NoneType"),
        (CELLS, {"cell": "wrong"}, "gru", r"CELLS\['wrong'\]: expected a Cell, found str"),
        (LAYERS, {"stack": ("recurrent", "wrong")}, Stray, r"gain.0 \(gain\): parameter factor: .* after gain.0."),
        (
            LAYERS,
            {"stack": ("recurrent", "wrong")},
            OthersParameter,
            "layers.0 and layers both have a parameter layers.0.W; rename one",
        ),
    ],
)
def test_an_entry_that_makes_no_part_is_named(
    be: Backend,
    monkeypatch: pytest.MonkeyPatch,
    table: dict[str, Any],
    settings: dict[str, Any],
    entry: Any,
    message: str,
):
    monkeypatch.setitem(table, "wrong", entry)
    with pytest.raises(UsageError, match=f"^{message}$"):
        Model(be, config_of(**settings))


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("unit", None, "expected a unit, in words"),
        ("error_op", 5, "error_op: expected a FusedOp of 5 arguments, found int"),
        ("loss_op", HalfSquaredHead.error_op, "loss_op: expected a FusedOp of 3 arguments, found one of 5"),
    ],
)
def test_a_head_without_what_it_needs_is_named(
    be: Backend, monkeypatch: pytest.MonkeyPatch, attribute: str, value: Any, message: str
):
    monkeypatch.setitem(HEADS, "wrong", type("Wrong", (HalfSquaredHead,), {attribute: value}))
    with pytest.raises(UsageError, match=f"^head half-squared: {message}$"):
        Model(be, config_of(head="wrong"))


def test_an_entry_may_raise_what_it_likes(be: Backend, monkeypatch: pytest.MonkeyPatch):
    def impatient(*arguments: Any) -> None:
        raise RuntimeError("not today")

    monkeypatch.setitem(LAYERS, "wrong", impatient)
    with pytest.raises(RuntimeError, match="not today"):
        Model(be, config_of(stack=("wrong",)))


def test_a_field_is_held_to_its_declaration():
    """A window's and a batch's own names are no fields: asked for, they would give something else."""
    taken = {*dir(Window), *vars(Batch(backend.get("cpu"), (), np.float32, 1, 1, train=True)), *dir(Batch)}
    for name in sorted(taken):
        with pytest.raises(UsageError, match="^field '?" + name):
            Field(name, "real")
    for width, below in ((-1, 0), ("3", 0), (True, 0), (2.0, 0), (0, 4), (10**30, 0)):
        with pytest.raises(UsageError, match=r"^field x: "):
            Field("x", "real", width, below)  # type: ignore[arg-type]
    assert Field("x", "real", np.int64(3)).shape(2) == (2, 3)


def test_a_layer_that_cannot_read_symbols_says_so(be: Backend):
    model = random_model(be, config_of(stack=("dropout", "recurrent"), dropout=0.5))
    with pytest.raises(UsageError, match=r"dropout.0: expected rows of numbers from the part .*, found symbols"):
        model.workspace(LANES, STEPS)


@pytest.mark.parametrize(
    ("has", "message"),
    [
        (
            (Field("tokens", "index", below=4),),
            "words.h5: it has no field sensors, which scaled reads; its fields are tokens",
        ),
        ((), "words.h5: it has no field sensors, which scaled reads; its fields are none"),
        (
            (Field("sensors", "real", 2),),
            "words.h5: field sensors has 2 real numbers a step; scaled reads 3 real numbers a step",
        ),
        ((Field("sensors", "index", below=9),), "words.h5: field sensors has whole numbers below 9, one a step"),
    ],
)
def test_a_field_that_a_source_lacks_is_named(be: Backend, has: tuple[Field, ...], message: str):
    model = Model(be, ModelConfig(0, **OUTSIDE))
    with pytest.raises(DataError, match=f"^{message}"):
        expect_fields(readers(model.parts), "words.h5", has)
    ws = model.workspace(LANES, STEPS)
    with pytest.raises(UsageError, match="the model reads the field sensors, 3 real numbers a step; the windows have"):
        Feed(be, ws.batch).run(Source(has, STEPS, LANES))


@pytest.mark.parametrize("wrong", [[0.5], [1, 2, np.nan], [1, 2, "3"], 4])
def test_a_step_takes_finite_numbers_only(be: Backend, wrong: Any):
    model = random_model(be, config_of(input="real", inputs=3))
    with pytest.raises(UsageError, match=r"reals: expected finite real numbers, \(3,\), found"):
        Stepper(model).step(wrong)


def test_a_window_with_a_number_that_is_not_finite_is_refused(be: Backend):
    p = Problem(be, config_of(input="real"))
    reals = p.window.reals.copy()
    reals[2, 1, 3] = np.inf
    with pytest.raises(UsageError, match=r"reals: expected finite numbers, .* found another at step 2 of lane 1"):
        Feed(be, p.ws.batch).load(replace(p.window, reals=reals))


def test_a_target_may_be_missing_but_not_infinite(be: Backend):
    p = Problem(be, config_of(input="real", head="absolute"))
    targets = np.full_like(p.window.targets, np.nan)
    Feed(be, p.ws.batch).load(replace(p.window, targets=targets))
    targets[2, 1, 3] = -np.inf
    with pytest.raises(UsageError, match=r"targets: expected finite numbers or NaN, .* found another at step 2 of lan"):
        Feed(be, p.ws.batch).load(replace(p.window, targets=targets))


def test_what_is_missing_goes_to_who_can_do_without():
    whole, holed = Field("x", "real", 2), Field("x", "real", 2, missing=True)
    assert (whole.fits(holed), holed.fits(whole), whole.alike(holed)) == (True, False, False)
    assert str(holed) == "2 real numbers a step, NaN where one is missing"
    with pytest.raises(UsageError, match=r"^field x: only real numbers can be missing$"):
        Field("x", "index", below=3, missing=True)


def test_a_number_that_the_batch_cannot_hold_is_refused(be: Backend):
    """It would be an infinity there: float64 numbers for a model of float32."""
    p = Problem(be, config_of(input="real", dtype="float32"))
    reals = p.window.reals.astype(np.float64)
    reals[2, 1, 3] = -1e300
    with pytest.raises(UsageError, match=r"reals: expected .*float32 holds, found another at step 2 of lane 1"):
        Feed(be, p.ws.batch).load(replace(p.window, reals=reals))
    with pytest.raises(UsageError, match="reals: expected finite real numbers"):
        Stepper(p.model).step(reals[2, 1])


def test_a_window_can_be_copied_and_pickled(be: Backend):
    window = draw(Problem(be, config_of(input="real")).model.fields, STEPS, LANES, boundary=True)
    for other in (pickle.loads(pickle.dumps(window)), copy.deepcopy(window)):
        assert (other.index, other.cursor, list(other.fields)) == (window.index, window.cursor, list(window.fields))
        assert np.array_equal(other.reals, window.reals) and np.array_equal(other.carry, window.carry)
