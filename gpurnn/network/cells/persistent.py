"""Persistent kernels: a cell over all steps of a window in one launch, its recurrent weights kept on the GPU's chip.

They are another body of the loop in `layers.recurrent`: the same buffers, read and overwritten in the same way.
docs/persistent-kernels.md says which sizes which devices hold, and what they take there.
"""

from __future__ import annotations

from pathlib import Path

from gpurnn.backend import Argument, PersistentOp

_TBH = Argument(("N", "B", "H"))
_TO_TBH = Argument(("N", "B", "H"), written=True)
_TO_BH = Argument(("B", "H"), written=True)
_CARRY = Argument(("N", "B", "1"))


def _before(state: str) -> Argument:
    """The states before each step: they are those after the step before, in the same memory."""
    return Argument(("N", "B", "H"), shares=state)


def _gates(count: int, *, written: bool = True) -> Argument:
    return Argument(("N", "B", f"{count}H"), written=written)


def _pair(
    name: str, gates: int, forward: dict[str, Argument], backward: dict[str, Argument], file: str
) -> tuple[PersistentOp, PersistentOp]:
    """The forward and backward kernel: a thread a gate of a unit, each keeping H weights.

    Shared by the threads of a block: two vectors of H rounded up to a multiple of 4, or one a gate, and one real each.
    """
    source, threads = Path(__file__).with_name(file), f"{gates}H"
    return (
        PersistentOp(f"{name}_persistent_forward", forward, source, threads, weights="H", vectors=max(gates, 2)),
        PersistentOp(f"{name}_persistent_backward", backward, source, threads, weights="H", vectors=max(gates, 2)),
    )


def _simple(name: str) -> tuple[PersistentOp, PersistentOp]:
    W = Argument(("H", "H"))
    forward = {"a": _gates(1, written=False), "W": W, "b": Argument(("H",)), "carry": _CARRY}
    forward |= {"h_prev": _before("h"), "h": _TO_TBH}
    backward = {"a": _gates(1), "W": W, "carry": _CARRY, "dh_out": _TBH, "h": _TBH, "dh_rec": _TO_BH}
    return _pair(name, 1, forward, backward, "simple_persistent.cu")


def _lstm() -> tuple[PersistentOp, PersistentOp]:
    W = Argument(("H", "4H"))
    forward = {"a": _gates(4), "W": W, "b": Argument(("4H",)), "carry": _CARRY, "c_prev": _before("c")}
    forward |= {"c": _TO_TBH, "tc": _TO_TBH, "h_prev": _before("h"), "h": _TO_TBH}
    backward = {"a": _gates(4), "W": W, "carry": _CARRY, "dh_out": _TBH, "c_prev": _TBH, "tc": _TBH}
    backward |= {"dh_rec": _TO_BH, "e_c": _TO_BH}
    return _pair("lstm", 4, forward, backward, "lstm_persistent.cu")


def _gru() -> tuple[PersistentOp, PersistentOp]:
    W = Argument(("H", "3H"))
    forward = {"a": _gates(3), "r": _gates(3), "W": W, "b": Argument(("3H",)), "b_h": Argument(("H",))}
    forward |= {"carry": _CARRY, "h_prev": _before("h"), "h": _TO_TBH}
    backward = {"a": _gates(3), "r": _gates(3), "W": W, "carry": _CARRY, "dh_out": _TBH, "h_prev": _TBH}
    backward |= {"dh_rec": _TO_BH, "e_h": _TO_BH}
    return _pair("gru", 3, forward, backward, "gru_persistent.cu")


SIMPLE_PERSISTENT, SIMPLE_RELU_PERSISTENT = _simple("simple"), _simple("simple_relu")
LSTM_PERSISTENT, GRU_PERSISTENT = _lstm(), _gru()
"""Forward and backward of each."""
