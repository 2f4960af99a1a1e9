"""A cell may carry any number of states, each with an error of its own; a cell that would lose one is refused."""

from __future__ import annotations

from typing import Any

import pytest

from gpurnn.backend import Argument, Array, Backend, FusedOp
from gpurnn.backend.cpu import CpuBackend
from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS, Cell

from .helpers import draw_window, make_problem
from .test_model import check_all

_BH = Argument(("B", "H"))
_TO_BH = Argument(("B", "H"), written=True)


def chain(length: int) -> Cell:
    """h = tanh(a + r + b + s1), s(k) = s(k)_prev / 2 + s(k+1), the last of them s_prev / 2 + h_prev."""
    states = tuple(f"s{k}" for k in range(1, length))

    def forward(xp: Any, a: Array, r: Array, b: Array, *others: Array) -> None:
        before, after = others[:length], others[length:]
        source = before[0]
        for k in range(length - 1, 0, -1):
            after[k][...] = before[k] / 2 + source
            source = after[k]
        after[0][...] = xp.tanh(a + r + b + source)

    def backward(xp: Any, dh_out: Array, dh_rec: Array, h: Array, a: Array, *errors: Array) -> None:
        a[...] = (dh_out + dh_rec + errors[0]) * (1 - h * h)
        going = a
        for error in errors[1:]:
            going = error + going
            error[...] = going / 2
        errors[0][...] = going

    names = ("h", *states)
    of_forward = {"a": _BH, "r": _BH, "b": Argument(("H",))}
    of_forward |= {f"{name}_prev": _BH for name in names} | dict.fromkeys(names, _TO_BH)
    of_backward = {"dh_out": _BH, "dh_rec": _BH, "h": _BH, "a": _TO_BH} | {f"e_{name}": _TO_BH for name in names}

    return Cell(
        name="chain",
        gates=1,
        states=names,
        forward=FusedOp(f"chain_{length}_forward", of_forward, forward),
        backward=FusedOp(f"chain_{length}_backward", of_backward, backward),
    )


def check(be: Backend, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every gradient through document boundaries, against central differences."""
    monkeypatch.setitem(CELLS, "chain", chain(length))
    config = ModelConfig(3, "chain", hidden=1, layers=1, dropout=0.0, dtype="float64")
    check_all(be, make_problem(be, config, draw_window(3, 3, 2)))


@pytest.mark.parametrize("length", [1, 4])
def test_gradients_with_so_many_states(be: Backend, length: int, monkeypatch: pytest.MonkeyPatch):
    check(be, length, monkeypatch)


@pytest.mark.parametrize("compiled", [True, False])
def test_more_states_than_a_compiled_body_may_have_arguments(compiled: bool, monkeypatch: pytest.MonkeyPatch):
    check(CpuBackend(compiled=compiled), 33, monkeypatch)


def arguments(names: str) -> FusedOp:
    return FusedOp("made_up", dict.fromkeys(names.split(), _BH), lambda xp, *arrays: None)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"states": ("c", "h")}, r"cell x: states: expected h first, found \('c', 'h'\)"),
        ({"states": ()}, "cell x: states: expected h first"),
        ({"forward": "a r b c_prve c h"}, "cell x: made_up: c_prve is none of a, b, c, c_prev, h, h_prev, r"),
        ({"forward": "a r b b_h h"}, "cell x: made_up: b_h is none of"),
        ({"forward": "a r b h dh_out"}, "cell x: made_up: dh_out is none of"),
        ({"backward": "dh_out dh_rec e_c e a"}, "cell x: made_up: e is none of"),
        ({"backward": "dh_out dh_rec a"}, "cell x: made_up: state c needs an argument e_c"),
    ],
)
def test_a_cell_says_what_is_wrong_with_it(changes: dict, match: str):
    right = {"forward": "a r b c_prev c h", "backward": "dh_out dh_rec e_c h a", "states": ("h", "c")}

    def made(forward: str, backward: str, states: tuple[str, ...]) -> Cell:
        return Cell(name="x", gates=1, states=states, forward=arguments(forward), backward=arguments(backward))

    made(**right)
    with pytest.raises(ValueError, match=match):
        made(**right | changes)
