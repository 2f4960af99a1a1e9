"""The compiled loop over steps cuts every state before a step and every error after it, however many it is told of."""

from __future__ import annotations

import numpy as np
import pytest

from gpurnn.backend.cpu import CpuBackend
from gpurnn.network.cells import CELLS
from gpurnn.network.layers.recurrence import BACKWARD, FORWARD

pytestmark = pytest.mark.skipif(
    CpuBackend().describe()["pointwise"] != "compiled",
    reason="needs the compiled operations: install with a C compiler",
)
T, B, H = 5, 4, 3
CARRY = np.ones((T, B, 1))
CARRY[0, 1] = CARRY[2, 3] = CARRY[2, 0] = CARRY[4] = 0


def arrays_of(cell: str) -> dict[str, np.ndarray]:
    """Random arrays by argument name, of every kind that the two passes of a cell have."""
    rng, gates = np.random.default_rng(0), CELLS[cell].gates
    shapes = dict.fromkeys(("h_prev", "c_prev", "c", "tc", "h", "dh_out"), (T, B, H))
    shapes |= {"a": (T, B, gates * H), "r": (T, B, gates * H), "da_rec": (T, B, gates * H), "W": (H, gates * H)}
    shapes |= {"b": (gates * H,), "b_h": (H,)} | dict.fromkeys(("dh_rec", "e_c", "e_h"), (B, H))
    arrays = {name: rng.uniform(-1, 1, shape) for name, shape in shapes.items()}
    return arrays | ({} if CELLS[cell].apart else {"da_rec": arrays["a"]})


def step_by_step(
    cell: str, arrays: dict[str, np.ndarray], backward: bool, before: tuple[str, ...], errors: tuple[str, ...]
) -> None:
    """The contract of `Backend.bind_loop`, with the same bodies."""
    op = CELLS[cell].backward if backward else CELLS[cell].forward
    run = CpuBackend().bind(op, "float64", B=B, H=H)
    for t in reversed(range(T)) if backward else range(T):
        seen = {name: arrays[name][t] * CARRY[t] for name in (*before, "h_prev")}
        at = {name: array[t] if array.ndim == 3 else array for name, array in arrays.items()} | {
            name: seen[name] for name in before
        }
        if not backward:
            arrays["r"][t] = seen["h_prev"] @ arrays["W"]
        run(*(at[name] for name in op.arguments))
        if backward:
            arrays["dh_rec"][...] = arrays["da_rec"][t] @ arrays["W"].T
            for name in ("dh_rec", *errors):
                at[name] *= CARRY[t]


@pytest.mark.parametrize(
    ("cell", "backward", "before", "errors"),
    [
        ("simple", False, (), ()),
        ("lstm", False, ("c_prev",), ()),
        ("gru", False, ("h_prev",), ()),
        ("simple", True, (), ()),
        ("lstm", True, ("c_prev",), ("e_c",)),
        ("gru", True, ("h_prev",), ("e_h",)),
        ("lstm", True, ("c_prev", "tc"), ("e_c",)),  # as a cell would have it that carries tc too
        ("lstm", True, ("c_prev", "tc", "dh_out"), ()),
        ("lstm", True, ("c_prev",), ("e_c", "tc")),
        ("gru", True, ("dh_out", "h_prev"), ("e_h", "dh_rec")),
    ],
)
def test_what_is_cut(cell: str, backward: bool, before: tuple[str, ...], errors: tuple[str, ...]) -> None:
    op = CELLS[cell].backward if backward else CELLS[cell].forward
    expected, found = arrays_of(cell), arrays_of(cell)
    step_by_step(cell, expected, backward, before, errors)
    product = BACKWARD if backward else FORWARD
    loop = CpuBackend().bind_loop(op, "float64", found, product, backward=backward, masked=before, cleared=errors)
    assert loop is not None
    loop(T, CARRY)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-12, err_msg=name)
    for name in set(before) - set(errors):
        np.testing.assert_array_equal(found[name], arrays_of(cell)[name], err_msg=f"{name}: not cut in its place")


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_what_a_product_reads_before_an_operation_is_no_array_that_the_operation_writes(cell: str) -> None:
    """Backward it may be: there the product comes after the operation."""
    arrays = arrays_of(cell)
    arrays["h_prev"] = arrays["h"]
    with pytest.raises(ValueError, match="h_prev: expected memory apart from h,"):
        CpuBackend().bind_loop(CELLS[cell].forward, "float64", arrays, FORWARD, backward=False, masked=())
