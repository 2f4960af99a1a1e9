"""Every setting of every configuration is finite, in its range and of its type; NumPy's numbers become Python's."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gpurnn.exceptions import UsageError
from gpurnn.generation.sampler import Sampling
from gpurnn.network import ModelConfig
from gpurnn.settings import base_of, choices_of, field_kinds
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig

CONFIGS: dict[type, dict[str, Any]] = {
    ModelConfig: {"symbols": 5},
    OptimizerConfig: {},
    ScheduleConfig: {},
    TrainConfig: {"model": ModelConfig(5)},
    Limits: {},
    Sampling: {},
}
BAD: dict[type, list[Any]] = {
    int: [True, np.True_, 2.0, np.float64(2), float("nan"), "2", [2], -1, np.int64(-1)],
    float: [True, np.True_, "0.5", [0.5], 10**400, 1j, np.array(0.5)]
    + [number(bad) for number in (float, np.float32, np.float64) for bad in ("nan", "inf", "-inf")],
    str: ["no such", 1, b"adam", ["adam"]],
}
PLAIN = (int, float, str)
FIELDS = [(config, name, kind) for config in CONFIGS for name, kind in field_kinds(config).items()]


def made(config: type, **changes: Any) -> Any:
    return config(**(CONFIGS[config] | changes))


NEEDED: dict[str, dict[str, Any]] = {
    "label_smoothing": {"head": "smoothed_softmax"},
    "source": {"encoder": ("recurrent",)},
    "source_embedding": {"source": 2, "encoder": ("recurrent",)},
}
"""What a field does not stand without."""


@pytest.mark.parametrize(("config", "name", "kind"), FIELDS, ids=[f"{c.__name__}-{n}" for c, n, _ in FIELDS])
def test_a_field_takes_nothing_but_what_it_is_declared_to_be(config: type, name: str, kind: Any):
    for bad in BAD.get(base_of(kind), [{}, None, "lstm"]):
        with pytest.raises(UsageError, match=r"expected .*, found") as caught:
            made(config, **{name: bad})
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("config", "name", "kind"), FIELDS, ids=[f"{c.__name__}-{n}" for c, n, _ in FIELDS])
def test_numbers_of_numpy_become_plain_ones(config: type, name: str, kind: Any):
    given = {int: np.int16(3), float: np.float32(0.5)}.get(base_of(kind), getattr(made(config), name))
    if choices := choices_of(kind):
        given = list(choices)[-1]
    value = getattr(made(config, **NEEDED.get(name, {}) | {name: given}), name)
    assert value == given
    assert type(value) is base_of(kind)


def test_a_configuration_of_numpy_numbers_can_be_written():
    config = TrainConfig(ModelConfig(np.int64(7), hidden=np.int32(4)), OptimizerConfig(clip=np.float32(2)))
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json())), "here") == config


@pytest.mark.parametrize("name", [name for c, name, kind in FIELDS if c is TrainConfig and base_of(kind) is int])
def test_no_number_is_too_large_to_be_stored(name: str):
    with pytest.raises(UsageError, match=rf"^{name}: expected .*less than 2\*\*63, found 9223372036854775808$"):
        made(TrainConfig, **{name: 2**63})


@pytest.mark.parametrize(("optimizer", "decay"), [("adamw", 0.02), ("adam", 0.0), ("sgd", 0.0), ("rmsprop", 0.0)])
def test_weight_decay_is_the_optimizers_own_unless_given(optimizer: str, decay: float):
    assert OptimizerConfig(optimizer).weight_decay == decay
    assert OptimizerConfig(optimizer, weight_decay=0.3).weight_decay == 0.3


# One name a setting, and the names of before


def test_a_name_is_that_of_one_setting():
    trained_with = (ModelConfig, OptimizerConfig, ScheduleConfig, TrainConfig, Limits)
    names = [name for config in trained_with for name, kind in field_kinds(config).items() if base_of(kind) in PLAIN]
    assert [name for name, count in Counter(names).items() if count > 1] == []


FILED = (
    '{"model": {"symbols": 7, "cell": "lstm", "hidden": 256, "layers": 1, "embedding": 0, "dropout": 0.15, '
    '"dtype": "float32", "init": "uniform", "recurrent_init": "", "forget_bias": 1.0}, '
    '"optimizer": {"name": "sgd", "clip_norm": 2.0, "clip_value": 0.0, "weight_decay": 0.0, "momentum": 0.0, '
    '"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-08, "average": 0.1}, '
    '"schedule": {"name": "step", "rate": 0.5, "warmup": 0, "every": 9, "factor": 0.25, "floor": 0.125, '
    '"decay_windows": 0, "patience": 4}, '
    '"lanes": 32, "steps": 16, "restart": 0.02, "seed": 1, "log_every": 50, "validate_every": 200, '
    '"validate_windows": 60, "judged_lanes": "all", "patience": 3, "skip_limit": 25, "on_divergence": "count", '
    '"divergence_nats": 1.0}'
)
"""What config.json and checkpoints say of a run, byte by byte."""


def test_the_keys_of_files_stay_what_they_are():
    config = TrainConfig(
        ModelConfig(7),
        OptimizerConfig("sgd", clip=2),
        ScheduleConfig("step", lr=0.5, decay_every=9, decay_factor=0.25, lr_floor=0.125, decay_patience=4),
        bptt=16,
        counted_lanes="all",
        patience=3,
    )
    assert json.dumps(config.to_json()) == FILED
    assert TrainConfig.from_json(json.loads(FILED), "here") == config


FORMER: list[tuple[type, str, str, Any]] = [
    (TrainConfig, "steps", "bptt", 16),
    (TrainConfig, "judged_lanes", "counted_lanes", "all"),
    (OptimizerConfig, "name", "optimizer", "sgd"),
    (OptimizerConfig, "clip_norm", "clip", 2.0),
    (ScheduleConfig, "name", "schedule", "constant"),
    (ScheduleConfig, "rate", "lr", 0.5),
    (ScheduleConfig, "every", "decay_every", 9),
    (ScheduleConfig, "factor", "decay_factor", 0.25),
    (ScheduleConfig, "floor", "lr_floor", 0.125),
    (ScheduleConfig, "patience", "decay_patience", 4),
]


@pytest.mark.parametrize(
    ("config", "former", "name", "value"), FORMER, ids=[f"{c.__name__}-{n}" for c, n, *_ in FORMER]
)
def test_the_name_of_before_works_with_a_warning(config: type, former: str, name: str, value: Any):
    expected, warning = made(config, **{name: value}), rf"^{former} is now called {name}$"
    with pytest.warns(DeprecationWarning, match=warning) as caught:
        assert made(config, **{former: value}) == expected
    assert caught[0].filename == __file__
    with pytest.warns(DeprecationWarning, match=warning) as caught:
        assert getattr(expected, former) == value
    assert caught[0].filename == __file__
    with pytest.warns(DeprecationWarning, match=warning):
        assert getattr(replace(made(config), **{former: value}), name) == value
    with pytest.warns(DeprecationWarning, match=warning):
        assert getattr(config, former) == getattr(config, name)
