"""What a model's configuration refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpurnn.exceptions import UsageError
from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("symbols", 0, "symbols: expected at least 1, found 0; or give both inputs and outputs"),
        ("hidden", 0, "hidden: expected at least 1, found 0"),
        ("layers", -1, "layers: expected at least 1, found -1"),
        ("embedding", -2, "embedding: expected 0 or more, found -2"),
        ("dropout", 1.0, "dropout: expected 0 <= value < 1, found 1.0"),
        ("dropout", -0.1, "dropout: expected 0 <= value < 1, found -0.1"),
        ("dropout", float("nan"), "dropout: expected 0 <= value < 1, found nan; it has to be finite"),
        ("dtype", "float16", "dtype: expected one of float32, float64, found 'float16'"),
        ("cell", "elman", f"cell: expected one of {', '.join(CELLS)}, found 'elman'"),
        ("init", "zeros", "init: expected one of .*, found 'zeros'"),
        ("forget_bias", float("inf"), "forget_bias: expected a finite number, found inf"),
        ("recurrent_init", "eye", "recurrent_init: expected one of .*, found 'eye'"),
        ("quantiles", [0.5], "quantiles: they are for the head quantile, found softmax; leave one of them out"),
        ("quantiles", [float("nan")], r"quantiles: expected a finite number, found \(nan,\)"),
        ("quantiles", ["0.5"], r"quantiles: expected a list of finite numbers, found \['0.5'\]"),
        ("pool", "min", "pool: expected one of .*, found 'min'"),
        (
            "label_smoothing",
            0.1,
            "label_smoothing: expected above 0 for the head smoothed_softmax alone, found 0.1 for the head softmax",
        ),
        ("label_smoothing", 1.0, "label_smoothing: expected 0 <= value < 1, found 1.0"),
        ("head", "smoothed_softmax", "label_smoothing: .* alone, found 0 for the head smoothed_softmax"),
        ("head", "quantile", r"quantiles: expected numbers between 0 and 1, rising, such as .*, found \(\)"),
    ],
)
def test_a_value_out_of_range_is_named(field: str, value: Any, message: str):
    with pytest.raises(UsageError, match=f"^{message}$") as caught:
        ModelConfig(**({"symbols": 5} | {field: value}))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("field", "value"), [("hidden", 1), ("layers", 1), ("embedding", 0), ("dropout", 0.0)])
def test_the_smallest_values_are_allowed(field: str, value: Any):
    assert getattr(ModelConfig(**({"symbols": 1} | {field: value})), field) == value


@pytest.mark.parametrize("levels", [(0.5, 0.1), (0.5, 0.5), (0.0, 0.5), (0.5, 1.0), (-0.1,), (2.0,)])
def test_quantiles_rise_between_0_and_1(levels: tuple[float, ...]):
    with pytest.raises(UsageError, match=r"^quantiles: expected numbers between 0 and 1, rising, such as .*, found"):
        ModelConfig(6, head="quantile", quantiles=levels)


def test_each_target_has_all_quantiles():
    assert ModelConfig(6, head="quantile", quantiles=[0.1, np.float32(0.5), 0.9]).quantiles == (0.1, 0.5, 0.9)
    with pytest.raises(UsageError, match=r"^outputs: expected as many .* found 4 outputs for 3 quantiles$"):
        ModelConfig(4, head="quantile", quantiles=(0.1, 0.5, 0.9))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_real(dtype: str):
    assert ModelConfig(3, dtype=dtype).real == np.dtype(dtype)


def test_what_earlier_models_had_not_is_left_out_of_their_files():
    assert not {"pool", "label_smoothing"} & set(ModelConfig(3).to_json())
    config = ModelConfig(3, pool="last", head="smoothed_softmax", label_smoothing=0.1)
    written = config.to_json()
    assert (written["pool"], written["label_smoothing"]) == ("last", 0.1)
    assert ModelConfig(**ModelConfig.completed(ModelConfig(3).to_json())) == ModelConfig(3)
