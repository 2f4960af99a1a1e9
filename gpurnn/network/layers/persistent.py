"""Persistent kernels, bound to the buffers of a recurrent layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gpurnn.backend import Array, Backend, PersistentOp

AllSteps = Callable[[int, Array | None], None]
"""Called with the number of steps and carry (T, B, 1), 0 where a step sees no state of before; None: it always does."""


def bind_persistent(
    be: Backend, op: PersistentOp | None, arrays: Mapping[str, Array], shape: tuple[int, int, int], dtype: Any
) -> AllSteps | None:
    """`op` with all of its arguments but `carry`; None where there is none, or the device cannot hold it.

    arrays: by argument name, the ones through time for all T steps. shape: (T, B, H).
    """
    steps, lanes, hidden = shape
    run = None if op is None else be.bind_persistent(op, dtype, N=steps, B=lanes, H=hidden)
    if op is None or run is None:
        return None
    ones = be.empty((steps, lanes, 1), dtype)
    ones.fill(1)
    through_time = [argument.shape[0] == "N" for argument in op.arguments.values()]

    def all_steps(steps: int, carry: Array | None) -> None:
        named = {**arrays, "carry": ones if carry is None else carry}
        chosen = zip(op.arguments, through_time, strict=True)
        run(*(named[name][:steps] if cut else named[name] for name, cut in chosen))

    return all_steps
