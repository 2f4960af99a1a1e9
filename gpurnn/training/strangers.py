"""Windows that no stream made: looked at, value by value, and copied before they are used."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpurnn.backend.base import STAGED_AHEAD
from gpurnn.backend.checks import HOST
from gpurnn.data.stream import Cursor, Window
from gpurnn.data.stream.plan import Planner
from gpurnn.exceptions import UsageError
from gpurnn.network import Batch
from gpurnn.settings import Natural, checked

_INPUTS = ("tokens", "targets", "carry", "weight")


class Strangers:
    """Copies windows for one batch, so that what their owner does with them later changes nothing.

    Boundaries, the sum of weights and the plan follow from tokens, carry and weight: whatever a window says of them is
    not read. Nothing is allocated after the first window.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._slots: list[dict[str, np.ndarray]] = []
        self._planner: Planner | None = None
        self._taken = 0

    def take(self, window: Window) -> Window:
        """A copy in arrays that stay as they are until `STAGED_AHEAD` more windows were taken.

        Raises UsageError that names the first thing of the window that does not fit the batch.
        """
        batch = self._batch
        for name in ("index", *_INPUTS):
            if not hasattr(window, name):
                raise UsageError(f"window: expected a Window, found {type(window).__name__} without {name}")
        index = checked("window: index", Natural, window.index)
        shape = _expect_shapes(window, batch)
        for name in ("tokens", "targets"):
            _expect_symbols(name, getattr(window, name), batch.symbols)
        _expect_carry(window.carry)
        total = _weight_sum(window.weight, batch.weight.dtype)
        if not self._slots:
            self._allocate()
        slot = self._slots[self._taken % len(self._slots)]
        self._taken += 1
        size = shape[0] * shape[1]
        copies = {name: slot[name][:size].reshape(shape) for name in _INPUTS}
        for name, copy in copies.items():
            np.copyto(copy, getattr(window, name), casting="same_kind")
        segments = 0
        if self._planner is not None:
            segments = self._planner.plan(slot["tokens"][:size], slot["order"][:size], slot["starts"], slot["symbols"])
        return Window(
            index=index,
            epoch=0,
            **copies,
            has_boundary=not copies["carry"].all(),
            uniform=False,
            weight_sum=total,
            order=slot["order"][:size] if segments else None,
            segment_starts=slot["starts"][:segments] if segments else None,
            segment_symbols=slot["symbols"][:segments] if segments else None,
            cursor=Cursor(index + 1, batch.lanes, batch.most_steps, 0),
        )

    def _allocate(self) -> None:
        batch = self._batch
        size, real = batch.lanes * batch.most_steps, batch.carry.dtype
        dtypes = {"tokens": np.int32, "targets": np.int32, "carry": real, "weight": real}
        if batch.planned:
            dtypes |= dict.fromkeys(("order", "starts", "symbols"), np.int32)
            self._planner = Planner(size)
        self._slots = [{name: np.zeros(size, dtype) for name, dtype in dtypes.items()} for _ in range(STAGED_AHEAD + 1)]


def _expect_shapes(window: Window, batch: Batch) -> tuple[int, int]:
    """The shape of a window's arrays."""
    shape = np.shape(window.tokens)
    if len(shape) != 2 or shape[1] != batch.lanes or not 1 <= shape[0] <= batch.most_steps:
        raise UsageError(
            f"window {window.index}: tokens: expected 1 to {batch.most_steps} steps of {batch.lanes} lanes, "
            f"(t, {batch.lanes}), found {shape}"
        )
    for name in _INPUTS:
        array, kinds = getattr(window, name), "iu" if name in ("tokens", "targets") else "f"
        if not HOST.has(array) or array.shape != shape or array.dtype.kind not in kinds:
            kind = "whole numbers" if kinds == "iu" else "real numbers"
            found = f"{array.shape} {array.dtype}" if HOST.has(array) else type(array).__name__
            raise UsageError(f"window {window.index}: {name}: expected a NumPy array {shape} of {kind}, found {found}")
    return shape[0], shape[1]


def _expect_symbols(name: str, array: np.ndarray, symbols: int) -> None:
    least, most = int(array.min()), int(array.max())
    if least < 0 or most >= symbols:
        wrong = least if least < 0 else most
        t, b = np.argwhere(array == wrong)[0]
        raise UsageError(
            f"{name}: found {wrong} at step {t} of lane {b}; the vocabulary of the model has {symbols} symbols, "
            f"0 to {symbols - 1}"
        )


def _expect_carry(carry: np.ndarray) -> None:
    whole = float(carry.sum(dtype=np.float64)) == np.count_nonzero(carry)  # NaN is not
    if not (whole and carry.min() >= 0 and carry.max() <= 1):
        raise UsageError("carry: expected 0 where a step sees no state of before and 1 elsewhere, found another number")


def _weight_sum(weight: np.ndarray, real: np.dtype[Any]) -> float:
    """The sum of the weights, which `real`, the dtype of the batch, holds; and one over it."""
    total, most = float(weight.sum(dtype=np.float64)), float(np.finfo(real).max)
    if not (weight.min() >= 0 and total <= most):
        raise UsageError(f"weight: expected finite numbers of 0 or more, and a sum that {real} holds, found others")
    if 0 < total < 1 / most:
        raise UsageError(f"weight: expected a sum of 0, or one that {real} can divide by, found {total:g}")
    return total
