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
    ],
)
def test_a_value_out_of_range_is_named(field: str, value: Any, message: str):
    with pytest.raises(UsageError, match=f"^{message}$") as caught:
        ModelConfig(**({"symbols": 5} | {field: value}))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("field", "value"), [("hidden", 1), ("layers", 1), ("embedding", 0), ("dropout", 0.0)])
def test_the_smallest_values_are_allowed(field: str, value: Any):
    assert getattr(ModelConfig(**({"symbols": 1} | {field: value})), field) == value


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_real(dtype: str):
    assert ModelConfig(3, dtype=dtype).real == np.dtype(dtype)
