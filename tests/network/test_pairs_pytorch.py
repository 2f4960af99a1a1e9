"""Models of pairs beside PyTorch's encoder-decoders with the same parameters, which read one pair at a time."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.network import Model

from .helpers import check_gradient
from .packedpairs import Fed, Pair, config_of, window_of

VALUES = Path(__file__).resolve().parent.parent / "goldens" / "pytorch_pairs.npz"
"""Written by make_pytorch_pairs.py."""
PLACES = ((1, 0, 2), (0, 0, 0), (0, 2, 4), (1, 5, 6))
"""Lane, first step of the source, and of the target, of each pair here."""


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    with np.load(VALUES) as values:
        return dict(values)


@pytest.mark.parametrize(("attention", "cell"), [("", "lstm"), ("dot", "gru"), ("additive", "lstm")])
def test_outputs_and_gradients_are_those_of_pytorch(
    be: Backend, stored: dict[str, np.ndarray], attention: str, cell: str
):
    name = attention or "none"
    sides = []
    for side in ("source", "target"):
        ends = np.cumsum(stored[f"{side}_lengths"])[:-1]
        sides.append([tuple(part.tolist()) for part in np.split(stored[f"{side}s"], ends)])
    pairs = [Pair(source, target, *place) for source, target, place in zip(*sides, PLACES, strict=True)]
    window = window_of(pairs, lanes=2)
    weight = np.zeros_like(window.weight)
    for pair in pairs:
        weight[pair.steps, pair.lane] = 1
    window = replace(window, weight=weight, weight_sum=float(weight.sum()))
    model = Model(be, config_of(cell=cell, attention=attention, hidden=3, layers=2))
    model.params.load(be, by_name(stored[f"{name}.values"], model), "PyTorch")
    fed = Fed(be, model, window)
    outputs = fed.outputs()
    found = np.concatenate([outputs[pair.steps, pair.lane] for pair in pairs])
    np.testing.assert_allclose(found, stored[f"{name}.outputs"], rtol=1e-12, atol=1e-14)
    gradients = fed.gradients()
    for each, expected in by_name(stored[f"{name}.gradients"], model).items():
        check_gradient(each, gradients[each], expected, 1e-12)


def by_name(flat: np.ndarray, model: Model) -> dict[str, np.ndarray]:
    """Parameters, or their gradients, that stand one after the other in the order of their names."""
    shapes = {name: value.shape for name, value in sorted(model.params.value.items())}
    parts = np.split(flat, np.cumsum([math.prod(shape) for shape in shapes.values()]))
    assert not parts.pop().size
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
