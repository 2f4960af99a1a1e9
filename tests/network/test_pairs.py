"""Models of pairs and of captions: gradients by differences, packed windows by their pairs one by one, step by step."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.exceptions import UsageError
from gpurnn.network import Model, ModelConfig
from gpurnn.network.through_time import through_time

from .helpers import check_by_differences, check_gradient, host, random_model
from .packedpairs import PACKED, SYMBOLS, Fed, Pair, captions_of, config_of, window_of

ONE, BOTH = ("recurrent", "dropout"), ("both_directions", "dropout")
KINDS = {
    "start into both": {},
    "start into one": {"encoder": ONE, "layers": 1},
    "one-hot": {"embedding": 0, "source_embedding": 0, "cell": "lstm"},
    "wide": {"cell": "simple", "hidden": 5, "layers": 1},
}
CONFIGS = {name: config_of(**settings) for name, settings in KINDS.items()}
CONFIGS |= {f"vector, {cell}": captions_of(cell=cell) for cell in ("lstm", "gru")}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_gradients(be: Backend, config: ModelConfig):
    """Of packed pairs, in a workspace with room for more steps of both sides, and a sequence that is not there."""
    fed = Fed(be, config)
    gradients, loss = fed.gradients(), float(be.to_host(fed.ws.loss)[0])
    for name, array in fed.model.params.value.items():
        check_by_differences(be, name, gradients[name], fed.objective, array)
    assert loss == pytest.approx(fed.objective(), rel=1e-13)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_packed_window_is_its_pairs_one_by_one(be: Backend, config: ModelConfig):
    fed = Fed(be, config)
    logits, gradients = fed.outputs(), fed.gradients()
    total = {name: np.zeros_like(gradient) for name, gradient in gradients.items()}
    for number, pair in enumerate(PACKED):
        alone = Fed(be, fed.model, alone_of(fed, number), spare=0)
        found = alone.outputs()[:, 0]
        np.testing.assert_allclose(found, logits[pair.steps, pair.lane], rtol=1e-12, atol=1e-13)
        share = alone.window.weight_sum / fed.window.weight_sum
        for name, gradient in alone.gradients().items():
            total[name] += share * gradient
    for name, gradient in gradients.items():
        check_gradient(name, total[name], gradient, 1e-12)


def alone_of(fed: Fed, number: int) -> Any:
    """The window of one pair, with its weights and its vector."""
    pair = PACKED[number]
    one = Pair(pair.source, pair.target, 0, 0, 0)
    steps = pair.steps.stop - pair.steps.start
    window = window_of((one,), steps=steps, source_steps=len(pair.source), lanes=1, sequences=1)
    window.weight[:, 0] = fed.window.weight[pair.steps, pair.lane]
    window.fields["vectors"][0] = fed.window.vectors[number]
    object.__setattr__(window, "weight_sum", float(window.weight.sum()))
    return window


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


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_what_is_decoded_step_by_step_is_what_forward_says(be: Backend, config: ModelConfig):
    """Each pair in a lane of its own, the state carried from step to step; then once more from what was encoded."""
    lanes = len(PACKED)
    pairs = [Pair(pair.source, (*pair.target, 0, 0, 0, 0)[:4], lane, 0, 0) for lane, pair in enumerate(PACKED)]
    window = window_of(pairs, steps=5, source_steps=7, lanes=lanes, sequences=lanes)
    fed = Fed(be, config, window, spare=0)
    expected = fed.outputs()
    model, ws = fed.model, fed.model.workspace(lanes, 1, source=7, sequences=lanes, train=False)
    for name in set(ws.batch.arrays) - {"tokens", "targets", "pair"}:
        be.from_host(be.to_host(fed.ws.batch.arrays[name]), out=ws.batch.arrays[name])
    be.from_host(window.pair[0].astype(be.index_dtype), out=ws.batch.pair)
    ws.batch.begin(1, [True], 7, [True] * 7)
    model.encode(ws)
    for _ in range(2):
        state = model.state(lanes)
        for t in range(5):
            be.from_host(window.tokens[t].astype(be.index_dtype), out=ws.batch.tokens)
            ws.batch.carry.fill(0 if t == 0 else 1)
            ws.batch.begin(1, [True] if t == 0 else None)
            model.decode(ws, state)
            np.testing.assert_allclose(be.to_host(ws.o), expected[t], rtol=1e-12, atol=1e-13)
            model.carry_out(ws, state)


def test_starts_of_pairs_by_hand(be: Backend):
    """What the first step of each target sees: tanh(x P + b) of the last rows of its source, in either direction."""
    fed = Fed(be, config_of(cell="lstm"))
    fed.model.forward(fed.ws, fed.state)
    rows = be.to_host(fed.ws.passes[0].rows.value).reshape(-1, 3, 6)
    value = host(be, fed.model.params.value)
    for layer, carrying in enumerate(fed.ws.layers):
        begins = be.to_host(carrying.loop._begins.values)
        for pair in PACKED:
            last = pair.source_at + len(pair.source) - 1
            x = np.concatenate([rows[last, pair.lane, :3], rows[pair.source_at, pair.lane, 3:]])
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
    assert model.params.value["layers.0.start.h.P"].shape == (6, 3)
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
        ({"start": "vector"}, r"^vectors: expected at least 1 number for the start vector, found 0$"),
    ],
)
def test_settings_that_do_not_go_together(be: Backend, settings: dict[str, Any], message: str):
    with pytest.raises(UsageError, match=message):
        Model(be, config_of(**settings))


def test_a_workspace_has_room_for_what_the_model_reads(be: Backend):
    model = random_model(be, config_of())
    for size in ("source", "sequences"):
        sizes = {"source": 4, "sequences": 2} | {size: 0}
        with pytest.raises(UsageError, match=f"^{size}: expected at least 1, the model reads the field "):
            model.workspace(3, 4, **sizes)
    text = random_model(be, ModelConfig(SYMBOLS, hidden=3))
    assert text.workspace(3, 4, source=7, sequences=5).batch.sizes == (3, 4, 0, 0)
