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
    """Of an operation of one gate; what a star stands before is written. A shape may follow a colon."""
    made = {}
    for each in names.split():
        name, _, shape = each.lstrip("*").partition(":")
        axes = tuple(shape.split(",")) if shape else ("H",) if name in ("b", "b_h") else ("B", "H")
        made[name] = Argument(axes, written=each.startswith("*"))
    return FusedOp("made_up", made, lambda xp, *arrays: None)


RIGHT = {
    "name": "x",
    "gates": 1,
    "states": ("h", "c"),
    "forward": "a r b c_prev *c *h",
    "backward": "dh_out dh_rec *e_c h *a",
}


def made(**fields: Any) -> Cell:
    ops = {name: arguments(fields[name]) for name in ("forward", "backward") if isinstance(fields[name], str)}
    return Cell(**fields | ops)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"states": ("c", "h")}, r"cell x: states: expected h first, found \('c', 'h'\)"),
        ({"states": ()}, "cell x: states: expected h first"),
        ({"states": "h"}, "cell x: states: expected a tuple of names, found 'h'"),
        ({"states": ("h", "")}, "cell x: states: expected a tuple of names"),
        ({"states": ("h", "c", "c")}, "cell x: c, c_prev, e_c: expected a name for each array"),
        ({"states": ("h", "c", "c_prev")}, "cell x: c_prev: expected a name for each array"),
        ({"states": ("h", "r")}, "cell x: r: expected a name for each array"),
        ({"saved": ("c",)}, "cell x: c: expected a name for each array"),
        ({"saved": ("e_c",)}, "cell x: e_c: expected a name for each array"),
        ({"saved": ("dh_rec",)}, "cell x: dh_rec: expected a name for each array"),
        ({"biases": ("b",)}, "cell x: b: expected a name for each array"),
        ({"biases": ("W",)}, "cell x: W: expected a name for each array"),
        ({"biases": "b_h"}, "cell x: biases: expected a tuple of names"),
        ({"biases": ("b_h",)}, "cell x: made_up: b_h: expected among its arguments"),
        ({"saved": ("u",)}, "cell x: made_up: u: expected among its arguments, written"),
        ({"name": ""}, "cell : name: expected a text, found ''"),
        ({"name": None}, "cell None: name: expected a text, found None"),
        *(({"gates": gates}, "cell x: gates: expected a whole number from 1 on") for gates in (0, -1, 1.5, True, "1")),
        ({"gates": 2}, r"cell x: made_up: a: expected \('B', '2H'\) real, found \('B', 'H'\) real"),
        ({"recurrent_init": "xavier"}, "cell x: recurrent_init: expected one of uniform, .* found 'xavier'"),
        ({"forward": None}, "cell x: forward: expected a FusedOp, found None"),
        ({"backward": None}, "cell x: backward: expected a FusedOp, found None"),
        ({"persistent": (1, 2)}, "cell x: persistent: expected two PersistentOps or None"),
        ({"persistent": ()}, "cell x: persistent: expected two PersistentOps or None"),
        ({"apart": True}, "cell x: made_up: r: expected among its arguments, written"),
        ({"forward": "a r b c_prve *c *h"}, "cell x: made_up: c_prve is none of a, b, c, c_prev, h, h_prev, r"),
        ({"forward": "a r b b_h *h"}, "cell x: made_up: b_h is none of"),
        ({"forward": "a r b *h dh_out"}, "cell x: made_up: dh_out is none of"),
        ({"forward": "r b c_prev *c *h"}, "cell x: made_up: a: expected among its arguments$"),
        ({"forward": "a b c_prev *c *h"}, "cell x: made_up: r: expected among its arguments$"),
        ({"forward": "a r c_prev *c *h"}, "cell x: made_up: b: expected among its arguments$"),
        ({"forward": "a r b c_prev *h"}, "cell x: made_up: c: expected among its arguments, written"),
        ({"forward": "a r b c_prev c *h"}, "cell x: made_up: c: expected among its arguments, written"),
        ({"forward": "a *r b c_prev *c *h"}, "cell x: made_up: r: expected one that is not written"),
        ({"forward": "a r b *c_prev *c *h"}, "cell x: made_up: c_prev: expected one that is not written"),
        ({"forward": "a r b:B,H c_prev *c *h"}, r"cell x: made_up: b: expected \('H',\) real"),
        ({"forward": "a r b c_prev:H,B *c *h"}, r"cell x: made_up: c_prev: expected \('B', 'H'\) real"),
        ({"backward": "dh_out dh_rec *e_c e *a"}, "cell x: made_up: e is none of"),
        ({"backward": "dh_out dh_rec *a"}, "cell x: made_up: state c needs an argument e_c"),
        ({"backward": "dh_out dh_rec e_c *a"}, "cell x: made_up: e_c: expected among its arguments, written"),
        ({"backward": "dh_out dh_rec *e_c a"}, "cell x: made_up: a: expected among its arguments, written"),
        ({"backward": "dh_rec *e_c *a"}, "cell x: made_up: dh_out: expected among its arguments$"),
        ({"backward": "dh_out *e_c *a"}, "cell x: made_up: dh_rec: expected among its arguments$"),
        ({"backward": "dh_out *dh_rec *e_c *a"}, "cell x: made_up: dh_rec: expected one that is not written"),
        ({"backward": "dh_out dh_rec *e_c *h *a"}, "cell x: made_up: h: expected one that is not written"),
    ],
)
def test_a_cell_says_what_is_wrong_with_it(changes: dict[str, Any], match: str):
    made(**RIGHT)
    with pytest.raises(ValueError, match=match):
        made(**RIGHT | changes)
