"""Models of pairs and of captions: gradients by differences, packed windows by their pairs one by one, step by step."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.data.stream import Window
from gpurnn.exceptions import UsageError
from gpurnn.network import Model, ModelConfig
from gpurnn.network.attentions import ATTENTIONS
from gpurnn.network.starts import STARTS
from gpurnn.network.stepper import Stepper
from gpurnn.network.through_time import through_time

from .helpers import check_by_differences, check_gradient, host, random_model
from .packedpairs import LANES, PACKED, SOURCE_STEPS, STEPS, SYMBOLS, Fed, Pair, captions_of, config_of, window_of

ONE, BOTH = ("recurrent", "dropout"), ("both_directions", "dropout")
KINDS: dict[str, dict[str, Any]] = {
    "start into both": {"dropout": 0.3, "layers": 1},
    "start into one": {"encoder": ONE, "layers": 1, "cell": "simple"},
    "one-hot": {"embedding": 0, "source_embedding": 0, "cell": "lstm", "layers": 1},
    "dot": {"attention": "dot", "cell": "lstm", "dropout": 0.3},
    "dot alone": {"attention": "dot", "start": "learned", "encoder": ONE, "layers": 1},
    "additive": {"attention": "additive", "layers": 1},
    "additive alone": {"attention": "additive", "start": "zero", "layers": 1, "cell": "simple"},
}
CONFIGS = {name: config_of(**settings) for name, settings in KINDS.items()}
CONFIGS |= {f"vector, {cell}": captions_of(cell=cell) for cell in ("lstm", "gru")}
"""Of few widths: on the emulated device each takes time to compile."""


def test_the_configurations_leave_no_part_out():
    """A part that is added to a table of the package has to be added here, or in test_parts.py."""
    assert {config.start for config in CONFIGS.values()} >= set(STARTS)
    assert {config.attention for config in CONFIGS.values()} >= set(ATTENTIONS)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_gradients(be: Backend, config: ModelConfig):
    """Of packed pairs, in a workspace with room for more steps of both sides, and a sequence that is not there."""
    fed = Fed(be, config)
    gradients, loss = fed.gradients(), float(be.to_host(fed.ws.loss)[0])
    for name, array in fed.model.params.value.items():
        check_by_differences(be, name, gradients[name], fed.objective, array)
    assert loss == pytest.approx(fed.objective(), rel=1e-13)


@pytest.mark.parametrize("config", [replace(config, dropout=0.0) for config in CONFIGS.values()], ids=CONFIGS)
def test_a_packed_window_is_its_pairs_one_by_one(be: Backend, config: ModelConfig):
    """Outputs and gradients; each pair alone lies at other places."""
    fed = Fed(be, config)
    logits, gradients = fed.outputs(), fed.gradients()
    total = {name: np.zeros_like(gradient) for name, gradient in gradients.items()}
    for number, pair in enumerate(PACKED):
        alone = Fed(be, fed.model, alone_of(fed, number))
        steps = pair.steps.stop - pair.steps.start
        found = alone.outputs()[-steps:, (pair.lane + 1) % LANES]
        np.testing.assert_allclose(found, logits[pair.steps, pair.lane], rtol=1e-12, atol=1e-13)
        share = alone.window.weight_sum / fed.window.weight_sum
        for name, gradient in alone.gradients().items():
            total[name] += share * gradient
    for name, gradient in gradients.items():
        check_gradient(name, total[name], gradient, 1e-12)


def alone_of(fed: Fed, number: int) -> Window:
    """The window of one pair, with its weights and its vector, at the ends of another lane."""
    pair, steps = PACKED[number], PACKED[number].steps.stop - PACKED[number].steps.start
    lane = (pair.lane + 1) % LANES
    moved = Pair(pair.source, pair.target, lane, SOURCE_STEPS - len(pair.source), STEPS - steps)
    window = window_of((moved,), sequences=len(PACKED) + 1)
    window.weight[moved.steps, lane] = fed.window.weight[pair.steps, pair.lane]
    window.fields["vectors"][0] = fed.window.vectors[number]
    return replace(window, weight_sum=float(window.weight.sum()))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_steps_add_up(be: Backend, config: ModelConfig):
    """What each step contributes to the gradient."""
    fed = Fed(be, config)
    gradients = fed.gradients()
    total = {name: np.zeros_like(gradient) for name, gradient in gradients.items()}
    for step in through_time(fed.model, fed.ws):
        for name, gradient in host(be, step.gradients).items():
            total[name] += gradient
    for name, gradient in gradients.items():
        check_gradient(name, total[name], gradient, 1e-12)


@pytest.mark.parametrize("config", [replace(config, dropout=0.0) for config in CONFIGS.values()], ids=CONFIGS)
def test_what_is_decoded_step_by_step_is_what_forward_says(be: Backend, config: ModelConfig):
    """Each pair in a lane of its own, the state carried from step to step; then once more from what was encoded."""
    chosen, steps, sequences = (PACKED[0], PACKED[3], PACKED[2]), 4, len(PACKED) + 1
    pairs = [Pair(pair.source, (*pair.target, 0, 0)[:3], lane, 0, 0) for lane, pair in enumerate(chosen)]
    window = window_of(pairs, steps=steps, sequences=sequences)
    fed = Fed(be, config, window)
    expected, arrays = fed.outputs(), fed.ws.batch.arrays
    model, ws = fed.model, fed.model.workspace(LANES, 1, source=SOURCE_STEPS + 1, sequences=sequences, train=False)
    for name in set(ws.batch.arrays) - {"tokens", "targets", "pair"}:
        be.from_host(be.to_host(arrays[name]), out=ws.batch.arrays[name])
    if "pair" in arrays:
        be.from_host(window.pair[0].astype(be.index_dtype), out=ws.batch.pair)
    ws.batch.begin(1, [True], SOURCE_STEPS, [True] * SOURCE_STEPS)
    model.encode(ws)
    for _ in range(2):
        state = model.state(LANES)
        model.begin(state)
        for t in range(steps):
            be.from_host(window.tokens[t].astype(be.index_dtype), out=ws.batch.tokens)
            ws.batch.carry.fill(0 if t == 0 else 1)
            ws.batch.begin(1, [True] if t == 0 else None)
            model.decode(ws, state)
            np.testing.assert_allclose(be.to_host(ws.o), expected[t], rtol=1e-12, atol=1e-13)
            model.carry_out(ws, state)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_what_a_step_sees_by_a_plain_loop(be: Backend, attention: str):
    """The weights of each step, over the source of its own pair alone, and what it makes of them."""
    fed = Fed(be, config_of(attention=attention))
    fed.model.forward(fed.ws, fed.state)
    seen, (below,) = fed.ws.attention, [each for each in fed.ws.passes if each.part.name == "dropout.1"]
    assert seen is not None
    e = be.to_host(fed.ws.passes[0].rows.value).reshape(SOURCE_STEPS + 1, LANES, -1)
    y, out, weights = (
        be.to_host(each).reshape(STEPS + 1, LANES, -1) for each in (below.y.value, seen.y.value, seen.weights)
    )
    value = {name.removeprefix("attention."): each for name, each in host(be, fed.model.params.value).items()}
    for pair in PACKED:
        source, lane = slice(pair.source_at, pair.source_at + len(pair.source)), pair.lane
        for t in range(pair.steps.start, pair.steps.stop):
            q, scores = y[t, lane] @ value["W_q"], []
            for row in e[source, lane]:
                scores.append(
                    float(q @ row if attention == "dot" else np.tanh(q + row @ value["W_k"]) @ value["v"][:, 0])
                )
            shares = [math.exp(score) for score in scores]
            expected = np.zeros(SOURCE_STEPS + 1)
            expected[source] = np.array(shares) / sum(shares)
            np.testing.assert_allclose(weights[t, lane], expected, rtol=1e-12)
            both = np.concatenate([expected[source] @ e[source, lane], y[t, lane]])
            np.testing.assert_allclose(out[t, lane], np.tanh(both @ value["W_o"] + value["b"]), rtol=1e-11)


def test_a_model_with_attention_cannot_be_stepped(be: Backend):
    with pytest.raises(
        UsageError, match=r"^attention \(dot\): a model with it cannot be stepped, .* run `model.encode`, "
    ):
        Stepper(random_model(be, config_of(attention="dot")))


def test_starts_of_pairs_by_hand(be: Backend):
    """What the first step of each target sees: tanh(x P + b) of the last rows of its source, in either direction."""
    fed = Fed(be, config_of(cell="lstm"))
    fed.model.forward(fed.ws, fed.state)
    rows = be.to_host(fed.ws.passes[0].rows.value).reshape(-1, LANES, 8)
    value = host(be, fed.model.params.value)
    for layer, carrying in enumerate(fed.ws.layers):
        begins = be.to_host(carrying.loop._begins.values)
        for pair in PACKED:
            last = pair.source_at + len(pair.source) - 1
            x = np.concatenate([rows[last, pair.lane, :4], rows[pair.source_at, pair.lane, 4:]])
            for state, found in zip(("h", "c"), begins, strict=True):
                name = f"layers.{layer}.start.{state}"
                expected = np.tanh(x @ value[f"{name}.P"] + value[f"{name}.b"])
                np.testing.assert_allclose(found[pair.at, pair.lane], expected, rtol=1e-12)


def test_names_of_parameters(be: Backend):
    model = Model(be, config_of(layers=1))
    encoder = {f"encoder.layers.0.{prefix}{name}" for prefix, name in product(("", "reverse."), ("U", "W", "b", "b_h"))}
    start = {f"layers.0.start.h.{name}" for name in "Pb"}
    own = {f"layers.0.{name}" for name in ("U", "W", "b", "b_h")} | {"embedding.table", "output.V", "output.c"}
    assert set(model.params.value) == {"encoder.embedding.table"} | encoder | start | own
    assert model.params.value["layers.0.start.h.P"].shape == (8, 4)
    assert model.params.value["encoder.embedding.table"].shape == (6, 2)


def test_settings_stand_in_json_only_where_they_are_used():
    assert not {"source", "encoder", "source_embedding", "attention", "vectors"} & set(ModelConfig(5).to_json())
    config = config_of()
    assert ModelConfig(**ModelConfig.completed(config.to_json()) | {"stack": ONE, "encoder": BOTH}) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": 0}, r"^source: expected at least 1 for an encoder, found 0"),
        ({"encoder": ()}, r"^encoder: expected names among .*, found \(\)$"),
        ({"encoder": ("recurrent", "none")}, r"^encoder: expected names among"),
        ({"encoder": ("recurrent",) * 3000}, r"^encoder: expected at most 4096 in all, found 3000 x 2 layers$"),
        ({"source": 0, "encoder": (), "source_embedding": 0}, r"^source: expected at least 1 symbol for the start enc"),
        (
            {"source": 0, "encoder": (), "source_embedding": 0, "start": "zero", "attention": "dot"},
            r"^source: expected at least 1 symbol for the attention dot, found 0$",
        ),
        ({"stack": BOTH}, r"^stack: layers of both directions cannot begin with the start encoder, "),
        ({"attention": "sharp"}, r"^attention: expected one of"),
        ({"start": "vector"}, r"^vectors: expected at least 1 number for the start vector, found 0$"),
    ],
)
def test_settings_that_do_not_go_together(be: Backend, settings: dict[str, Any], message: str):
    with pytest.raises(UsageError, match=message):
        Model(be, config_of(**settings))


def test_a_workspace_has_room_for_what_the_model_reads():
    be = backend.get("cpu")
    model = random_model(be, config_of())
    for size in ("source", "sequences"):
        sizes = {"source": 4, "sequences": 2} | {size: 0}
        with pytest.raises(UsageError, match=f"^{size}: expected at least 1, the model reads the field "):
            model.workspace(3, 4, **sizes)
    text = random_model(be, ModelConfig(SYMBOLS, hidden=3))
    assert text.workspace(3, 4, source=7, sequences=5).batch.sizes == (3, 4, 0, 0, 0)
