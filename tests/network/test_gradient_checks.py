"""The checks of gradients see every wrong one: faults planted in gradients that are right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.network import ModelConfig

from .helpers import TOLERANCE, check_slopes, directions_for, draw_window, host, make_problem, objective, slopes_along

Planted = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def checked(be: Backend) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each parameter its gradient, and what it is held against."""
    config = ModelConfig(7, "gru", hidden=3, layers=2, embedding=3, dropout=0.0, dtype="float64")
    p = make_problem(be, config, draw_window(7, 4, 3))
    p.model.forward(p.ws, p.state)
    p.model.backward(p.ws)
    found = {}
    for name, gradient in host(be, p.model.params.gradient).items():
        directions = directions_for(gradient.shape)
        slopes = slopes_along(be, lambda: objective(p, be), p.model.params.value[name], directions)
        check_slopes(name, gradient, directions, slopes)
        found[name] = gradient, directions, slopes
    return found


def seen(name: str, wrong: np.ndarray, directions: np.ndarray, slopes: np.ndarray) -> bool:
    try:
        check_slopes(name, wrong, directions, slopes)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("size", [1e-4, 1e-5, 30 * TOLERANCE])
def test_an_error_in_any_one_element_is_seen(
    checked: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]], size: float
):
    """size: of the error, beside the norm of the gradient."""
    for name, (gradient, *held) in checked.items():
        for place in np.ndindex(gradient.shape):
            wrong = gradient.copy()
            wrong[place] += size * np.linalg.norm(gradient)
            assert seen(name, wrong, *held), f"{name}{place}"


def swapped_rows(gradient: np.ndarray) -> np.ndarray:
    return gradient[[1, 0, *range(2, len(gradient))]]


def square_transposed(gradient: np.ndarray) -> np.ndarray:
    wrong = gradient.copy()
    wrong[:3, :3] = gradient[:3, :3].T
    return wrong


FAULTS: dict[str, Planted] = {
    "scaled": lambda gradient: gradient * (1 + 1e-6),
    "the other sign": lambda gradient: -gradient,
    "zero": np.zeros_like,
    "swapped rows": swapped_rows,
    "a gate scaled": lambda gradient: np.concatenate([gradient[..., :3] * 1.001, gradient[..., 3:]], axis=-1),
    "transposed": square_transposed,
    "not finite": lambda gradient: np.where(np.arange(gradient.size).reshape(gradient.shape) == 1, np.nan, gradient),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen(checked: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]], fault: str):
    for name, (gradient, *held) in checked.items():
        if fault != "transposed" or gradient.ndim == 2:
            assert seen(name, FAULTS[fault](gradient), *held), name
